import CSystem
import Glibc
public import OmniwayTelemetry
import Synchronization

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

    /// Asks all loops at once. Nil from those that are silent.
    package func ask<Answer: Sendable>(
        within limit: Duration, _ question: @escaping @Sendable (EventLoop) async -> Answer
    ) async -> [Answer?] {
        await loops.indices.ask { index in await loops[index].answer(within: limit, to: question) }
    }

    public func shutdown() async { for loop in loops { await loop.shutdown() } }
}

extension Array {
    /// Asks objects of several loops something. Where there is nil instead of an answer, a callback blocks the loop.
    public func ask<Value: AnyObject, Answer: Sendable>(
        within limit: Duration, _ question: @escaping @Sendable (Loop, Value) -> Answer
    ) async -> [Answer?] where Element == LoopBound<Value> {
        await indices.ask { index in
            let name = self[index]
            return await name.home.answer(within: limit) { _ in await name.run(question) }
        }
    }
}

extension Range<Int> {
    /// All at once, so that several silent ones take no longer than one.
    fileprivate func ask<Answer: Sendable>(_ question: @escaping @Sendable (Int) async -> Answer?) async -> [Answer?] {
        await withTaskGroup { group in
            for index in self { group.addTask { (index, await question(index)) } }
            var answers = [Answer?](repeating: nil, count: count)
            for await (index, answer) in group { answers[index - lowerBound] = answer }
            return answers
        }
    }
}

extension EventLoop {
    /// The answer, or nil when the time is over first. A loop that owes an answer is not asked again before: what it is
    /// asked while it is stuck would pile up.
    package nonisolated func answer<Answer: Sendable>(
        within limit: Duration, to question: @escaping @Sendable (EventLoop) async -> Answer
    ) async -> Answer? {
        if owesAnswer.load(ordering: .relaxed) { return nil }
        return await withCheckedContinuation { waiter in
            let waiting = Lock<CheckedContinuation<Answer?, Never>?>(waiter)
            let timer = Task {
                do { try await Task.sleep(for: limit) } catch { return }
                waiting.withLock { waiting in
                    if waiting != nil { owesAnswer.store(true, ordering: .relaxed) }
                    return exchange(&waiting, with: nil)
                }?.resume(returning: nil)
            }
            Task {
                let answer = await question(self)
                if let waiter = waiting.withLock({ exchange(&$0, with: nil) }) {
                    timer.cancel()
                    waiter.resume(returning: answer)
                } else {
                    owesAnswer.store(false, ordering: .relaxed)
                }
            }
        }
    }
}
