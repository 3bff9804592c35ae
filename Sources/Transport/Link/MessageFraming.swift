import OmniwayWire

/// Turns stream links into links that keep messages of up to 65,535 bytes, by a 16-bit length before each.
/// It wraps any acceptor or dialer; both sides must use it.
public struct MessageFraming: Sendable {
    public init() {}

    public func over(_ acceptor: some Acceptor) -> some Acceptor { FramingAcceptor(inner: acceptor) }
    public func over(_ dialer: some Dialer) -> some Dialer { FramingDialer(inner: dialer) }
}

private struct FramingDialer<Inner: Dialer>: Dialer {
    let inner: Inner

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        let driver = FramingDriver()
        guard let carrier = inner.dial(on: loop, deadline: deadline, handler: driver) else { return nil }
        return driver.link(over: carrier, handler: handler)
    }
}

private struct FramingAcceptor<Inner: Acceptor>: Acceptor {
    let inner: Inner

    func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening {
        var framing: [LoopBound<FramingIntake>] = []
        for intake in intakes { framing.append(await intake.map { _, intake in FramingIntake(intake) }) }
        return try await inner.open(into: framing)
    }
}

private final class FramingIntake: LinkIntake {
    private let inner: any LinkIntake
    init(_ inner: any LinkIntake) { self.inner = inner }

    func accept(_ carrier: Link) -> (any LinkHandler)? {
        let driver = FramingDriver()
        guard let link = driver.link(over: carrier, handler: carrier.loop.nobody) else { return nil }
        guard let handler = inner.accept(link) else {
            link.close(.refused)
            return nil
        }
        link.handler = handler
        return driver
    }
}

/// Below the link with messages, above the stream that carries it.
private final class FramingDriver: LinkDriver, LinkHandler {
    private let codec = LengthPrefix()
    private var link: Link?
    private var carrier: Link?

    func link(over carrier: Link, handler: any LinkHandler) -> Link? {
        precondition(!carrier.traits.keepsMessages, "the carrier keeps messages already")
        var traits = carrier.traits
        traits.keepsMessages = true
        link = Link.over(carrier, traits: traits, driver: self, handler: handler)
        self.carrier = carrier
        return link
    }

    // MARK: Downwards

    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        guard let carrier, bytes.byteCount <= LengthPrefix.maxLength else {
            link.close(.messageTooLarge.with("\(bytes.byteCount) bytes; at most \(LengthPrefix.maxLength) fit"))
            return 0
        }
        if carrier.isFull { return 0 }
        carrier.write(codec.prefix(for: bytes.byteCount))
        carrier.write(bytes)
        return bytes.byteCount
    }

    func setReading(_ isReading: Bool, for link: Link) {
        if isReading { carrier?.resumeReading() } else { carrier?.pauseReading() }
    }

    func finish(_ link: Link) { carrier?.finish() }

    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {
        self.link = nil
        carrier?.close(reason)
    }

    // MARK: Upwards

    func opened(_ carrier: Link) {
        link?.setPeer(carrier.traits.peer)
        link?.opened()
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from carrier: Link) -> Int {
        var reader = ByteReader(bytes)
        while let link, link.isReading, let message = codec.decode(from: &reader) {
            link.deliver(bytes.extracting(message), endOfMessage: true)
        }
        return reader.offset
    }

    func writable(_ carrier: Link) { link?.sendable() }

    func finished(_ carrier: Link) { link?.peerFinished() }

    func closed(_ carrier: Link, _ reason: CloseReason) {
        self.carrier = nil
        link?.ended(reason)
        link = nil
    }
}

extension CloseReason {
    /// A message does not fit the protocol that carries it, or the limit that was set.
    public static let messageTooLarge = CloseReason("message-too-large", sendsTheRest: false)
}
