import OmniwayTransport

/// Targets that may be reached: `tcp://10.0.0.0/8:22`, `tcp://*:8000-8999`, `https://intranet:443`,
/// `unix:///run/a.sock`, and a folder with all below it, `file:///srv/www`.
public struct TargetAllowance: Sendable, Equatable {
    private enum Host: Equatable { case any, name(String), range(AddressRange), path(String) }
    private let scheme: TargetAddress.Scheme
    private let host: Host
    private let ports: ClosedRange<UInt16>

    /// Nil when it cannot be read.
    public init?(_ text: String) {
        if text.hasPrefix("unix://") || text.hasPrefix("file://") {
            guard let target = TargetAddress(text) else { return nil }
            (scheme, host, ports) = (target.scheme, .path(target.path), 0...0)
            return
        }
        guard let mark = text.range(of: "://"), let colon = text.lastIndex(of: ":"), colon >= mark.upperBound,
            let scheme = TargetAddress.Scheme(rawValue: String(text[..<mark.lowerBound]))
        else { return nil }
        var name = String(text[mark.upperBound..<colon])
        if name.hasPrefix("["), name.hasSuffix("]") { name = String(name.dropFirst().dropLast()) }
        let ends = text[text.index(after: colon)...].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2, let first = ends.first.flatMap({ UInt16($0) }),
            let last = ends.last.flatMap({ UInt16($0) }), first <= last
        else { return nil }
        if name == "*" {
            host = .any
        } else if let range = AddressRange(name) {
            host = .range(range)
        } else if name.lowercased().isDomain {
            host = .name(name.lowercased())
        } else {
            return nil
        }
        (self.scheme, ports) = (scheme, first...last)
    }

    /// A name is allowed by that name alone: what it resolves to may be something else the next time.
    public func allows(_ target: TargetAddress) -> Bool {
        guard target.scheme == scheme, ports.contains(target.at.port) else { return false }
        switch host {
        case .any: return true
        case .name(let name): return target.at.host.lowercased() == name
        case .path(let path):
            let folder = path.hasSuffix("/") ? path : path + "/"
            return target.path == path || target.scheme == .file && target.path.hasPrefix(folder)
        case .range(let range):
            return SocketAddress(host: target.at.host, port: 0).map { range.contains($0) } ?? false
        }
    }
}

extension TunnelClient {
    /// Whether a rule may lead there. Without a list what is reached by the network may be.
    func allows(_ target: TargetAddress, by rule: TunnelRule) -> Bool {
        if target.scheme == .asked { return true }  // What that is is looked at when it was said.
        if let allowed = settings.allowTargets { return allowed.contains { $0.allows(target) } }
        return target.path.isEmpty || rule.owner == identity?.client
    }

    /// Whether somebody may reach what he has asked for. Services of this machine trust whoever comes from it, and
    /// 169.254.169.254 gives away the keys of machines in clouds: neither was named by a rule.
    func allowsAsked(_ host: HostPort, _ scheme: TargetAddress.Scheme = .tcp) -> Bool {
        let target = TargetAddress(scheme, at: host)
        if let allowed = settings.allowTargets { return allowed.contains { $0.allows(target) } }
        let name = host.host.lowercased()
        if name == "localhost" || name.hasSuffix(".localhost") || name.isEmpty { return false }
        return SocketAddress(host: host.host, port: 0).map(allowsAsked) ?? true
    }

    /// The same for where a name has led.
    func allowsAsked(_ address: SocketAddress) -> Bool {
        settings.allowTargets != nil || !(address.isLoopback || address.isLinkLocal || address.isUnspecified)
    }
}

extension SocketAddress {
    var isLinkLocal: Bool {
        switch host {
        case .ipv4(let address, _): address >> 16 == 0xa9fe
        case .ipv6(let high, _, _, _): high >> 54 == 0xfe80 >> 6
        case .unix, .passed, .none: false
        }
    }

    /// The system takes it for this machine.
    var isUnspecified: Bool {
        switch host {
        case .ipv4(let address, _): address >> 24 == 0
        case .ipv6(let high, let low, _, _): high == 0 && low == 0
        case .unix, .passed, .none: false
        }
    }
}
