import OmniwayWire

/// Turns stream links into links that keep messages of up to 65,535 bytes, by a 16-bit length before each.
/// It wraps any acceptor or dialer; both sides must use it.
public struct MessageFraming: AcceptorLayer, DialerLayer {
    public let layerName = "framing"
    public let handshakes = HandshakeLimits()

    public init() {}

    public func acceptingDriver(on loop: Loop) -> LayerDriver { FramingDriver() }
    public func dialingDriver(on loop: Loop) -> LayerDriver { FramingDriver() }
}

private final class FramingDriver: LayerDriver {
    private let codec = LengthPrefix()
    /// The beginning of a message has come, and its rest has not.
    private var isWithinMessage = false

    override func traits(over carrier: LinkTraits) -> LinkTraits {
        precondition(!carrier.keepsMessages, "the carrier keeps messages already")
        var traits = carrier
        traits.keepsMessages = true
        return traits
    }

    override var onlyQueues: Bool { true }

    override func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        guard let carrier, bytes.byteCount <= LengthPrefix.maxLength else {
            link.close(.messageTooLarge.with("\(bytes.byteCount) bytes; at most \(LengthPrefix.maxLength) fit"))
            return 0
        }
        // Having taken nothing of an empty message would say nothing.
        if carrier.isFull, !bytes.isEmpty, !link.isLeaving { return 0 }
        carrier.write(codec.prefix(for: bytes.byteCount))
        carrier.write(bytes)
        return bytes.byteCount
    }

    override func receive(_ bytes: RawSpan, endOfMessage: Bool, from carrier: Link) -> Int {
        var reader = ByteReader(bytes)
        while let link, link.isReading, let message = codec.decode(from: &reader) {
            link.deliver(bytes.extracting(message), endOfMessage: true)
        }
        isWithinMessage = reader.remaining > 0
        return reader.offset
    }

    override func finished(_ carrier: Link) {
        if isWithinMessage { fail(Self.cutOff) } else { super.finished(carrier) }
    }

    override func end(of link: Link, after reason: CloseReason) -> CloseReason {
        reason == .finished && isWithinMessage ? Self.cutOff : reason
    }

    private static let cutOff = CloseReason.truncated.with("the peer left within a message")
}

extension CloseReason {
    /// A message does not fit the protocol that carries it, or the limit that was set.
    public static let messageTooLarge = CloseReason("message-too-large", sendsTheRest: false)
}
