import OmniwayTelemetry
import OmniwayTransport

/// Somebody who waits for one answer. Whoever drops it without giving one says that there will be none.
final class Promise<Value: Sendable>: Sendable {
    typealias Waiter = CheckedContinuation<Result<Value, EndpointError>, Never>
    private let waiter: Lock<Waiter?>

    init(_ waiter: Waiter) { self.waiter = Lock(waiter) }

    func fulfil(_ result: Result<Value, EndpointError>) {
        waiter.withLock { exchange(&$0, with: nil) }?.resume(returning: result)
    }

    var isFulfilled: Bool { waiter.withLock { $0 == nil } }

    deinit { fulfil(.failure(.closed(.gatewayLost.with("the endpoint has ended")))) }
}

/// Values that go from a loop to the tasks that wait for them, in order and up to a limit.
final class Arrivals<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element?] = []
        var head = 0
        var weight = 0
        var waiters: [(number: UInt64, waiter: CheckedContinuation<Result<Element?, EndpointError>, Never>)] = []
        var nextNumber: UInt64 = 0
        var end: Result<Element?, EndpointError>?
    }
    private let state = Lock(State())
    private let most: Int
    private let mostWeight: Int

    init(most: Int, mostWeight: Int = .max) { (self.most, self.mostWeight) = (most, mostWeight) }

    /// False when it is full, or nobody takes anything any more.
    func put(_ element: Element, weight: Int = 0) -> Bool {
        let (isTaken, waiter) = state.withLock {
            state -> (Bool, CheckedContinuation<Result<Element?, EndpointError>, Never>?) in
            if state.end != nil { return (false, nil) }
            if !state.waiters.isEmpty { return (true, state.waiters.removeFirst().waiter) }
            guard state.elements.count - state.head < most, state.weight < mostWeight else { return (false, nil) }
            state.elements.append(element)
            state.weight += weight
            return (true, nil)
        }
        waiter?.resume(returning: .success(element))
        return isTaken
    }

    /// What has arrived is still given out; after it comes the end, which is an error or none.
    func end(_ error: EndpointError?) {
        let end = error.map { Result<Element?, EndpointError>.failure($0) } ?? .success(nil)
        let waiters = state.withLock { state in
            if state.end == nil { state.end = end }
            return exchange(&state.waiters, with: [])
        }
        for waiting in waiters { waiting.waiter.resume(returning: end) }
    }

    /// Nobody will take anything any more.
    func drop() {
        end(nil)
        // Let go of after the lock: what they are may have something to say about it.
        let dropped = state.withLock { state in exchange(&state.elements, with: []) }
        state.withLock { $0.head = 0 }
        _ = dropped
    }

    /// The next one, or nil at the end, and for a task that is cancelled. `weigh` says what it was put in for.
    func next(weigh: @Sendable (Element) -> Int = { _ in 0 }) async throws(EndpointError) -> Element? {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        return try await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in wait(waiter, number, weigh) }
        } onCancel: {
            cancel(number)
        }.get()
    }

    private func wait(
        _ waiter: CheckedContinuation<Result<Element?, EndpointError>, Never>, _ number: UInt64,
        _ weigh: @Sendable (Element) -> Int
    ) {
        let isCancelled = Task.isCancelled
        let answer = state.withLock { state -> Result<Element?, EndpointError>? in
            if isCancelled { return .success(nil) }
            if state.head < state.elements.count, let element = state.elements[state.head] {
                state.elements[state.head] = nil
                state.head += 1
                state.weight -= weigh(element)
                if state.head == state.elements.count {
                    state.elements.removeAll(keepingCapacity: state.head <= 64)
                    state.head = 0
                } else if state.head >= 64, state.head * 2 >= state.elements.count {
                    state.elements.removeFirst(state.head)
                    state.head = 0
                }
                return .success(element)
            }
            if state.end == nil { state.waiters.append((number, waiter)) }
            return state.end
        }
        if let answer { waiter.resume(returning: answer) }
    }

    private func cancel(_ number: UInt64) {
        let waiter = state.withLock { state in
            state.waiters.firstIndex { $0.number == number }.map { state.waiters.remove(at: $0).waiter }
        }
        waiter?.resume(returning: .success(nil))
    }
}
