#!/usr/bin/env bash
# Runs one fuzz target of the codecs with libFuzzer and the address sanitizer:
# scripts/fuzz.sh <target> [options of libFuzzer]. Targets are the files of Tests/Fuzz. A corpus grows in .build/fuzz.
set -eu
# shellcheck source=scripts/setup.sh
. "$(dirname -- "$0")/setup.sh"
cd "$root"

target=${1:-}
[[ $target && -f Tests/Fuzz/$target.swift ]] ||
    fail "$usage_error" "Usage: scripts/fuzz.sh <target> [options of libFuzzer, such as -runs=1000000]" \
        "Targets:" "$(cd Tests/Fuzz && ls -- *.swift | sed 's/.swift$//')"
shift

setup "${build_packages[@]}"
export SWIFT_BACKTRACE=enable=no # Swift's crash handler would hang over a crash that the fuzzer caught.
# Not by SwiftPM: it renames the main function of what it links, and libFuzzer brings its own.
out=.build/fuzz
mkdir -p "$out/corpus/$target"
flags=(-O -g -swift-version 6 -package-name omniway -parse-as-library -enable-experimental-feature Lifetimes)
flags+=(-sanitize=fuzzer,address -I "$out" -I Sources/COpenSSL -I Sources/CZlib)
for folder in Crypto Wire; do
    mapfile -t sources < <(find "Sources/$folder" -name '*.swift')
    swiftc "${flags[@]}" -emit-module -emit-module-path "$out/Omniway$folder.swiftmodule" \
        -module-name "Omniway$folder" -c -wmo "${sources[@]}" -o "$out/Omniway$folder.o"
done
swiftc "${flags[@]}" "Tests/Fuzz/$target.swift" "$out"/Omniway{Crypto,Wire}.o -lcrypto -lz -o "$out/$target"
exec "$out/$target" "$out/corpus/$target" "$@"
