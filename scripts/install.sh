#!/usr/bin/env bash
# Installs the program without a package: scripts/install.sh [--prefix <folder>] [--program <path>] [--remove].
set -eu
# shellcheck source=scripts/setup.sh
. "$(dirname -- "$0")/setup.sh"
# shellcheck source=scripts/stage.sh
. "$root/scripts/stage.sh"

usage='Usage: scripts/install.sh [--prefix <folder>] [--program <path>] [--remove]

  --prefix <folder>  where bin and share are; by default /usr/local, or ~/.local for who is not root
  --program <path>   install this program, instead of building one
  --remove           take away what an earlier call has installed there'
if [[ $(id -u) == 0 ]]; then prefix=/usr/local; else prefix=$HOME/.local; fi
program=
is_removed=
while (($#)); do
    case $1 in
    --prefix) prefix=${2:?$usage} && shift ;;
    --program) program=${2:?$usage} && shift ;;
    --remove) is_removed=yes ;;
    -h | --help) echo "$usage" && exit ;;
    *) fail "$usage_error" "install.sh: unknown argument $1" "$usage" ;;
    esac
    shift
done

if [[ $is_removed ]]; then
    rm -rf "$prefix/bin/omniway" "$prefix/share/doc/omniway" "$prefix/share/man/man1/omniway.1.gz" \
        "$prefix/share/bash-completion/completions/omniway" "$prefix/share/zsh/vendor-completions/_omniway" \
        "$prefix/share/fish/vendor_completions.d/omniway.fish"
    echo "Omniway is no longer in $prefix. What it has kept is in \$OMNIWAY_DATA or ~/.omniway."
    exit
fi
if [[ ! $program ]]; then
    setup "${build_packages[@]}"
    program=$(build_release)
fi
stage "$program" "" "$prefix"
echo "Installed $("$prefix/bin/omniway" version | head -n 1) as $prefix/bin/omniway. Try: $prefix/bin/omniway up"
