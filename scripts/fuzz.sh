#!/usr/bin/env bash
# Runs one fuzz target of the codecs with libFuzzer and the address sanitizer:
# scripts/fuzz.sh [--planted | --coverage] <target> [options of libFuzzer]. Targets are the files of Tests/Fuzz. A
# corpus begins with the target's seeds and grows in .build/fuzz. --planted builds in a bug that must be found;
# --coverage only replays the corpus, and prints which share of the lines it reaches.
set -eu
# shellcheck source=scripts/setup.sh
. "$(dirname -- "$0")/setup.sh"
cd "$root"

kind=fuzz
case ${1:-} in
--planted | --coverage)
    kind=${1#--}
    shift
    ;;
esac
target=${1:-}
[[ $target && -f Tests/Fuzz/$target.swift ]] ||
    fail "$usage_error" \
        "Usage: scripts/fuzz.sh [--planted | --coverage] <target> [options of libFuzzer, such as -runs=1000000]" \
        "Targets:" "$(cd Tests/Fuzz && ls -- *.swift | sed 's/.swift$//')"
shift

setup "${build_packages[@]}"
export SWIFT_BACKTRACE=enable=no # Swift's crash handler would hang over a crash that the fuzzer caught.
out=.build/fuzz/$kind
corpus=.build/fuzz/corpus/$target
mkdir -p "$out" "$corpus"
[[ $kind != planted ]] || corpus=$(mktemp -d) # A corpus that knows the bug would prove nothing.

# Each line of the seeds is one input, written as printf takes it.
if [[ -f Tests/Fuzz/Seeds/$target.txt ]]; then
    number=0
    while IFS= read -r line; do
        number=$((number + 1))
        # shellcheck disable=SC2059
        printf "$line" >"$corpus/seed-$number"
    done <"Tests/Fuzz/Seeds/$target.txt"
fi

flags=(-O -g -swift-version 6 -package-name omniway -parse-as-library -enable-experimental-feature Lifetimes
    -enable-upcoming-feature InternalImportsByDefault # As in Package.swift.
    -I "$out" -I Sources/COpenSSL -I Sources/CZlib)
case $kind in
fuzz) flags+=(-sanitize=fuzzer,address) ;;
planted) flags+=(-sanitize=fuzzer,address -D PLANTED_BUG) ;;
coverage) flags+=(-sanitize=fuzzer -profile-generate -profile-coverage-mapping) ;;
esac
# Not by SwiftPM: it renames the main function of what it links, and libFuzzer brings its own.
for folder in Crypto Wire; do
    mapfile -t sources < <(find "Sources/$folder" -name '*.swift')
    [[ $out/Omniway$folder.o -nt scripts/fuzz.sh ]] &&
        [[ -z $(find "Sources/$folder" Sources/C* -newer "$out/Omniway$folder.o" -print -quit) ]] && continue
    swiftc "${flags[@]}" -emit-module -emit-module-path "$out/Omniway$folder.swiftmodule" \
        -module-name "Omniway$folder" -c -wmo "${sources[@]}" -o "$out/Omniway$folder.o"
done
swiftc "${flags[@]}" "Tests/Fuzz/$target.swift" "$out"/Omniway{Crypto,Wire}.o -lcrypto -lz -o "$out/$target"
[[ $kind == coverage ]] || exec "$out/$target" -artifact_prefix="$out/" "$corpus" "$@"

LLVM_PROFILE_FILE=$out/$target.profraw "$out/$target" -runs=0 "$corpus" 2>/dev/null
llvm-profdata merge -sparse "$out/$target.profraw" -o "$out/$target.profdata"
llvm-cov export -summary-only "$out/$target" -instr-profile="$out/$target.profdata" Sources/Wire Sources/Crypto
