import Glibc
import OmniwayTelemetry

/// A thread that somebody can wait for without blocking.
final class LoopThread: Sendable {
    private enum State { case notStarted, running(waiters: [CheckedContinuation<Void, Never>]), ended }
    private let state = Lock(State.notStarted)

    /// `body` and what it holds are released when the thread ends.
    func start(_ body: @escaping @Sendable () -> Void) {
        state.withLock { $0 = .running(waiters: []) }
        final class Box: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        let box = Box { [self] in
            body()
            ended()
        }
        var thread = pthread_t()
        // Safe because the thread takes over the reference that is passed to it.
        let error = unsafe pthread_create(
            &thread, nil,
            {
                guard let box = unsafe $0 else { return nil }
                unsafe Unmanaged<Box>.fromOpaque(box).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(box).toOpaque())
        precondition(error == 0, "no thread for a loop: \(SystemError(number: error))")
        pthread_detach(thread)
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
