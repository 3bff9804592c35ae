public import OmniwayWire

/// Who lives above a link. All calls come on the link's loop; none may block.
public protocol LinkHandler: AnyObject {
    /// How a person who looks at the link's bytes is to read them; nil for bytes.
    var frameFormat: FrameFormat? { get }

    /// The link is connected, its handshakes are done.
    func opened(_ link: Link)

    /// Bytes have arrived. Returns how many were taken; the rest is kept and comes again, in front of what follows it.
    /// On a link that keeps messages a piece is always taken whole, and `endOfMessage` marks the last one; a stream
    /// never does.
    /// The bytes are gone when the call returns. The link may be closed, paused, detached or given another handler
    /// here.
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int

    /// The link was full, and its queue is below the low mark.
    func writable(_ link: Link)

    /// The peer will send nothing more. Unless the handler does something else, the link is closed.
    func finished(_ link: Link)

    /// The link has ended; called once, at the end of the turn. Nothing more comes.
    func closed(_ link: Link, _ reason: CloseReason)
}

extension LinkHandler {
    public var frameFormat: FrameFormat? { nil }
    public func opened(_ link: Link) {}
    public func writable(_ link: Link) {}
    public func finished(_ link: Link) { link.close(.finished) }
    public func closed(_ link: Link, _ reason: CloseReason) {}
}

/// Who moves the bytes of a link below it: a socket, TLS, WebSocket, a virtual connection, a pipe, framing.
///
/// A link holds its driver for good, so a driver lets go of the link when either of them ends it.
/// Upwards a driver calls `Link`'s `opened`, `deliver`, `peerFinished`, `sendable` and `ended`.
public protocol LinkDriver: AnyObject {
    /// Sends bytes and returns how many it took. After taking less it must call `link.sendable()` later.
    /// A driver that keeps messages is not given one before its end; what it did not take of it comes again.
    /// It never writes to the same link from here.
    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int

    /// The same for two parts that follow each other; 0 asks for them in one. Of a whole message, which only comes
    /// where `onlyQueues`, all or nothing is taken.
    func send(_ head: RawSpan, _ rest: RawSpan, for link: Link) -> Int

    /// Bytes of a stream that `send` would take now, as far as that is known: whoever feeds the link reads no more.
    func room(for link: Link) -> Int

    /// What `send` takes only goes into the queue of another link of this loop. So messages need not wait for the end
    /// of the turn: it is that queue that is sent at once.
    var onlyQueues: Bool { get }

    /// `send` calls nobody but the link, so it may be called before the turn ends, from within a write.
    var sendsEarly: Bool { get }

    /// Stops or starts calling `deliver`. What arrives meanwhile waits below.
    func setReading(_ isReading: Bool, for link: Link)

    /// No more will be sent; everything before has been taken by `send`. Where one direction cannot end alone, a driver
    /// asks the peer to end too, or waits for that.
    func finish(_ link: Link)

    /// The link has ended. Bytes that the driver took but has not sent yet go out if `reason.sendsTheRest`.
    /// `rest` are those that it has not taken.
    func close(_ reason: CloseReason, rest: RawSpan, for link: Link)

    /// Keeps what is on its way below to about so many bytes: they are lost with the link, and somebody must keep them.
    func limitUnconfirmed(to bytes: Int, for link: Link)

    /// Delivers what has arrived below and would be lost with the link, whether or not it is reading.
    func drain(_ link: Link)

    /// Gives up the descriptor below, if that is all the driver is.
    func detach(_ link: Link) throws(LinkError) -> OwnedSocket
}

extension LinkDriver {
    public func send(_ head: RawSpan, _ rest: RawSpan, for link: Link) -> Int { 0 }
    public func room(for link: Link) -> Int { .max }

    public var onlyQueues: Bool { false }
    public var sendsEarly: Bool { false }

    public func limitUnconfirmed(to bytes: Int, for link: Link) {}

    public func drain(_ link: Link) {}

    public func detach(_ link: Link) throws(LinkError) -> OwnedSocket { throw .cannotDetach }
}

public enum LinkError: Error, Equatable, CustomStringConvertible {
    case cannotDetach
    case notOpen

    public var description: String {
        switch self {
        case .cannotDetach:
            "this link is more than a socket and cannot move to another loop; dial through InProcess"
        case .notOpen: "the link is not open; detach it between opened and closed"
        }
    }
}

extension Link {
    /// What the driver below is, if it is of this kind: for protocols that have more to say about their links.
    public func driver<Driver: LinkDriver>(as kind: Driver.Type = Driver.self) -> Driver? { driver as? Driver }
}
