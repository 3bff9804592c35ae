public import OmniwayTransport

/// How a peer speaks.
public struct MeshSettings: Sendable {
    /// The timeout of the original: how long a peer may take to read a message, and a third of how long a short
    /// connection waits for an answer.
    public var timeout = Duration.milliseconds(100)
    /// How long a connection may be open before its first message is there.
    public var firstMessageLimit = Duration.seconds(10)
    /// How long a message may take from its first byte to its last.
    public var messageLimit = Duration.seconds(5)
    public var dialLimit = Duration.seconds(3)
    /// Most bytes of a message that is received. Sent are `PheromoneMessage.largest` at most.
    public var maxMessageSize = 1 << 20
    /// The number of the application, which greetings carry.
    public var account = 11900
    /// Most peers that are known at once, those included that made themselves known. Later ones are answered, and not
    /// remembered.
    public var maxRoutes = 10_000
    /// Most messages that wait for their turn on a kept connection.
    public var maxWaiting = 256
    /// How addresses are dialled: those that were added, and those of greetings. Nil for what is no address.
    public var dialer: @Sendable (_ address: String) -> (any Dialer)? = { HostPort($0).map { StreamDialer($0) } }

    public init() {}
}
