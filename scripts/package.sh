#!/usr/bin/env bash
# Builds a Debian package: scripts/package.sh [--program <path>] [--output <folder>]. It has the program with the Swift
# runtime in it, a systemd unit, a user, a folder of data, settings, completions and a page for man.
set -eu
# shellcheck source=scripts/setup.sh
. "$(dirname -- "$0")/setup.sh"
# shellcheck source=scripts/stage.sh
. "$root/scripts/stage.sh"

usage='Usage: scripts/package.sh [--program <path>] [--output <folder>]

  --program <path>   package this program, instead of building one
  --output <folder>  where the package goes; by default .build'
program=
output=$root/.build
while (($#)); do
    case $1 in
    --program) program=${2:?$usage} && shift ;;
    --output) output=${2:?$usage} && shift ;;
    -h | --help) echo "$usage" && exit ;;
    *) fail "$usage_error" "package.sh: unknown argument $1" "$usage" ;;
    esac
    shift
done
command -v dpkg-deb >/dev/null || fail "$unavailable" "Debian packages are built by dpkg-deb; install dpkg."
if [[ ! $program ]]; then
    setup "${build_packages[@]}"
    program=$(build_release)
fi

# The packages whose libraries it is linked to.
dependencies() {
    local path owner
    echo "libc6 (>= $(getconf GNU_LIBC_VERSION | cut -d' ' -f2))"
    ldd "$program" | awk '$2 == "=>" { print $3 }' | while read -r path; do
        # Half of a machine may be linked to /usr, and dpkg knows only the other name.
        for path in "$path" "$(readlink -f "$path")" "/usr$path" "${path#/usr}"; do
            owner=$(dpkg-query --search "$path" 2>/dev/null | head -n 1 | cut -d: -f1) || true
            [[ ! $owner ]] || break
        done
        [[ ! $owner || $owner == libc6 ]] || echo "$owner"
    done | sort -u
}

version=$("$program" version | awk 'NR == 1 { print $2 }')
architecture=$(dpkg --print-architecture)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
stage "$program" "$folder" /usr
install -D -m 644 "$root/share/systemd/omniway.service" "$folder/usr/lib/systemd/system/omniway.service"
install -D -m 644 "$root/share/systemd/omniway.sysusers" "$folder/usr/lib/sysusers.d/omniway.conf"
install -D -m 644 "$folder/usr/share/doc/omniway/omniway.sample.json5" "$folder/etc/omniway/omniway.json5"
gzip -9n <"$root/CHANGELOG.md" >"$folder/usr/share/doc/omniway/changelog.gz"

install -D -m 755 -t "$folder/DEBIAN" "$root"/share/debian/postinst "$root"/share/debian/prerm \
    "$root"/share/debian/postrm
echo /etc/omniway/omniway.json5 >"$folder/DEBIAN/conffiles"
(cd "$folder" && find usr etc -type f -exec md5sum {} +) >"$folder/DEBIAN/md5sums"
cat >"$folder/DEBIAN/control" <<CONTROL
Package: omniway
Version: $version
Architecture: $architecture
Maintainer: The Omniway authors <omniway@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$folder" | cut -f1)
Depends: $(dependencies | paste -sd, | sed 's/,/, /g'), adduser | systemd
Section: net
Priority: optional
Description: connects clients, servers, private networks and peers
 One program with a gateway (fastway, uniway), an application server (pomelo,
 pitaya), a tunnel and a mesh over long-lived connections, and a dashboard.
CONTROL
find "$folder" -type d -exec chmod 755 {} +
mkdir -p "$output"
package=$output/omniway_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zzstd --build "$folder" "$package" >&2
echo "$package"
