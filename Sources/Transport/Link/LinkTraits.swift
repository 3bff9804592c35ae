/// What a link is, for those who join links: a relay, a face that takes any link.
public struct LinkTraits: Sendable {
    /// How pausing the reading of a link acts.
    public enum Pausing: Sendable {
        /// The other end's writes wait (sockets, pipes, streams of a carrier).
        case slowsTheSender
        /// Bytes are buffered up to the link's limit, then it is closed: pausing would stall others on the same
        /// carrier.
        case buffers
    }

    /// Messages keep their ends; a stream may group and split bytes at will.
    public var keepsMessages: Bool
    /// Everything arrives, in order. An unreliable link drops what does not fit its queue, and counts it.
    public var isReliable: Bool
    /// One direction can end while the other goes on.
    public var halfCloses: Bool
    public var pausing: Pausing
    /// The other end.
    public var peer: SocketAddress

    public init(
        keepsMessages: Bool = false, isReliable: Bool = true, halfCloses: Bool = true,
        pausing: Pausing = .slowsTheSender, peer: SocketAddress = .none
    ) {
        self.keepsMessages = keepsMessages
        self.isReliable = isReliable
        self.halfCloses = halfCloses
        self.pausing = pausing
        self.peer = peer
    }

    public static let stream = LinkTraits()
}

/// How much a link may hold back, in bytes.
public struct QueueLimits: Sendable, Equatable {
    /// A full link gets `writable` when its queue has shrunk to this.
    public var low: Int
    /// Above this the link is full: writers should stop.
    public var high: Int
    /// Above this the link is closed with `.slowReader`; an unreliable link drops the message instead.
    public var most: Int
    /// Most bytes that a handler may leave unread, for example the largest frame it waits for.
    public var unread: Int
    /// Most messages, or writes to a stream, that wait while the connection takes no more: the link is full at half of
    /// it, and closed above it.
    public var messages = Int.max
    /// Most bytes that one turn of the loop reads from a socket; the rest waits for the next, after others had theirs.
    public var perTurn = 256 << 10

    /// The largest limit: twice as much fits a queue, so that one write beyond it meets the limit and not the memory.
    public static let largest = ByteQueue.maxCount / 2

    public init(low: Int = 256 << 10, high: Int = 1 << 20, most: Int = 16 << 20, unread: Int = 1 << 20) {
        precondition(0 <= low && low <= high && high <= most, "low <= high <= most")
        precondition(max(most, unread) <= Self.largest, "at most \(Self.largest) bytes")
        (self.low, self.high, self.most, self.unread) = (low, high, most, unread)
    }
}
