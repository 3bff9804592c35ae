import OmniwayTelemetry

/// What waits until a test opens it, and counts who has come.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiters: [CheckedContinuation<Void, Never>] = []
        var came = 0
    }
    private let state = Lock(State())

    /// How many have come so far.
    var count: Int { state.withLock { $0.came } }

    nonisolated(nonsending) func pass() async {
        await withCheckedContinuation { waiter in
            let isOpen = state.withLock { state in
                state.came += 1
                if !state.isOpen { state.waiters.append(waiter) }
                return state.isOpen
            }
            if isOpen { waiter.resume() }
        }
    }

    /// Those who wait go on; who comes later waits again.
    func letPass() { for waiter in state.withLock({ exchange(&$0.waiters, with: []) }) { waiter.resume() } }

    func open() {
        state.withLock { $0.isOpen = true }
        letPass()
    }
}

/// What happened, in its order.
final class Diary: Sendable {
    private let lines = Lock<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    var count: Int { all.count }
    func note(_ line: String) { lines.withLock { $0.append(line) } }
}
