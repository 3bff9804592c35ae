#!/usr/bin/env bash
# Builds the documentation of the libraries by DocC: scripts/docc.sh [--output <folder>] [<module> ...]. Each module becomes
# a folder of pages for any web server, at the path /<module>.
set -eu
# shellcheck source=scripts/setup.sh
. "$(dirname -- "$0")/setup.sh"

usage='Usage: scripts/docc.sh [--output <folder>] [<module> ...]

  --output <folder>  where the pages go; by default .build/documentation
  <module>           a library, such as OmniwayTransport; by default all'
output=$root/.build/documentation
modules=()
while (($#)); do
    case $1 in
    --output) output=${2:?$usage} && shift ;;
    -h | --help) echo "$usage" && exit ;;
    -*) fail "$usage_error" "docc.sh: unknown argument $1" "$usage" ;;
    *) modules+=("$1") ;;
    esac
    shift
done
setup "${build_packages[@]}"
command -v docc >/dev/null || fail "$unavailable" "DocC is part of the Swift toolchain, and this one has none: no docc in PATH."
cd "$root"

# The folder of a library, whose module has its name behind ours.
folder() { if [[ $1 == Omniway ]]; then echo Sources/Omniway; else echo "Sources/${1#Omniway}"; fi; }

if ((${#modules[@]} == 0)); then
    modules=(Omniway)
    for library in Admin App Arguments Cluster Crypto Gateway Main Mesh Telemetry Testing Transport Tunnel Wire; do
        modules+=("Omniway$library")
    done
fi

echo "symbols of all modules, which builds them" >&2
swift package dump-symbol-graph --minimum-access-level public --skip-synthesized-members >&2
graphs=$(swift build --show-bin-path)
graphs=${graphs%/*}/symbolgraph
mkdir -p "$output"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for module in "${modules[@]}"; do
    pages=$(folder "$module")/Documentation.docc
    [[ -d $pages ]] || pages= # Its symbols are documented all the same.
    mkdir "$work/$module"
    cp "$graphs/$module.symbols.json" "$graphs/$module"@*.symbols.json "$work/$module/" 2>/dev/null || true
    [[ -e $work/$module/$module.symbols.json ]] ||
        fail "$usage_error" "docc.sh: $module is no library of ours; there are no symbols of it in $graphs"
    docc convert ${pages:+"$pages"} --additional-symbol-graph-dir "$work/$module" --fallback-display-name "$module" \
        --fallback-bundle-identifier "org.omniway.$module" --hosting-base-path "$module" \
        --output-path "$output/$module" >&2
    echo "$output/$module"
done
