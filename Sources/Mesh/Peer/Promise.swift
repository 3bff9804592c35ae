import OmniwayTelemetry
import OmniwayWire

/// What one task waits for.
final class Answer<Value: Sendable>: Sendable {
    private typealias Outcome = Result<Value, MeshError>
    private enum State {
        case open
        case awaited(CheckedContinuation<Outcome, Never>)
        case fulfilled(Outcome)
    }
    private let state = Lock(State.open)

    /// The first one counts.
    func fulfil(_ result: Result<Value, MeshError>) {
        let waiter = state.withLock { state -> CheckedContinuation<Outcome, Never>? in
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

    func value() async throws(MeshError) -> Value { try await result().get() }

    /// Awaited once.
    func result() async -> Result<Value, MeshError> {
        await withCheckedContinuation { waiter in
            let outcome = state.withLock { state -> Outcome? in
                if case .fulfilled(let outcome) = state { return outcome }
                state = .awaited(waiter)
                return nil
            }
            if let outcome { waiter.resume(returning: outcome) }
        }
    }
}

/// The loop's side of an answer. Dropped without giving one, it says that there will be none.
final class Promise<Value: Sendable> {
    let answer: Answer<Value>
    init(_ answer: Answer<Value>) { self.answer = answer }
    deinit { fulfil(.failure(.closed)) }

    func fulfil(_ result: Result<Value, MeshError>) { answer.fulfil(result) }
}
