import OmniwayTelemetry
import OmniwayTransport

/// The timers on one loop.
final class ShardTimers {
    private unowned let shard: AppShard
    private var ticking: [ObjectIdentifier: Ticking] = [:]
    /// Runs that wait for something, also of timers that are over.
    private var underWay: [(run: TimerRun, task: StartedTask)] = []
    private var hasStopped = false

    init(_ shard: AppShard) { self.shard = shard }

    /// A timer begins here, or has been stopped by somebody.
    func take(_ timer: AppTimer) {
        if let known = ticking[ObjectIdentifier(timer)] {
            if !timer.isRunning { forget(known) }
        } else if hasStopped {
            timer.finish()
        } else if timer.isRunning {
            ticking[ObjectIdentifier(timer)] = Ticking(timer, shard)
        }
    }

    func forget(_ ticking: Ticking) {
        ticking.end(on: shard.loop)
        self.ticking[ObjectIdentifier(ticking.timer)] = nil
    }

    /// None begins to run any more.
    func stop() {
        hasStopped = true
        for ticking in ticking.values {
            ticking.timer.finish()
            ticking.end(on: shard.loop)
        }
        ticking = [:]
    }

    /// Runs that have not come to their end are told to.
    func cancel() { for (_, task) in exchange(&underWay, with: []) { task.cancel() } }

    /// False when there is no room for it.
    func start(_ run: TimerRun) -> Bool {
        guard let task = shard.start(run) else { return false }
        underWay.append((run, task))
        return true
    }

    func ended(_ run: TimerRun) {
        underWay.removeAll { $0.run === run }
        shard.callEnded()
    }

    func failed(_ timer: AppTimer, _ error: any Error) {
        shard.counters.timerErrors.add(1)
        Log.shared.error("timer failed", ["at": timer.origin, "error": "\(error)"])
    }
}

/// A timer on its loop.
final class Ticking: TimerTarget {
    let timer: AppTimer
    /// Held because a run may outlast the app; until then the timer is forgotten at the latest when the app stops.
    private let shard: AppShard
    private var due: Moment
    private var next: TimerID?
    private var rest: Int?
    private var isBusy = false

    init(_ timer: AppTimer, _ shard: AppShard) {
        (self.timer, self.shard) = (timer, shard)
        rest = timer.count
        due = shard.loop.now + timer.delay
        next = shard.loop.after(timer.delay, self)
    }

    func end(on loop: Loop) {
        if let next { loop.cancel(next) }
        next = nil
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        next = nil
        guard timer.isRunning else { return shard.timers.forget(self) }
        if isBusy {
            shard.counters.timerSkips.add(1)
        } else if timer.condition() {
            run()
        }
        if rest == 0 { timer.finish() }
        guard timer.isRunning else { return shard.timers.forget(self) }
        // The next tick that is still to come: what was missed is not caught up.
        let interval = timer.interval.nanoseconds
        let late = max(0, (loop.now - due).nanoseconds / interval)
        due = due + .nanoseconds(interval) * (late + 1)
        next = loop.after(due - loop.now, self)
    }

    private func run() {
        switch timer.body {
        case .plain(let body):
            do { try body() } catch { shard.timers.failed(timer, error) }
        case .async(let body):
            guard shard.timers.start(TimerRun(self, body)) else { return shard.counters.timerSkips.add(1) }
            isBusy = true
        }
        shard.counters.timerRuns.add(1)
        if let rest { self.rest = rest - 1 }
    }

    fileprivate func ended(_ run: TimerRun, _ error: (any Error)?) {
        isBusy = false
        if let error { shard.timers.failed(timer, error) }
        shard.timers.ended(run)
    }
}

/// One run of a timer that waits for something.
final class TimerRun: LoopTask {
    private let ticking: Ticking
    private let body: AppTimer.Async

    init(_ ticking: Ticking, _ body: @escaping AppTimer.Async) {
        (self.ticking, self.body) = (ticking, body)
    }

    nonisolated(nonsending) func run() async {
        do {
            try await body()
            ticking.ended(self, nil)
        } catch { ticking.ended(self, error) }
    }
}
