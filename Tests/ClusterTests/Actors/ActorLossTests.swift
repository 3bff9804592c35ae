import Distributed
import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// Hosts that die, leases that are lost, registries and buses that are away.
@Suite(.timeLimit(.minutes(1))) struct ActorLossTests {
    @Test func `a host that dies leaves its names when its lease ends, and calls say no-host until then`() async throws
    {
        let world = try await ActorWorld()
        _ = try await world.host("a", on: 0)
        let tally = try world.tally("a")
        #expect(try await world.world.run { try await tally.add(1) } == 1)
        world.registries[0].simulateOutage(true)
        try await world.closePort(of: 0)
        #expect(await world.code { try await tally.now } == .noHost)
        #expect(await world.refusal("a", on: 1) == .taken)
        world.world.advance(by: .seconds(11))
        _ = try await world.host("a", on: 1, from: 5)
        #expect(try await world.world.run { try await tally.now } == 5)
    }

    @Test func `a host whose lease is lost answers no calls until it is back, and keeps its actors`() async throws {
        let world = try await ActorWorld()
        _ = try await world.host("a", on: 0, from: 9)
        let tally = try world.tally("a")
        world.registries[0].simulateOutage(true)
        world.world.advance(by: .seconds(12))
        #expect(await world.code { try await tally.now } == .noHost)
        #expect(await world.refusal("b", on: 0) == .leaseLost)
        world.registries[0].simulateOutage(false)
        world.world.advance(by: .seconds(10))
        #expect(try await world.world.run { try await tally.now } == 9)
    }

    @Test func `a name that another has taken meanwhile is evicted when its host is back`() async throws {
        let evicted = Lock<[ActorIdentity]>([])
        let world = try await ActorWorld(3) { $0.evicted = { identity in evicted.withLock { $0.append(identity) } } }
        _ = try await world.host("a", on: 0, from: 1)
        _ = try await world.host("b", on: 0, from: 2)
        let caller = try world.tally("a", from: 2)
        world.registries[0].simulateOutage(true)
        world.world.advance(by: .seconds(12))
        _ = try await world.host("a", on: 1, from: 100)
        #expect(try await world.world.run { try await caller.now } == 100)
        world.registries[0].simulateOutage(false)
        world.world.advance(by: .seconds(10))
        #expect(evicted.withLock { $0 } == [ActorIdentity(Tally.self, "a")])
        #expect(world.systems[0].hosted == [ActorIdentity(Tally.self, "b")])
        let fromOld = try world.tally("a", from: 0)
        #expect(try await world.world.run { try await fromOld.now } == 100)
        #expect(await world.count("omniway_actor_evictions_total", loop: 1) == 1)
    }

    @Test func `a name that is lost while its actor is made is not hosted`() async throws {
        let world = try await ActorWorld()
        let (system, gate) = (world.systems[0], Turnstile())
        let making = Task {
            try await system.host("a") { system in
                await gate.wait()
                return Tally(system)
            }
        }
        await world.settle { gate.arrived == 1 }
        world.registries[0].simulateOutage(true)
        world.world.advance(by: .seconds(12))
        _ = try await world.host("a", on: 1)
        world.registries[0].simulateOutage(false)
        world.world.advance(by: .seconds(10))
        gate.open()
        #expect(await world.code { try await making.value } == .taken)
        #expect(system.hosted.isEmpty)
    }

    @Test func `while the registry is away known actors are called, and unknown ones cannot be found`() async throws {
        let world = try await ActorWorld()
        _ = try await world.host("a", on: 0, from: 3)
        let (known, unknown) = (try world.tally("a"), try world.tally("b"))
        #expect(try await world.world.run { try await known.now } == 3)
        world.registries[1].simulateOutage(true)
        #expect(try await world.world.run { try await known.now } == 3)
        #expect(await world.code { try await unknown.now } == .registryAway)
    }

    @Test func `a call under way when its caller leaves ends as closed`() async throws {
        let world = try await ActorWorld()
        let gate = Turnstile()
        _ = try await world.host("a", gate: gate)
        let (tally, system) = (try world.tally("a"), world.systems[1])
        let call = Task { try await tally.wait() }
        await world.settle { gate.arrived == 1 }
        try await world.world.run { await system.leave() }
        #expect(await world.code { try await call.value } == .closed)
        #expect(await world.code { try await tally.now } == .closed)
        gate.open()
    }

    @Test func `a host that leaves finishes what it has begun`() async throws {
        let world = try await ActorWorld()
        let gate = Turnstile()
        _ = try await world.host("a", gate: gate)
        let (tally, system) = (try world.tally("a"), world.systems[0])
        let call = Task { try await tally.wait() }
        await world.settle { gate.arrived == 1 }
        let leaving = Task { await system.leave() }
        while system.hosted.isEmpty == false, gate.arrived == 1 {
            world.world.settle()
            gate.open()
            await Task.yield()
        }
        #expect(try await world.world.run { try await call.value } == false)
        try await world.world.run { await leaving.value }
    }
}

extension ActorWorld {
    /// What others see when a host's process ends: nobody listens any more.
    func closePort(of index: Int) async throws {
        let (bus, loop) = (bus, systems[index].loop)
        try await world.run { await loop.run { bus.port(on: $0).close() } }
    }
}
