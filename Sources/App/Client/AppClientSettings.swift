public import OmniwayTransport
import OmniwayWire

/// How a client speaks to its server.
public struct AppClientSettings: Sendable {
    /// Must be what the server has; servers say it by name.
    public var serializer: any Serializer = JSONSerializer()
    /// How packets stand among the bytes of a connection, as the server has it; nil for as the protocol has it.
    public var codec: (any PacketCodec)?
    /// What the client says about itself when it comes.
    public var handshake = Handshake(platform: "swift", libraryVersion: "omniway")
    /// Changes the handshake for each new connection, such as a token that holds for a while. Runs on the client's
    /// loop. An error is thrown from the client's making; later it counts as a connection that did not come about.
    public var renewHandshake: (nonisolated(nonsending) @Sendable (inout Handshake) async throws -> Void)?
    /// How long it may take until the server has let the client in.
    public var connectLimit = Duration.seconds(10)
    /// How long an answer may take. The request fails then with the code `AppError.noAnswer`.
    public var requestLimit = Duration.seconds(5)
    /// Most requests that are under way at once; more wait for their turn, within their limits of time.
    public var mostRequests = 30
    /// Most messages that wait: for their turn, or for a connection that takes nothing at the moment.
    public var mostWaiting = 1_000
    /// Whether bodies are compressed where that makes them shorter. What the server compresses is always read.
    public var compression = AppSettings.Compression.on
    /// Most bytes of a packet's body that the server may send.
    public var maxPacketSize = 4 << 20
    /// Most bytes that a compressed body may become.
    public var maxInflatedSize = 4 << 20
    /// Most pushes that wait for one who iterates over them, and for somebody to ask for their route. The oldest give
    /// way, and are counted in `lostPushes`.
    public var mostPushes = 256
    /// Most bytes of these. The newest push is kept in any case.
    public var mostPushBytes = 1 << 20
    /// How to come back after the connection was lost; nil ends the client.
    public var reconnect: Reconnecting? = Reconnecting()

    public init() {}

    func check() throws(AppClientError) {
        guard 0...PomeloPacket.mostBodyBytes ~= maxPacketSize, maxInflatedSize > 0 else {
            throw .settings("maxPacketSize goes up to \(PomeloPacket.mostBodyBytes), and maxInflatedSize begins at 1")
        }
        guard connectLimit > .zero, requestLimit > .zero else {
            throw .settings("connectLimit and requestLimit are above zero")
        }
        guard mostRequests > 0, mostWaiting > 0, mostPushes > 0, mostPushBytes > 0 else {
            throw .settings("mostRequests, mostWaiting, mostPushes and mostPushBytes begin at 1")
        }
    }

    var framing: PacketFraming { PacketFraming(codec, maxBodySize: maxPacketSize, compression) }

    /// A message is only written when the link is not full, and it may be as large as a packet.
    var queue: QueueLimits {
        QueueLimits(low: 64 << 10, high: 256 << 10, most: 20 << 20, unread: framing.maxSize)
    }
}
