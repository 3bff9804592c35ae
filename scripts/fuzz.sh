#!/usr/bin/env bash
# Runs one libFuzzer target under the address sanitizer: scripts/fuzz.sh <target> [options of libFuzzer]
# Targets are the folders of Tests/Fuzz. A corpus grows in .build/fuzz/corpus/<target>.
set -eu
# shellcheck source=scripts/setup.sh
. "$(dirname -- "$0")/setup.sh"
cd "$root"

targets=$(cd Tests/Fuzz && ls)
target=${1:-}
[[ $target && -d Tests/Fuzz/$target ]] ||
    fail "$usage_error" "Usage: scripts/fuzz.sh <target> [options of libFuzzer, such as -runs=1000000]" "Targets:" "$targets"
shift

setup "${build_packages[@]}"
export OMNIWAY_FUZZ=1
export SWIFT_BACKTRACE=enable=no # Swift's crash handler would hang over a crash that the fuzzer caught.
swift build --scratch-path .build/fuzz --configuration release -Xswiftc -sanitize=fuzzer,address \
    -Xswiftc -parse-as-library --product "${target}Fuzz"
mkdir -p ".build/fuzz/corpus/$target"
exec ".build/fuzz/release/${target}Fuzz" ".build/fuzz/corpus/$target" "$@"
