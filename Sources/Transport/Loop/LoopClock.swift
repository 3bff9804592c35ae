import Glibc
import Synchronization

/// Where a loop reads the time.
public enum LoopClock: Sendable {
    /// The system's monotonic clock.
    case system
    /// A clock that moves only when it is told to. A loop on it owns no thread and no sockets: see
    /// `EventLoop.simulateTurn()`.
    case manual(ManualClock)

    package var now: Moment {
        switch self {
        case .system:
            var time = timespec()
            unsafe clock_gettime(CLOCK_MONOTONIC, &time)
            return Moment(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
        case .manual(let clock):
            return clock.now
        }
    }

    var isManual: Bool {
        switch self {
        case .system: false
        case .manual: true
        }
    }
}

/// Virtual time for simulated loops.
public final class ManualClock: Sendable {
    private let nanoseconds = Atomic<Int64>(0)

    public init() {}
    public var now: Moment { Moment(nanoseconds: nanoseconds.load(ordering: .relaxed)) }
    public func advance(by duration: Duration) { advance(to: now + duration) }

    /// Moves forward only; an earlier moment changes nothing.
    public func advance(to moment: Moment) {
        if moment > now { nanoseconds.store(moment.nanoseconds, ordering: .relaxed) }
    }
}
