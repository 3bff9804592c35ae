import OmniwayTesting
import OmniwayTransport
import Testing

/// Async work as a user hands it over: kept as the function it was given.
private final class Work: LoopTask {
    typealias Body = nonisolated(nonsending) (Notes) async -> Void
    private let body: Body
    private let notes: Notes
    init(_ notes: Notes, _ body: @escaping Body) { (self.notes, self.body) = (notes, body) }

    nonisolated(nonsending) func run() async { await body(notes) }
}

/// Not `Sendable`: what a loop owns.
private final class Notes {
    let loop: EventLoop
    var onLoop: [Bool] = []
    init(_ loop: EventLoop) { self.loop = loop }

    func note(_ isolation: (any Actor)?) { onLoop.append(isolation === loop && loop.isCurrent) }

    /// The loop before an await, after leaving it, and after a continuation that a foreign thread resumes.
    nonisolated(nonsending) func visit() async {
        note(#isolation)
        await elsewhere()
        note(#isolation)
        await withCheckedContinuation { waiter in Task.detached { waiter.resume() } }
        note(#isolation)
    }
}

/// Leaves the loop: what a user marks so may block.
@concurrent private func elsewhere() async {}

private nonisolated(nonsending) func globalFunction(_ notes: Notes) async { await notes.visit() }

private final class Service {
    nonisolated(nonsending) func boundMethod(_ notes: Notes) async { await notes.visit() }
}

@Suite(.timeLimit(.minutes(2))) struct IsolationTests {
    private enum Kind: CaseIterable { case closure, function, boundMethod, localFunction }

    @Test(arguments: Kind.allCases, [false, true])
    private func `async work runs on its loop, and is back after every await`(_ kind: Kind, simulated: Bool)
        async throws
    {
        let world = SimulatedWorld()
        let loop = simulated ? world.first : EventLoop()
        let notes = await loop.own { [loop] _ in Notes(loop) }
        await notes.run { loop, notes in
            let body: Work.Body
            switch kind {
            case .closure: body = { notes in await notes.visit() }
            case .function: body = globalFunction
            case .boundMethod: body = Service().boundMethod
            case .localFunction:
                nonisolated(nonsending) func local(_ notes: Notes) async { await notes.visit() }
                body = local
            }
            loop.start(Work(notes, body))
        }
        while await notes.run({ _, notes in notes.onLoop.count < 3 }) {
            if simulated { world.settle() }
            await Task.yield()
        }
        await notes.run { _, notes in #expect(notes.onLoop == [true, true, true]) }
        await notes.release()  // They hold their loop, and it holds them.
        if !simulated { await loop.shutdown() }
    }
}
