import OmniwayTelemetry

/// Values on their way from a loop to a task that iterates over them. When it is full the oldest give way: the loop
/// never waits for a task.
final class NewestQueue<Element: Sendable>: Sendable {
    private typealias Waiter = CheckedContinuation<Element?, Never>
    private struct State {
        var elements: [Element]
        var bytes: Int
        var waiters: [(number: UInt64, waiter: Waiter)] = []
        var nextNumber: UInt64 = 0
        var hasEnded = false
    }
    private let state: Lock<State>
    private let most: Int
    private let mostBytes: Int
    private let weigh: @Sendable (Element) -> Int

    init(
        _ elements: [Element] = [], most: Int, bytes mostBytes: Int = .max,
        weigh: @escaping @Sendable (Element) -> Int = { _ in 0 }
    ) {
        state = Lock(State(elements: elements, bytes: elements.reduce(0) { $0 + weigh($1) }))
        (self.most, self.mostBytes, self.weigh) = (most, mostBytes, weigh)
    }

    /// How many gave way.
    func put(_ element: Element) -> Int {
        let (waiter, dropped) = state.withLock { state -> (Waiter?, Int) in
            if state.hasEnded { return (nil, 0) }
            if !state.waiters.isEmpty { return (state.waiters.removeFirst().waiter, 0) }
            state.elements.append(element)
            state.bytes += weigh(element)
            var dropped = 0
            while state.elements.count - dropped > 1,
                state.elements.count - dropped > most || state.bytes > mostBytes
            {
                state.bytes -= weigh(state.elements[dropped])
                dropped += 1
            }
            state.elements.removeFirst(dropped)
            return (nil, dropped)
        }
        waiter?.resume(returning: element)
        return dropped
    }

    /// What is there is still given out.
    func end() {
        let waiters = state.withLock { state in
            state.hasEnded = true
            return exchange(&state.waiters, with: [])
        }
        for waiting in waiters { waiting.waiter.resume(returning: nil) }
    }

    /// Nil at the end, and for a task that is cancelled.
    func next() async -> Element? {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in wait(waiter, number) }
        } onCancel: {
            cancel(number)
        }
    }

    private func wait(_ waiter: Waiter, _ number: UInt64) {
        let isCancelled = Task.isCancelled
        let (isNow, element) = state.withLock { state -> (Bool, Element?) in
            if isCancelled { return (true, nil) }
            if !state.elements.isEmpty {
                let element = state.elements.removeFirst()
                state.bytes -= weigh(element)
                return (true, element)
            }
            if state.hasEnded { return (true, nil) }
            state.waiters.append((number, waiter))
            return (false, nil)
        }
        if isNow { waiter.resume(returning: element) }
    }

    private func cancel(_ number: UInt64) {
        let waiter = state.withLock { state in
            state.waiters.firstIndex { $0.number == number }.map { state.waiters.remove(at: $0).waiter }
        }
        waiter?.resume(returning: nil)
    }
}
