public import OmniwayTransport

/// What a client may do, and how patient it is.
public struct TunnelClientSettings: Sendable {
    public var carrier = CarrierSettings()
    /// Targets that may be reached through this client; nil for everything that a rule says, but for files and sockets
    /// of the file system, which only its own rules reach then, and for what SOCKS5 may not.
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
    public var dialUnix: @Sendable (String) -> any Dialer = { StreamDialer(.unix($0)) }
    public var listen: @Sendable (SocketAddress) -> any Acceptor = { StreamAcceptor($0) }
    /// The same for datagrams; every flow has a socket of its own towards its target.
    public var dialDatagrams: @Sendable (HostPort) -> any Dialer = { DatagramDialer($0, limits: .tunnel) }
    public var listenDatagrams: @Sendable (SocketAddress) -> any Acceptor = { DatagramAcceptor($0, limits: .tunnel) }

    public init() {}
}

extension DatagramLimits {
    /// Of one rule: 1024 flows that end after a minute of silence, each with 256 KiB that wait at most. When all are
    /// there a new one takes the place of the quietest, if that was quiet for 5 s.
    public static var tunnel: DatagramLimits {
        var limits = DatagramLimits()
        limits.flows = 1024
        limits.replacesAfter = .seconds(5)
        limits.queue = QueueLimits(low: 64 << 10, high: 256 << 10, most: 256 << 10)
        return limits
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
