import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// Work that waits until it is told to go on.
private final class Waiting: LoopTask {
    var waiter: CheckedContinuation<Void, Never>?
    var events: [String] = []

    nonisolated(nonsending) func run() async {
        events.append("began")
        await withCheckedContinuation { waiter = $0 }
        events.append(Task.isCancelled ? "cancelled" : "ended")
    }
}

@Suite struct LoopTaskTests {
    let world = SimulatedWorld(
        limits: {
            var limits = LoopLimits(); limits.tasks = 2; return limits
        }())

    @Test func `work starts in the same turn and its end is counted`() async throws {
        let work = await world.first.own { _ in Waiting() }
        await work.run { loop, work in
            loop.start(work)
            #expect(work.events == [])
        }
        world.settle()
        await work.run { loop, work in
            #expect(work.events == ["began"])
            #expect(loop.tasks == 1)
            work.waiter?.resume()
        }
        world.settle()
        await work.run { loop, work in
            #expect(work.events == ["began", "ended"])
            #expect(loop.tasks == 0)
        }
    }

    @Test func `cancelled work knows it, and work cancelled before it began never runs`() async throws {
        let work = await world.first.own { _ in Waiting() }
        let never = await world.first.own { _ in Waiting() }
        await never.run { loop, never in loop.start(never)?.cancel() }
        let started = await work.run { loop, work in
            let started = loop.start(work)
            loop.after(.seconds(1), Cancelling(started))
            return started != nil
        }
        #expect(started)
        world.advance(by: .seconds(1))
        await work.run { _, work in work.waiter?.resume() }
        world.settle()
        await work.run { loop, work in
            #expect(work.events == ["began", "cancelled"])
            #expect(loop.tasks == 0)
        }
        await never.run { _, never in #expect(never.events == []) }
    }

    @Test func `a loop refuses more work than its limit`() async throws {
        let refused = await world.first.run { loop in
            let works = (0..<3).map { _ in Waiting() }
            let started = works.map { loop.start($0) != nil }
            loop.after(.seconds(1), Resuming(works))
            return started
        }
        #expect(refused == [true, true, false])
        world.advance(by: .seconds(1))
        await world.first.run { loop in #expect(loop.tasks == 0) }
    }
}

private final class Cancelling: TimerTarget {
    private let task: StartedTask?
    init(_ task: StartedTask?) { self.task = task }
    func timerFired(_ token: UInt64, on loop: Loop) { task?.cancel() }
}

private final class Resuming: TimerTarget {
    private let works: [Waiting]
    init(_ works: [Waiting]) { self.works = works }
    func timerFired(_ token: UInt64, on loop: Loop) { for work in works { work.waiter?.resume() } }
}
