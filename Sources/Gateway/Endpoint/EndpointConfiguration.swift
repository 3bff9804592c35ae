public import OmniwayTelemetry
public import OmniwayTransport
public import OmniwayWire

/// How an endpoint speaks to its gateway. The names are those of the original call libraries.
///
/// There is no `MsgFormat` here: each connection is given its own (`MessageFormat`). There is no `MemPool` either:
/// what waits to be sent, and what has arrived in part, is in blocks of the loop's pool already.
public struct EndpointConfiguration: Sendable {
    public var dialect = GatewayDialect.v2
    /// The id under which clients dial this server; nil makes the endpoint a client.
    public var serverID: EndpointID?
    /// The gateway's key, for servers.
    public var authKey = Secret("")
    /// How long the gateway may take to be reached, and then again to ask a server for its key.
    public var authTimeout = Duration.seconds(5)
    /// Most bytes behind the length of one packet, the gateway's own limit: a message may have four less.
    public var maxPacketSize = 512 << 10
    /// So much of a message is waited for; a longer one is received in pieces, so that it need not be held whole.
    public var bufferSize = 64 << 10
    /// Messages of one connection that wait to be sent before it is full: `send` waits then, `write` answers false, and
    /// a link says so. A link that is written to all the same is closed at twice as many.
    public var sendChanSize = 1024
    /// Bytes that wait to be sent before a link is full: of the physical one, and of each virtual one.
    public var sendChanBytes = 1 << 20
    /// Messages that wait to be received. A connection that has more is closed, and no other: slowing the gateway down
    /// would stall them all.
    public var recvChanSize = 1024
    /// Bytes that wait to be received, with the same end.
    public var recvChanBytes = 1 << 20
    /// How often a v2 endpoint pings; zero never does. In v1 the gateway asks.
    public var pingInterval = Duration.seconds(10)
    /// How long the answer to a ping may take; nil waits for none.
    public var pingTimeout: Duration? = .seconds(5)
    /// Asked when the answer to a ping has not come in time.
    public var timeoutCallback: @Sendable () -> PingVerdict = { .close }
    /// The `ClientIdleTimeout` or `ServerIdleTimeout` that the gateway was given; zero when it has none. It is what
    /// `pingInterval` must be below.
    public var gatewayIdleLimit = Duration.seconds(30)
    /// Asked before `timeoutCallback`: a stream that can drop its connection and resume on another does so and answers
    /// true, and the virtual connections go on. An snet stream does so by itself.
    public var resume: @Sendable (_ physical: Link) -> Bool = { physical in
        physical.snet?.reconnect()
        return physical.snet != nil
    }
    /// How to come back after the gateway was lost; nil ends the endpoint. Without a dialer there is no way back.
    public var reconnect: Reconnecting? = Reconnecting()
    /// Dials that may wait for an answer at once.
    public var mostDials = 1024
    /// Connections that may be open at once; who dials this endpoint beyond that is hung up on.
    public var mostConnections = 65_536

    public init() {}

    public static var client: EndpointConfiguration { EndpointConfiguration() }

    public static func server(_ id: EndpointID, key: String) -> EndpointConfiguration {
        var configuration = EndpointConfiguration()
        configuration.serverID = id
        configuration.authKey = Secret(key)
        return configuration
    }

    /// Most bytes of one message.
    public var maxMessageSize: Int { maxPacketSize - 4 }

    package func check() throws(EndpointError) {
        guard maxPacketSize >= 9, maxPacketSize <= QueueLimits.largest / 4 else {
            throw .configuration("maxPacketSize is \(maxPacketSize); it must hold a command and be at most 128 MiB")
        }
        guard sendChanSize > 0, recvChanSize > 0, sendChanBytes > 0, recvChanBytes > 0, bufferSize > 0 else {
            throw .configuration("a size is zero: sendChanSize, recvChanSize, their bytes and bufferSize need room")
        }
        guard sendChanBytes <= QueueLimits.largest / 4, recvChanBytes <= QueueLimits.largest else {
            throw .configuration("sendChanBytes above 128 MiB, or recvChanBytes above 512 MiB")
        }
        if dialect == .v2, gatewayIdleLimit > .zero, pingInterval >= gatewayIdleLimit {
            throw .configuration(
                "pingInterval \(pingInterval) is not below the gateway's idle limit of \(gatewayIdleLimit), so it "
                    + "would cut the endpoint off; ping more often, or set gatewayIdleLimit to what the gateway has")
        }
    }

    var codec: GatewayCodec { GatewayCodec(dialect, maxPacketSize: maxPacketSize) }

    /// The queue of the physical link. Beyond the high mark there is room for what links that are closed leave behind.
    func queue(unread: Int) -> QueueLimits {
        QueueLimits(
            low: sendChanBytes / 4, high: sendChanBytes, most: max(16 << 20, 4 * (sendChanBytes + maxPacketSize)),
            unread: unread)
    }

    /// The queue of a virtual link.
    var virtualQueue: QueueLimits {
        var queue = queue(unread: recvChanBytes)
        queue.messages = 2 * min(sendChanSize, Int(Int32.max))  // Full at half of it.
        return queue
    }
}

/// What becomes of a gateway that does not answer.
public enum PingVerdict: Sendable {
    /// It is given more time.
    case keep
    /// The physical connection is closed, and made anew if there is a way.
    case close
}

/// Why an endpoint does not do what it was asked for.
public enum EndpointError: Error, Equatable, Sendable, CustomStringConvertible {
    case configuration(String)
    /// The gateway has no such endpoint, or lets this one have no more connections.
    case refused(EndpointID)
    /// The connection has ended, or never came about.
    case closed(CloseReason)
    case messageTooLarge(Int, limit: Int)
    /// The format does not read or write this.
    case format(String)
    case cancelled

    public var description: String {
        switch self {
        case .configuration(let text): "endpoint configuration: \(text)"
        case .refused(let remote):
            "the gateway refuses a connection to \(remote): nobody has that id, or this client has all that it may have"
        case .closed(let reason): "the connection is closed: \(reason)"
        case .messageTooLarge(let count, let limit):
            "a message of \(count) bytes; the packet size allows \(limit), so send it in parts"
        case .format(let text): "not in the format of this connection: \(text)"
        case .cancelled: "the task was cancelled"
        }
    }
}

extension CloseReason {
    /// The physical connection to the gateway has ended, and all virtual ones with it.
    public static let gatewayLost = CloseReason("gateway-lost", sendsTheRest: false)
    /// The gateway knows nobody of that id.
    public static let dialRefused = CloseReason("dial-refused", sendsTheRest: false)
}
