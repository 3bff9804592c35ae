#!/usr/bin/env bash
# Tries `test` and `run` the way a newcomer does: on a bare Debian or Ubuntu that has nothing but a Swift toolchain.
#
#   sudo scripts/cleanroot.sh [--suite bookworm] [--mirror <url>] [--toolchain <folder>] [--root <folder>]
#
#   --suite <name>         the release to try: bookworm, trixie, noble ... (default bookworm)
#   --mirror <url>         where it comes from (default http://deb.debian.org/debian;
#                          Ubuntu's is http://archive.ubuntu.com/ubuntu)
#   --toolchain <folder>   the folder that contains the toolchain's usr/bin (default $SWIFT_HOME or /opt/swift)
#   --root <folder>        the bare system; made if it is absent, and kept (default /var/tmp/omniway-<suite>)
#
# Needs root, about 3 GB, and debootstrap (for Ubuntu on Debian also ubuntu-archive-keyring), which apt-get installs.
# The bare system stays bare: each trial happens in an overlay that is deleted at the end. Mounts and processes live
# in namespaces of their own and end with the trial.
set -eu
project=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

usage() {
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
}

fail() {
    echo "cleanroot.sh: $1" >&2
    exit 1
}

suite=bookworm
mirror=http://deb.debian.org/debian
toolchain=${SWIFT_HOME:-/opt/swift}
bare=
while (($#)); do
    case $1 in
        --suite) suite=${2:?} ;;
        --mirror) mirror=${2:?} ;;
        --toolchain) toolchain=${2:?} ;;
        --root) bare=${2:?} ;;
        -h | --help)
            usage
            exit
            ;;
        *)
            usage >&2
            exit 64
            ;;
    esac
    shift 2
done
bare=${bare:-/var/tmp/omniway-$suite}
[[ $(id -u) == 0 ]] || fail "only root can mount; use sudo"
[[ -x $toolchain/usr/bin/swift ]] || fail "there is no usr/bin/swift in $toolchain; use --toolchain"
command -v debootstrap >/dev/null || [[ -d $bare ]] || fail "debootstrap is missing; run: apt-get install debootstrap"

if [[ ! -d $bare ]]; then
    debootstrap --variant=minbase "$suite" "$bare.part" "$mirror"
    mv "$bare.part" "$bare"
fi

trial=$(mktemp --directory "${TMPDIR:-/var/tmp}/omniway-trial.XXXXXX")
trap 'rm -rf --one-file-system "$trial"' EXIT
mkdir "$trial"/{changes,work,root}

# Runs a command in the trial's /omniway, with almost no environment: no HOME, and the toolchain not on PATH.
inside() {
    # shellcheck disable=SC2016  # The inner shell expands these.
    bare=$bare trial=$trial toolchain=$toolchain unshare --mount --pid --fork --kill-child bash -euc '
        root=$trial/root
        mount -t overlay -o "lowerdir=$bare,upperdir=$trial/changes,workdir=$trial/work" overlay "$root"
        mkdir -p "$root/opt/swift" "$root/omniway"
        mount --bind "$toolchain" "$root/opt/swift"
        mount -o remount,bind,ro "$root/opt/swift"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        cp /etc/resolv.conf "$root/etc/resolv.conf"
        exec chroot "$root" env -i -C /omniway CI=true PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"' trial "$@"
}

as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)

# step <expected exit code> <title> <command>...
step() {
    local expected=$1 title=$2 code=0 start=$SECONDS
    shift 2
    printf '\n=== %s: %s\n' "$title" "$*"
    inside "$@" </dev/null || code=$?
    echo "=== exit code $code after $((SECONDS - start)) s"
    [[ $code == "$expected" ]] || fail "expected exit code $expected"
}

tar -C "$project" --exclude=./.build --exclude=./.git -cf - . | inside tar --no-same-owner -xf -

step 69 "nobody may install packages" "${as_nobody[@]}" ./test
step 0 "the first time" ./test
step 0 "the second time" ./test
step 0 "an optimised build" ./run --help
step 124 "a node, interrupted after ten seconds" timeout --signal=INT --kill-after=10 10 ./run
step 0 "an ordinary user without a home" "${as_nobody[@]}" \
    bash -euc 'mkdir /tmp/copy; tar --exclude=./.build -cf - . | tar -C /tmp/copy -xf -; cd /tmp/copy; ./test'
echo "cleanroot.sh: everything works on $bare"
