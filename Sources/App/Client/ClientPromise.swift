import OmniwayTelemetry

/// One answer, for one task that waits for it.
final class ClientPromise<Value: Sendable>: Sendable {
    private enum State {
        case open
        case awaited(CheckedContinuation<Result<Value, any Error>, Never>)
        case fulfilled(Result<Value, any Error>)
    }
    private let state = Lock(State.open)

    /// The first one counts.
    func fulfil(_ result: Result<Value, any Error>) {
        let waiter = state.withLock { state -> CheckedContinuation<Result<Value, any Error>, Never>? in
            switch state {
            case .open: state = .fulfilled(result)
            case .awaited(let waiter):
                state = .fulfilled(result)
                return waiter
            case .fulfilled: break
            }
            return nil
        }
        waiter?.resume(returning: result)
    }

    var isFulfilled: Bool { state.withLock { if case .fulfilled = $0 { true } else { false } } }

    /// Awaited once.
    func value() async throws -> Value {
        try await withCheckedContinuation { waiter in
            let result = state.withLock { state -> Result<Value, any Error>? in
                if case .fulfilled(let result) = state { return result }
                state = .awaited(waiter)
                return nil
            }
            if let result { waiter.resume(returning: result) }
        }.get()
    }
}
