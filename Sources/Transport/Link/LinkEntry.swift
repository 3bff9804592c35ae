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
    }

    private var reference: Unmanaged<Link>?
    var queue = ByteQueue()
    var highMark: UInt32
    var flags: Flags = []

    /// An entry for a link that is being made; it must `settle` before anybody looks for it.
    init(highMark: Int) {
        unsafe reference = nil
        self.highMark = UInt32(highMark)
    }

    /// Holds the link until `moveOut`.
    mutating func settle(_ link: Link) { unsafe reference = .passRetained(link) }
    func moveOut() { unsafe reference?.release() }

    // Safe because nobody sees an entry before it is settled, and the loop moves a link out only after its last use.
    var link: Link { unsafe reference.unsafelyUnwrapped.takeUnretainedValue() }
}
