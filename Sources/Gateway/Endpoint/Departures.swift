import OmniwayTelemetry
import OmniwayTransport

/// Messages that any task or thread hands over to be sent on a loop, in order and up to a limit.
final class Departures: Sendable {
    enum Answer: Equatable { case taken, full, ended(CloseReason) }

    private struct Waiting {
        let number: UInt64
        let message: [UInt8]
        let waiter: CheckedContinuation<Answer, Never>
    }

    private struct State {
        var messages: [[UInt8]] = []
        var bytes = 0
        var waiting: [Waiting] = []
        var nextNumber: UInt64 = 0
        /// The loop knows that there is something, and comes back for the rest by itself.
        var isAwake = false
        var end: CloseReason?

        mutating func take(_ message: [UInt8]) {
            messages.append(message)
            bytes += message.count
        }
    }
    private let state = Lock(State())
    private let most: Int
    private let mostBytes: Int
    /// Has the loop call `takeAll`.
    private let wake: @Sendable () -> Void

    init(most: Int, bytes: Int, wake: @escaping @Sendable () -> Void) {
        (self.most, mostBytes, self.wake) = (most, bytes, wake)
    }

    private func fits(_ message: [UInt8], _ state: borrowing State) -> Bool {
        state.messages.count < most && (state.bytes == 0 || state.bytes + message.count <= mostBytes)
    }

    /// Without waiting.
    func offer(_ message: [UInt8]) -> Answer {
        let (answer, mustWake) = state.withLock { state -> (Answer, Bool) in
            if let end = state.end { return (.ended(end), false) }
            guard state.waiting.isEmpty, fits(message, state) else { return (.full, false) }
            state.take(message)
            return (.taken, !exchange(&state.isAwake, with: true))
        }
        if mustWake { wake() }
        return answer
    }

    /// Waits for room. `full` says that the task was cancelled.
    func put(_ message: [UInt8]) async -> Answer {
        let answer = offer(message)
        guard answer == .full else { return answer }
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in wait(Waiting(number: number, message: message, waiter: waiter)) }
        } onCancel: {
            cancel(number)
        }
    }

    private func wait(_ waiting: Waiting) {
        let isCancelled = Task.isCancelled
        let (answer, mustWake) = state.withLock { state -> (Answer?, Bool) in
            if isCancelled { return (.full, false) }
            if let end = state.end { return (.ended(end), false) }
            if state.waiting.isEmpty, fits(waiting.message, state) {
                state.take(waiting.message)
                return (.taken, !exchange(&state.isAwake, with: true))
            }
            state.waiting.append(waiting)
            return (nil, false)
        }
        if mustWake { wake() }
        if let answer { waiting.waiter.resume(returning: answer) }
    }

    private func cancel(_ number: UInt64) {
        let waiting = state.withLock { state in
            state.waiting.firstIndex { $0.number == number }.map { state.waiting.remove(at: $0) }
        }
        waiting?.waiter.resume(returning: .full)
    }

    var hasEnded: Bool { state.withLock { $0.end != nil } }

    // MARK: On the loop

    /// What waits; those who wait for room take its place. With nothing left the loop is woken again.
    func takeAll() -> [[UInt8]] {
        let (messages, admitted) = state.withLock { state -> ([[UInt8]], ArraySlice<Waiting>) in
            let messages = exchange(&state.messages, with: [])
            state.bytes = 0
            var count = 0
            while count < state.waiting.count, fits(state.waiting[count].message, state) {
                state.take(state.waiting[count].message)
                count += 1
            }
            let admitted = state.waiting.prefix(count)
            state.waiting.removeFirst(count)
            if messages.isEmpty { state.isAwake = false }
            return (messages, admitted)
        }
        for waiting in admitted { waiting.waiter.resume(returning: .taken) }
        return messages
    }

    func end(_ reason: CloseReason) {
        let waiting = state.withLock { state in
            if state.end == nil { state.end = reason }
            return exchange(&state.waiting, with: [])
        }
        for waiting in waiting { waiting.waiter.resume(returning: .ended(reason)) }
    }
}
