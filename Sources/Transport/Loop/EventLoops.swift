import CSystem
import Glibc
public import OmniwayTelemetry

/// The loops of a process. They run from the start until `shutdown`.
public struct EventLoops: Sendable {
    public let loops: [EventLoop]

    /// As many loops as the process may use processors, unless told otherwise.
    public init(count: Int = EventLoops.defaultCount, limits: LoopLimits = LoopLimits()) {
        precondition(count > 0, "at least one loop")
        loops = (0..<count).map { EventLoop(index: $0, limits: limits) }
    }

    public static var defaultCount: Int { max(1, Int(csystem_processor_count())) }

    /// Builds one object on each loop.
    public func own<Value: AnyObject, E: Error>(
        _ make: @Sendable (Loop) throws(E) -> Value
    ) async throws(E) -> [LoopBound<Value>] {
        var made: [LoopBound<Value>] = []
        for loop in loops { made.append(try await loop.own(make)) }
        return made
    }

    /// The meters of all loops added up. A loop that does not answer in time is left out, and named.
    public func snapshot(within limit: Duration = .seconds(1)) async -> (snapshot: MeterSnapshot, silent: [Int]) {
        var sum = MeterSnapshot()
        var silent: [Int] = []
        for (loop, snapshot) in zip(loops, await ask(within: limit) { await $0.snapshot() }) {
            if let snapshot { sum.add(snapshot) } else { silent.append(loop.index) }
        }
        return (sum, silent)
    }

    /// The loops that do nothing of what they are asked within `limit`: a callback blocks them.
    public func silent(within limit: Duration = .seconds(1)) async -> [Int] {
        let answers = await ask(within: limit) { await $0.run { _ in } }
        return zip(loops, answers).filter { $0.1 == nil }.map(\.0.index)
    }

    /// Asks all loops at once, so that several silent ones take no longer than one.
    private func ask<Answer: Sendable>(
        within limit: Duration, _ question: @escaping @Sendable (EventLoop) async -> Answer
    ) async -> [Answer?] {
        await withTaskGroup { group in
            for (index, loop) in loops.enumerated() {
                group.addTask { (index, await first(of: limit) { await question(loop) }) }
            }
            var answers = [Answer?](repeating: nil, count: loops.count)
            for await (index, answer) in group { answers[index] = answer }
            return answers
        }
    }

    public func shutdown() async { for loop in loops { await loop.shutdown() } }
}

/// The result of `work`, or nil when the time is over first. Work that is late goes on, and nobody hears of it.
private func first<R: Sendable>(of limit: Duration, _ work: @escaping @Sendable () async -> R) async -> R? {
    await withCheckedContinuation { waiter in
        let waiting = Lock<CheckedContinuation<R?, Never>?>(waiter)
        let answer = { @Sendable (result: R?) in
            waiting.withLock { exchange(&$0, with: nil) }?.resume(returning: result)
        }
        let timer = Task {
            do { try await Task.sleep(for: limit) } catch { return }
            answer(nil)
        }
        Task {
            answer(await work())
            timer.cancel()
        }
    }
}
