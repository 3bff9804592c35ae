extension App {
    /// Does something again and again, first when one interval has passed: `count` times, or until it is stopped.
    ///
    /// It runs on one of the app's loops, on the caller's where there is one, and only when `condition` holds at that
    /// moment. Ticks that come while a run is still under way, and those that a busy loop has missed, are left out. An
    /// error is logged and counted, and the timer goes on. Timers that are set before the app starts begin when it
    /// listens; all end when it stops, after sessions have had the time to leave.
    @discardableResult
    public func every(
        _ interval: Duration, count: Int? = nil, when condition: @escaping @Sendable () -> Bool = { true },
        file: String = #fileID, line: Int = #line, _ body: @escaping @Sendable () throws -> Void
    ) -> AppTimer {
        set(interval, count, condition, .plain(body), "\(file):\(line)")
    }

    @discardableResult
    public func every(
        _ interval: Duration, count: Int? = nil, when condition: @escaping @Sendable () -> Bool = { true },
        file: String = #fileID, line: Int = #line,
        _ body: nonisolated(nonsending) @escaping @Sendable () async throws -> Void
    ) -> AppTimer {
        set(interval, count, condition, .async(body), "\(file):\(line)")
    }

    /// Does something once, when so much time has passed.
    @discardableResult
    public func after(
        _ delay: Duration, file: String = #fileID, line: Int = #line, _ body: @escaping @Sendable () throws -> Void
    ) -> AppTimer {
        set(once: delay, .plain(body), "\(file):\(line)")
    }

    @discardableResult
    public func after(
        _ delay: Duration, file: String = #fileID, line: Int = #line,
        _ body: nonisolated(nonsending) @escaping @Sendable () async throws -> Void
    ) -> AppTimer {
        set(once: delay, .async(body), "\(file):\(line)")
    }

    private func set(
        _ interval: Duration, _ count: Int?, _ condition: @escaping @Sendable () -> Bool, _ body: AppTimer.Body,
        _ origin: String
    ) -> AppTimer {
        precondition(interval >= AppTimer.shortestInterval, "a timer's interval is a millisecond or more")
        precondition(count.map { $0 > 0 } ?? true, "a timer runs once or more often; nil for ever")
        let timer = AppTimer(
            timers, delay: interval, interval: interval, count: count, condition: condition, body: body, origin: origin)
        timers.add(timer)
        return timer
    }

    /// When there is no room for it then, it tries again after the shortest interval.
    private func set(once delay: Duration, _ body: AppTimer.Body, _ origin: String) -> AppTimer {
        let timer = AppTimer(
            timers, delay: max(delay, .zero), interval: AppTimer.shortestInterval, count: 1, condition: { true },
            body: body, origin: origin)
        timers.add(timer)
        return timer
    }
}

extension AppTimer {
    static let shortestInterval = Duration.milliseconds(1)
}
