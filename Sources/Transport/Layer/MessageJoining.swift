/// Turns links that keep messages into streams: where a message ends means nothing. What a turn writes goes as one
/// message, so it is the opposite of `MessageFraming`, not its other end.
public struct MessageJoining: AcceptorLayer, DialerLayer {
    public let layerName = "joining"
    public let handshakes = HandshakeLimits()

    public init() {}

    public func acceptingDriver(on loop: Loop) -> LayerDriver { JoiningDriver() }
    public func dialingDriver(on loop: Loop) -> LayerDriver { JoiningDriver() }
}

private final class JoiningDriver: LayerDriver {
    override func traits(over carrier: LinkTraits) -> LinkTraits {
        precondition(carrier.keepsMessages && carrier.isReliable, "the carrier is a stream, or loses messages")
        var traits = carrier
        traits.keepsMessages = false
        return traits
    }

    /// A message that is too large for a peer would be the end of the link, and its size is ours to choose.
    private static let largest = 64 << 10

    override func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        carrier.map { send(bytes, over: $0, evenIfFull: false) } ?? 0
    }

    private func send(_ bytes: RawSpan, over carrier: Link, evenIfFull: Bool) -> Int {
        var sent = 0
        while sent < bytes.byteCount, evenIfFull || !carrier.isFull, carrier.state != .closed {
            let count = min(bytes.byteCount - sent, Self.largest)
            carrier.write(bytes.extracting(sent..<sent + count))
            sent += count
        }
        return sent
    }

    override func receive(_ bytes: RawSpan, endOfMessage: Bool, from carrier: Link) -> Int {
        link?.deliver(bytes)
        return bytes.byteCount
    }

    override func sayGoodbye(_ reason: CloseReason, rest: RawSpan, over carrier: Link) {
        if reason.sendsTheRest { _ = send(rest, over: carrier, evenIfFull: true) }
    }
}
