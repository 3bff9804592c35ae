import OmniwayTransport

/// When a file that other processes write to is looked at, by who wants to know of changes.
///
/// The system says when somebody writes, and says it too early: SQLite writes its log before the change can be seen,
/// and may wait for the disk in between. So looks follow a write, each four times as late as the one before, up to one
/// every five seconds. Where the system says nothing there is a look every 50 ms.
///
/// What is written here is known without a look, so the system's word about it is dropped. A write of another process
/// in the same moment would be dropped with it: one look, a little later, finds that too.
struct FileLooks {
    private static let shortest = Duration.milliseconds(5)
    private static let longest = Duration.seconds(5)
    private static let afterOwn = Duration.milliseconds(80)
    private static let blind = Duration.milliseconds(50)

    private let hearsWrites: Bool
    private var gap: Duration
    private var next = Moment(nanoseconds: .max)
    /// The revision from which changes are wanted; nil when nobody wants any.
    private var from: Int64?

    init(hearsWrites: Bool) {
        self.hearsWrites = hearsWrites
        gap = hearsWrites ? Self.shortest : Self.blind
    }

    mutating func follow(_ first: Int64?, at now: Moment) {
        from = first
        next = now + gap
    }

    mutating func end() { from = nil }

    /// The revision from which to look now, if it is time.
    func due(at now: Moment) -> Int64? { now >= next ? from : nil }

    /// How long to sleep; nil for ever.
    func wait(at now: Moment) -> Duration? { from == nil ? nil : max(.zero, next - now) }

    mutating func heardWrite(at now: Moment) {
        gap = Self.shortest
        next = min(next, now + gap)
    }

    mutating func wroteHere(at now: Moment) {
        guard hearsWrites, next - now > Self.afterOwn else { return }
        next = now + Self.afterOwn
    }

    /// `end` is when a lease ends unless somebody renews it: whoever looks then ends it.
    mutating func foundNothing(at now: Moment, until end: Duration?) {
        if hearsWrites { gap = min(gap * 4, Self.longest) }
        next = now + min(gap, end ?? gap)
    }
}
