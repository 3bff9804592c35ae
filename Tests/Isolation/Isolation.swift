import Glibc
import OmniwayTesting
import OmniwayTransport

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

/// Hands async work to a loop in every way that there is, and says where it ran: `Isolation`. Its status is 1 when any
/// of it left the loop. A program of its own because the optimiser has changed what isolation means: continuous
/// integration builds this with it, and nothing else twice.
@main
struct Isolation {
    private enum Kind: CaseIterable { case closure, function, boundMethod, localFunction }

    static func main() async {
        var isRight = true
        for simulated in [false, true] {
            for kind in Kind.allCases {
                let onLoop = await visit(kind, simulated: simulated)
                isRight = isRight && onLoop == [true, true, true]
                print("\(kind)\(simulated ? ", simulated" : ""): \(onLoop)")
            }
        }
        exit(isRight ? 0 : 1)
    }

    /// Whether it was on its loop: before an await, after it had left, and after a foreign thread resumed it.
    private static func visit(_ kind: Kind, simulated: Bool) async -> [Bool] {
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
        let onLoop = await notes.run { _, notes in notes.onLoop }
        await notes.release()  // They hold their loop, and it holds them.
        if !simulated { await loop.shutdown() }
        return onLoop
    }
}
