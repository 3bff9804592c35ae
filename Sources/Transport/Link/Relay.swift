/// Joins two links of one loop: what one receives the other sends, ends included, and neither is read
/// faster than the other can be written. It holds itself until both have ended.
public final class Relay {
    private let a: RelayEnd
    private let b: RelayEnd

    /// Bytes that `a` received, and `b` was given to send.
    public var bytesFromA: UInt64 { a.received &+ (splices?.fromA.moved ?? 0) }
    public var bytesFromB: UInt64 { b.received &+ (splices?.fromB.moved ?? 0) }
    /// Bytes of both that never came to this process.
    public var splicedBytes: UInt64 { splices.map { $0.fromA.moved &+ $0.fromB.moved } ?? 0 }

    /// The links may still be connecting. The owner, if any, hears once that both have ended.
    @discardableResult
    public init(_ a: Link, _ b: Link, owner: (any RelayOwner)? = nil) throws(RelayError) {
        guard a.loop === b.loop else { throw .differentLoops }
        guard a.traits.keepsMessages == b.traits.keepsMessages else { throw .messagesAndStream }
        // One that is closed and has not said so will say so to the relay.
        guard !a.hasEnded, !b.hasEnded else { throw .ended }
        self.a = RelayEnd(of: a, to: b)
        self.b = RelayEnd(of: b, to: a)
        self.a.relay = self
        self.b.relay = self
        self.owner = owner
        a.handler = self.a
        b.handler = self.b
        self.a.writable(a)
        self.b.writable(b)
        // Ends that came before have been told to the handlers before.
        if a.hasToldFinished { b.finish() }
        if b.hasToldFinished { a.finish() }
    }

    private var splices: (fromA: Splice, fromB: Splice)?
    private var wantsSplices = false

    /// Joins the two by the kernel, as soon as both are open and if both are plain sockets: much costs less then, and
    /// little costs a bit more. It takes two pipes.
    public func splice() {
        wantsSplices = true
        spliceIfOpen()
    }

    fileprivate func spliceIfOpen() {
        guard wantsSplices, splices == nil, let one = a.driver, let other = b.driver,
            let there = one.splice(to: other), let back = other.splice(to: one)
        else { return }
        splices = (there, back)
    }

    /// Told of the bytes of each piece that went, in either direction; whoever wants less may pause the links. What the
    /// kernel moves by itself is not among them.
    public var moved: ((Int) -> Void)?

    private var owner: (any RelayOwner)?
    private var ended = 0
    private var firstReason: CloseReason?

    fileprivate func ended(_ reason: CloseReason) {
        ended += 1
        if firstReason == nil { firstReason = reason }
        guard ended == 2 else { return }
        owner?.relayEnded(self, firstReason ?? reason)
        (owner, moved) = (nil, nil)
    }
}

public protocol RelayOwner: AnyObject {
    /// Both links have ended; `reason` is that of the first.
    func relayEnded(_ relay: Relay, _ reason: CloseReason)
}

/// The handler of one link of a relay.
private final class RelayEnd: LinkHandler {
    private let link: Link
    private let other: Link
    var relay: Relay?
    private(set) var received: UInt64 = 0

    /// Of the link that this end hears, when it is an open socket.
    var driver: SocketDriver? { link.state == .open ? link.driver as? SocketDriver : nil }

    init(of link: Link, to other: Link) { (self.link, self.other) = (link, other) }

    func opened(_ link: Link) { relay?.spliceIfOpen() }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        received &+= UInt64(bytes.byteCount)
        if link.keepsMessages {
            other.outgoingKind = link.incomingKind
            other.write(bytes, endOfMessage: endOfMessage)
        } else {
            other.pass(RawSpan(), bytes)
            readAsFits(link, into: other)
        }
        // An unreliable link drops what does not fit; holding its feeder back would only delay what is dropped anyway.
        if other.isFull, other.traits.isReliable { other.holdBack(link) }
        relay?.moved?(bytes.byteCount)
        return bytes.byteCount
    }

    func writable(_ link: Link) { readAsFits(other, into: link) }

    /// What would wait in this process waits where it comes from. Less than a little is not worth a read.
    private func readAsFits(_ link: Link, into other: Link) {
        if !link.keepsMessages { link.read(atMost: max(other.room, Self.leastRead)) }
    }
    private static let leastRead = 4 << 10

    func finished(_ link: Link) { other.finish() }

    func closed(_ link: Link, _ reason: CloseReason) {
        if other.state != .closed {
            // A broken end must not look like a clean one on the other side.
            other.close(reason.sendsTheRest ? .relayEnded.with(reason.description) : .reset.with(reason.description))
        }
        relay?.ended(reason)
        relay = nil
    }
}

public enum RelayError: Error, Equatable, CustomStringConvertible {
    case differentLoops, messagesAndStream, ended

    public var description: String {
        switch self {
        case .differentLoops:
            "the links live on different loops; detach one and adopt it on the other's loop, or dial through InProcess"
        case .messagesAndStream:
            "one link keeps messages and the other is a stream; wrap the stream with MessageFraming"
        case .ended: "one of the links has ended already"
        }
    }
}
