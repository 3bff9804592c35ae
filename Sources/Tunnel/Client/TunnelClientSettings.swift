public import OmniwayTransport

/// What a client may do, and how patient it is.
public struct TunnelClientSettings: Sendable {
    public var carrier = CarrierSettings()
    /// Targets that may be reached through this client; nil for everything that a rule says.
    public var allowTargets: [TargetAllowance]?
    /// How long a target may take to answer.
    public var dialPatience = Duration.seconds(5)
    /// The word that nodes want of new clients.
    public var registerKey = ""

    /// The pause before the first new attempt, and the longest.
    public var firstPause = Duration.milliseconds(500)
    public var longestPause = Duration.seconds(30)
    /// After so long with a node the next loss begins with the first pause again.
    public var stability = Duration.seconds(60)
    /// How long it stays away when another with the same identity has taken its place; nil for good.
    public var kickPause: Duration? = .seconds(60)

    public var dial: @Sendable (HostPort) -> any Dialer = { StreamDialer($0) }
    public var listen: @Sendable (SocketAddress) -> any Acceptor = { StreamAcceptor($0) }

    public init() {}
}

/// Targets that may be reached: `tcp://10.0.0.0/8:22`, `tcp://*:8000-8999`, `https://intranet:443`.
public struct TargetAllowance: Sendable, Equatable {
    private enum Host: Equatable { case any, name(String), range(AddressRange) }
    private let scheme: TargetAddress.Scheme
    private let host: Host
    private let ports: ClosedRange<UInt16>

    /// Nil when it cannot be read.
    public init?(_ text: String) {
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
        case .range(let range):
            return SocketAddress(host: target.at.host, port: 0).map { range.contains($0) } ?? false
        }
    }
}

/// What happens to a client.
public enum TunnelClientEvent: Sendable, Equatable {
    /// It has become a client; the identity is to be kept.
    case registered(TunnelIdentity)
    case loggedIn(node: String)
    /// The node will not have it.
    case refused(TunnelRefusal)
    case lost(CloseReason)
    /// Another with the same identity has logged in.
    case kicked(String)
    case listening(TunnelRule)
    case notListening(TunnelRule, ListenError)
    case stoppedListening(TunnelRule)
    /// A visitor did not reach its target here.
    case targetFailed(TargetAddress, String)
}
