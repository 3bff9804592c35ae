/// What a write must find fast, side by side in the loop's table: the outbound queue and how the link may take bytes.
@safe
struct LinkEntry: BitwiseCopyable {
    struct Flags: OptionSet, BitwiseCopyable {
        let rawValue: UInt32
        /// Bytes may be appended without looking at the link itself.
        static let plain = Flags(rawValue: 1)
        /// In the loop's list of links to flush.
        static let dirty = Flags(rawValue: 2)
        /// The driver took less than it was given, or is not connected yet; it says when it can go on.
        static let blocked = Flags(rawValue: 4)
        /// Above the high mark; the handler hears of it when the queue is below the low mark.
        static let full = Flags(rawValue: 8)
        /// More is to be done at the end of the turn than sending bytes.
        static let owesMore = Flags(rawValue: 16)
        /// The driver has no room, however little waits; feeders are held back.
        static let noRoom = Flags(rawValue: 32)
    }

    /// So many bytes are sent before the turn ends: they are in the cache still, and fit a block of 256 KiB.
    private static let early = UInt32(192 << 10)

    private var reference: LinkReference?
    var queue = ByteQueue()
    /// Beyond so many bytes the link must be asked: it is full, or may send before the turn ends.
    private var mark = UInt32.max
    private let earlyMark: UInt32
    /// Writes since the queue was empty, and beyond how many the link must be asked.
    var writes: UInt32 = 0
    var highWrites = UInt32.max
    /// Most bytes that one turn reads.
    private(set) var perTurn = UInt32(InboundBuffer.size)
    var flags: Flags = []

    /// An entry for a link that is being made; it must `settle` before anybody looks for it.
    init(_ limits: QueueLimits, sendsEarly: Bool) {
        reference = nil
        earlyMark = sendsEarly ? Self.early : .max
        obey(limits)
    }

    mutating func obey(_ limits: QueueLimits) {
        mark = min(UInt32(clamping: limits.high), mayTakeMore ? earlyMark : .max)
        highWrites = UInt32(clamping: limits.messages / 2)
        read(atMost: limits.perTurn, limits)
    }

    /// Reads less at a time than the limits say.
    mutating func read(atMost count: Int, _ limits: QueueLimits) {
        perTurn = UInt32(min(max(1, min(count, limits.perTurn)), InboundBuffer.size))
    }

    /// Holds the link until `moveOut`.
    mutating func settle(_ link: Link) {
        reference = LinkReference(link)
        reference?.retain()
    }

    /// The link's last trace. Its slot may still be in a list of dirty ones, which then finds nobody.
    mutating func moveOut() -> LinkReference? {
        defer {
            reference = nil
            flags = []
        }
        return reference
    }

    // Safe because nobody sees an entry before it is settled.
    var link: Link { unsafe reference.unsafelyUnwrapped.link }

    /// Nobody lives here any more when the slot was only waiting to be flushed.
    @inline(__always)
    func with(_ body: (Link) -> Void) { reference?.with(body) }

    @inline(__always)
    func deliverInbound(_ count: Int, _ loop: Loop) {
        unsafe reference.unsafelyUnwrapped.with { $0.deliverInbound(count, loop) }
    }

    @inline(__always)
    var isHigh: Bool { queue.count > Int(mark) || hasManyWrites }

    var isFullOfBytes: Bool { flags.intersection([.full, .noRoom]) == .full }

    @inline(__always)
    var hasManyWrites: Bool { writes > highWrites }

    /// The driver took less than it was given; until it can go on, only the limits count.
    mutating func block(_ limits: QueueLimits) {
        flags.insert(.blocked)
        mark = UInt32(clamping: limits.high)
    }

    mutating func unblock() {
        flags.subtract([.blocked, .noRoom])
        mark = min(mark, earlyMark)
    }

    private var mayTakeMore: Bool { !flags.contains(.blocked) }
    var sendsNow: Bool { earlyMark < .max && mayTakeMore && flags.contains(.plain) }

    /// So many of `count` queued bytes have left. How many writes that were is known only when none is left.
    @inline(__always)
    mutating func sent(_ taken: Int, of count: Int) {
        writes = taken == count ? 0 : UInt32(clamping: (Int(writes) * (count - taken) + count - 1) / count)
    }
}

typealias LinkTable = SlotTable<LinkEntry>

extension LinkTable.Handle {
    /// Sends what is queued. Through the handle, piece by piece: the link changes its own entry meanwhile.
    @inline(__always)
    func flush(on loop: Loop) {
        let flags = payload.flags.subtracting(.dirty)
        payload.flags = flags
        payload.with { flags == .plain ? $0.sendBytes(on: loop) : $0.flush() }
    }
}

/// A link without its reference counts, which cost more than a frame does. Only for those whom the loop tells of the
/// link's end: the loop's table holds a link until the end of the turn in which it was closed.
@safe
struct LinkReference: BitwiseCopyable {
    private let reference: Unmanaged<Link>

    init(_ link: Link) { unsafe reference = .passUnretained(link) }
    func retain() { unsafe _ = reference.retain() }
    func release() { unsafe reference.release() }

    var link: Link { unsafe reference.takeUnretainedValue() }

    @inline(__always)
    func with<R>(_ body: (Link) -> R) -> R { unsafe reference._withUnsafeGuaranteedRef(body) }
}
