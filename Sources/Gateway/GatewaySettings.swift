public import OmniwayWire
public import OmniwayTelemetry
public import OmniwayTransport

/// How a gateway treats its peers.
public struct GatewaySettings: Sendable {
    /// Most bytes behind the length of one packet; see `packetSizes`.
    public var maxPacketSize = 512 << 10
    public var clients = GatewaySideSettings(idleLimit: .seconds(30), most: 1 << 20, mostMessages: 1000)
    public var servers = GatewaySideSettings(idleLimit: .seconds(30), most: 64 << 20, mostMessages: 100_000)
    /// Virtual connections after which a client's own dials are refused; zero sets no limit. Servers may go on.
    public var connectionsPerClient = 16

    /// The keys of which a server must know one: two while the old is replaced by the new.
    public var keys: [Secret] = []
    /// How long a server may take to say who it is, and the admission hook to say yes or no.
    public var loginTimeout = Duration.seconds(5)
    public var duplicateServers = DuplicateServers.replace
    /// Asked before a client or a server takes part.
    public var admission: (any GatewayAdmission)?

    public init() {}

    /// What `maxPacketSize` may be: the longest command must fit.
    public static let packetSizes = 13...(QueueLimits.largest / 8)

    subscript(side: GatewaySide) -> GatewaySideSettings { side == .client ? clients : servers }

    /// What happens when a server comes with an id that another one has.
    public enum DuplicateServers: String, Sendable, CaseIterable {
        /// New dials go to the newest; the older keeps its connections, and gets new ones again when the newest leaves.
        case replace
        /// The newcomer is closed.
        case reject
    }
}

/// What holds for every peer of one side.
public struct GatewaySideSettings: Sendable {
    /// A peer from which no whole packet has come for so long is closed; zero never closes. For v2 peers, who ping.
    public var idleLimit: Duration
    /// How long a v1 peer may be silent before it is sent a ping, and how long it may take to answer; zero never asks.
    public var pingInterval = Duration.seconds(30)
    /// Most bytes that wait for one peer. A client beyond it is closed. Of a server, the clients that feed it are read
    /// no more from a quarter of it on, or from 4 MiB: more would only wait here instead of in the clients' sockets.
    public var most: Int
    /// Most messages that wait for one peer whose connection takes no more; zero counts none.
    public var mostMessages: Int
    /// Most bytes that one turn of a loop reads from a peer, so that others have their turn.
    public var perTurn = 128 << 10

    public init(idleLimit: Duration, most: Int, mostMessages: Int) {
        (self.idleLimit, self.most, self.mostMessages) = (idleLimit, most, mostMessages)
    }

    private static let mostForServer = 4 << 20

    /// The limits of a peer's queue, which has room for a few packets at least. Nobody waits for a client; its feeders
    /// go on until it is closed.
    func queue(_ side: GatewaySide, maxPacketSize: Int) -> QueueLimits {
        let packet = min(maxPacketSize, QueueLimits.largest / 4 - 4) + 4
        let most = min(max(most, (side == .client ? 2 : 4) * packet), QueueLimits.largest)
        let high = side == .client ? most : min(most / 4, Self.mostForServer)
        let unread = max(packet, GatewayLogin.answerSize)
        var limits = QueueLimits(low: high / 4, high: high, most: most, unread: unread)
        if mostMessages > 0 { limits.messages = mostMessages }
        limits.perTurn = perTurn
        return limits
    }
}

/// Says who may take part: an application's own check of addresses, certificates or bans.
public protocol GatewayAdmission: Sendable {
    /// False closes the newcomer. Nothing that it sends is read before.
    func admit(_ newcomer: GatewayNewcomer) async -> Bool
}

/// Somebody who has connected, and, as a server, knows the key.
public struct GatewayNewcomer: Sendable {
    public let side: GatewaySide
    /// The id that a server has chosen. A client has none yet.
    public let server: EndpointID?
    public let address: SocketAddress
    /// What TLS knows of the peer, where there is TLS.
    public let tls: TLSInfo?
}
