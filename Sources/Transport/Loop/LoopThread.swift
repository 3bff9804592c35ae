import OmniwayTelemetry

/// A thread that somebody can wait for without blocking.
final class LoopThread: Sendable {
    private enum State { case notStarted, running(waiters: [CheckedContinuation<Void, Never>]), ended }
    private let state = Lock(State.notStarted)

    func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        state.withLock { $0 = .running(waiters: []) }
        let hasStarted = BackgroundThread.start(name, for: "event loop: sockets, timers and handlers") { [self] in
            body()
            ended()
        }
        precondition(hasStarted, "the system has no thread for a loop; see `ulimit -u`")
    }

    func join() async {
        await withCheckedContinuation { waiter in
            let mustWait = state.withLock { state in
                guard case .running(let waiters) = state else { return false }
                state = .running(waiters: waiters + [waiter])
                return true
            }
            if !mustWait { waiter.resume() }
        }
    }

    private func ended() {
        let last = state.withLock { state in exchange(&state, with: .ended) }
        if case .running(let waiters) = last { for waiter in waiters { waiter.resume() } }
    }
}
