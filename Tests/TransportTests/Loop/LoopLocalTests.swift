import OmniwayTesting
import OmniwayTransport
import Testing

private final class Resident {
    let name: Int
    init(_ name: Int) { self.name = name }
}

@Suite struct LoopLocalTests {
    @Test func `a name finds its object on its own loop only, until it is released`() async throws {
        let world = SimulatedWorld(loops: 2)
        let (one, other) = await world.loops[0].run { loop in (loop.name(Resident(1)), loop.name(Resident(2))) }
        #expect(await world.loops[0].run { loop in [one, other].map { $0.on(loop)?.name } } == [1, 2])
        #expect(await world.loops[1].run { loop in one.on(loop) == nil })
        let third = await world.loops[0].run { loop in
            one.release(on: loop)
            return loop.name(Resident(3))
        }
        let found = await world.loops[0].run { loop in
            one.release(on: loop)
            return [one, other, third].map { $0.on(loop)?.name }
        }
        #expect(found == [nil, 2, 3])
        world.loops[0].endSimulation()
        #expect(await world.loops[0].run { loop in third.on(loop) == nil })
    }
}
