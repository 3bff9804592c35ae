# shellcheck shell=bash disable=SC2034  # The lists are read by the scripts that source this file.
# Finds a Swift toolchain and installs missing system packages, for `run`, `test` and `bench`.

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# What building needs. The names hold on Debian 12 and 13 and on Ubuntu 24.04 and 26.04.
build_packages=(
    binutils-gold                        # The linker that Swift prefers; where gold is still in binutils, that.
    gcc libc6-dev                        # Start files, libgcc and C headers, in the release's own version.
    libssl-dev pkg-config zlib1g-dev     # TLS and compression, and where they are.
    libsqlite3-dev                       # The registry of a single machine.
    libcurl4 libncurses6 libsqlite3-0    # Shared libraries of `swift` itself.
    libxml2-dev                          # The same; only the name of the -dev package is the same everywhere.
)

# What the tests need besides: the programs that they start.
test_packages=(
    bind9-dnsutils iperf3 # Go through a tunnel, by UDP and by TCP.
    chromium     # Loads a page of ours and talks over our WebSocket.
    curl openssl # Talk to our servers, and serve our clients.
    etcd-server  # Keeps what the nodes of a cluster know; our registry talks to it.
    etcd-client  # Reads what we have put there.
    nats-server  # A bus of the cluster.
    openssh-client openssh-server # Go through a tunnel, and wait behind one.
    redis-server # Where calls wait that are tried again.
    python3      # Reads a profile that we wrote.
)

# What benchmarks need besides. Their load generators in C need only gcc and libc6-dev, from above.
bench_packages=(
    chromium fonts-wqy-zenhei # Takes pictures of the dashboard, in Chinese too.
    etcd-server             # What the servers of a cluster know each other by.
    libnats-dev nats-server # The other client of NATS, and its server.
    haproxy socat libnginx-mod-stream # Relay beside our tunnel.
    nginx-light # Serves the same page beside our HTTP server, and relays too.
    openssl     # Makes a certificate, and says what the cryptography alone takes.
    python3     # Drives some of them.
    strace      # Counts system calls.
    util-linux  # taskset, which gives each side its own core.
    valgrind    # Counts instructions.
)

# Exit codes, as in <sysexits.h>.
usage_error=64
unavailable=69

fail() {
    local code=$1
    shift
    printf '%s\n' "$@" >&2
    exit "$code"
}

# Puts Swift 6.3 or newer first in PATH and installs those of the given packages that are missing.
setup() {
    find_swift
    install_packages "$@"
    # SwiftPM and clang keep caches at home. A container may have none, or one that belongs to someone else.
    if [[ ! -w ${HOME:-} ]]; then
        export HOME=$root/.build/home
        mkdir -p "$HOME"
    fi
}

find_swift() {
    local on_path folder output older=
    on_path=$(command -v swift || true)
    for folder in ${SWIFT_HOME:+"$SWIFT_HOME/usr/bin"} \
        ${on_path:+"${on_path%/swift}" "$(dirname "$(readlink -f "$on_path")")"} \
        /opt/swift/usr/bin /usr/local/swift/usr/bin "${SWIFTLY_BIN_DIR:-${HOME:-}/.local/share/swiftly/bin}"; do
        [[ -x $folder/swift ]] || continue
        # On a bare machine swift-frontend starts; swift lacks its shared libraries until they are installed.
        output=$("$folder/swift-frontend" --version 2>/dev/null || "$folder/swift" --version 2>/dev/null || true)
        [[ $output =~ Swift\ version\ ([0-9]+)\.([0-9]+)[.0-9]* ]] || continue
        if ((BASH_REMATCH[1] > 6 || (BASH_REMATCH[1] == 6 && BASH_REMATCH[2] >= 3))); then
            export PATH=$folder:$PATH
            return
        fi
        older=${older:-"only ${BASH_REMATCH[0]} in $folder"}
    done
    fail "$unavailable" "Omniway needs Swift 6.3 or newer; found ${older:-none}." \
        "Get it from https://www.swift.org/install/, or with swiftly: swiftly install latest" \
        "If you have it elsewhere, set SWIFT_HOME to the folder that contains its usr/bin."
}

install_packages() {
    local missing command as_root=()
    if ! command -v dpkg-query >/dev/null; then
        echo "This is not Debian or Ubuntu: have the equivalents of these packages installed: $*" >&2
        return
    fi
    missing=$(missing_packages "$@")
    [[ $missing ]] || return 0

    command="apt-get update && apt-get install -y --no-install-recommends $missing"
    if ! command -v apt-get >/dev/null; then
        fail "$unavailable" "There is no apt-get here. Install these packages in another way, then try again:" \
            "    $missing"
    elif [[ $(id -u) != 0 ]]; then
        if sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        elif [[ ! ${CI:-} && -t 0 ]] && command -v sudo >/dev/null; then
            as_root=(sudo) # Someone is there to type the password.
        else
            fail "$unavailable" "System packages are missing, and only root can install them. As root, run:" \
                "    $command" "Then try again."
        fi
    fi

    echo "Installing system packages: $missing"
    apt_get update || true # A broken third-party source need not be in the way.
    # shellcheck disable=SC2086  # One word for each package.
    apt_get install -y --no-install-recommends $missing ||
        fail "$unavailable" "apt-get could not install them and says why above. To see all of it, run as root:" \
            "    $command"
}

# Which of these are neither installed nor provided by what is (libcurl4 may be libcurl4t64), on one line.
missing_packages() {
    dpkg-query --show --showformat='${db:Status-Status} ${Package} ${Provides}\n' | awk -v wanted="$*" '
        $1 == "installed" { gsub(/\([^)]*\)|,/, " "); for (i = 2; i <= NF; i++) installed[$i] }
        END {
            count = split(wanted, names, " ")
            for (i = 1; i <= count; i++) if (!(names[i] in installed)) line = line " " names[i]
            print substr(line, 2)
        }'
}

apt_get() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes \
        apt-get -qq -o DPkg::Lock::Timeout=120 "$@" </dev/null >/dev/null
}
