import OmniwayTransport

/// Waits until no sessions are left, or the time is over. Its timer holds it; it says so also when the loop ends.
final class SessionWait: TimerTarget {
    private let settings: AppSettings.SessionDrain
    private let isOver: () -> Bool
    private let then: (Int) -> Void
    private var deadline: Moment?

    init(_ settings: AppSettings.SessionDrain, _ isOver: @escaping () -> Bool, _ then: @escaping (Int) -> Void) {
        (self.settings, self.isOver, self.then) = (settings, isOver, then)
    }
    deinit { then(0) }

    func check(on loop: Loop) {
        let deadline = deadline ?? loop.now + settings.limit
        self.deadline = deadline
        if loop.now < deadline, !isOver() { loop.after(min(settings.period, deadline - loop.now), self) }
    }

    func timerFired(_ token: UInt64, on loop: Loop) { check(on: loop) }
}

/// Closes the sessions of one loop, some at a time. One with messages under way is only not read any more: it is closed
/// with the last. Its timer holds it; it says that it is done also when the loop ends.
final class SessionClosing: TimerTarget {
    private static let shortestPause = Duration.milliseconds(10)
    private unowned let shard: AppShard
    private let links: [LinkID]
    private var closed = 0
    private let perStep: Int
    private let pause: Duration
    private let then: (Int) -> Void

    init(_ shard: AppShard, over time: Duration, _ then: @escaping (Int) -> Void) {
        (self.shard, self.then) = (shard, then)
        links = shard.connections.map(\.link.id)
        let most = time.nanoseconds / Self.shortestPause.nanoseconds
        let steps = max(1, min(links.count, Int(clamping: most)))
        perStep = (links.count + steps - 1) / steps
        pause = time / steps
    }
    deinit { then(closed) }

    func step(on loop: Loop) {
        for link in links[closed...].prefix(perStep) { shard.connection(link)?.closeWhenIdle() }
        closed = min(links.count, closed + perStep)
        if closed < links.count { loop.after(pause, self) }
    }

    func timerFired(_ token: UInt64, on loop: Loop) { step(on: loop) }
}

extension AppConnection {
    /// Reads no more, and ends at once or with the last answer that is due: a message that comes after that is lost.
    fileprivate func closeWhenIdle() {
        leavesWhenIdle = true
        stopReading()
        leaveIfIdle()
    }

    func leaveIfIdle() { if leavesWhenIdle, isIdle { link.close(.shutdown) } }
}
