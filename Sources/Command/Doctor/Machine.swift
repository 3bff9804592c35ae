import FoundationEssentials
import Glibc
import Omniway

/// What the system allows, and how it is set.
enum Machine {
    /// What goes into the archive as it is, none of it secret.
    static let files = [
        ("limits.txt", "/proc/self/limits"), ("os-release.txt", "/etc/os-release"), ("kernel.txt", "/proc/version"),
        ("memory.txt", "/proc/meminfo"), ("load.txt", "/proc/loadavg"), ("sockets.txt", "/proc/net/sockstat"),
        ("somaxconn.txt", "/proc/sys/net/core/somaxconn"),
        ("port-range.txt", "/proc/sys/net/ipv4/ip_local_port_range"),
    ]

    /// Files of the system say no size, so they are read to their end; at most a mebibyte.
    static func read(_ path: String) -> String? {
        guard let file = FileManager.default.contents(atPath: path) else { return nil }
        return String(decoding: file.prefix(1 << 20), as: UTF8.self)
    }

    static func findings() -> [Finding] {
        [Finding(.well, "version", "omniway \(Version.current), OpenSSL \(Version.openSSL), SQLite \(Version.sqlite)")]
            + [descriptors, backlog, ports, clock].compactMap(\.self)
    }

    private static var descriptors: Finding {
        var limit = rlimit()
        // Safe because the call fills what it is given.
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let (soft, hard) = (Int(clamping: limit.rlim_cur), Int(clamping: limit.rlim_max))
        guard soft >= 16_384 else {
            return Finding(
                .doubtful, "descriptors",
                "\(soft) of at most \(hard), one for each connection; ulimit -n \(min(hard, 262_144)), or LimitNOFILE=")
        }
        return Finding(.well, "descriptors", "\(soft)")
    }

    private static func number(_ path: String) -> Int? {
        read(path).flatMap { $0.split { !$0.isNumber }.first }.flatMap { Int($0) }
    }

    private static var backlog: Finding? {
        guard let most = number("/proc/sys/net/core/somaxconn") else { return nil }
        let wanted = Int(SocketOptions().backlog)
        guard most < wanted else { return Finding(.well, "waiting connections", "\(most)") }
        return Finding(
            .doubtful, "waiting connections",
            "\(most); when many come at once some are refused: sysctl net.core.somaxconn=\(wanted)")
    }

    private static var ports: Finding? {
        let words = read("/proc/sys/net/ipv4/ip_local_port_range")?.split { !$0.isNumber }.compactMap { Int($0) } ?? []
        guard words.count == 2 else { return nil }
        let count = words[1] - words[0] + 1
        guard count < 16_384 else { return Finding(.well, "ports for dialling", "\(count)") }
        return Finding(
            .doubtful, "ports for dialling",
            "\(count) to each address; sysctl net.ipv4.ip_local_port_range=\"16384 65535\"")
    }

    private static var clock: Finding {
        let now = Date().timeIntervalSince1970
        guard now > 1_735_689_600 else {
            return Finding(.wrong, "clock", "it is far behind; certificates and leases need the time: set it")
        }
        guard Host.clockIsKept else {
            return Finding(.doubtful, "clock", "nobody keeps it right; install chrony, or see timedatectl")
        }
        return Finding(.well, "clock", "is kept right")
    }
}
