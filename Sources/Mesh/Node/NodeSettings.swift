public import OmniwayTransport
public import OmniwayWire
import OmniwayTelemetry

/// How a node of the mesh behaves.
public struct NodeSettings: Sendable {
    /// Who it is. Whoever keeps the secret of an identity is the same node again after a restart.
    public var identity: NodeIdentity
    /// 32 bytes that all members have. Nobody else can connect then, and what passes through members is not signed.
    public var groupSecret: [UInt8]?
    /// Whether every node knows all others, and hears of it when one is gone: up to about a thousand.
    public var listsMembers = false
    /// How addresses are dialled. Nil for what is no address.
    public var dialer: @Sendable (_ address: String) -> (any Dialer)? = { HostPort($0).map { StreamDialer($0) } }
    public var dialLimit = Duration.seconds(3)
    /// How long two sides may take until each has proved who it is.
    public var handshakeLimit = Duration.seconds(10)
    /// A link that no neighbour needs is closed when nothing was said over it for so long.
    public var idleLimit = Duration.seconds(15)
    public var maxLinks = 256
    /// Most bytes that wait for a link; more is a slow consumer, whose link is closed.
    public var maxQueued = 4 << 20
    /// Most messages that wait until a node is connected to.
    public var maxWaiting = 256
    /// What one link may bring in each second; beyond that it is not read for a moment.
    public var maxFrames = 2000.0
    public var maxBytes = 20.0 * 1024 * 1024
    /// Most events that nobody has taken yet; later ones are dropped and counted.
    public var maxEvents = 4096
    /// Neighbours and messages, for tests.
    package var overlay = Overlay.Settings()
    /// Which start of the node this is: later ones have higher numbers.
    package var epoch: UInt64 = {
        let now = Timestamp.now()
        return UInt64(now.seconds) * 1000 + UInt64(now.nanoseconds) / 1_000_000
    }()

    public init(identity: NodeIdentity = .random()) { self.identity = identity }
}
