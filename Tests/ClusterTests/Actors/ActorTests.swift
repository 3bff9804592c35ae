import Distributed
import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import Testing

/// Distributed actors in a simulated world: who hosts what, and what becomes of calls.
@Suite(.timeLimit(.minutes(1))) struct ActorTests {
    @Test func `a method is called from another system, with arguments and results of all kinds`() async throws {
        let world = try await ActorWorld()
        _ = try await world.host("a", from: 40)
        let tally = try world.tally("a")
        #expect(try await world.world.run { try await tally.add(2) } == 42)
        #expect(try await world.world.run { try await tally.now } == 42)
        try await world.world.run { try await tally.reset() }
        #expect(try await world.world.run { try await tally.now } == 0)
        let described = try await world.world.run { try await tally.describe(["x", "ÿ"], nil, bytes: [0, 255]) }
        #expect(described == ["words": ["x", "ÿ"], "mark": [], "bytes": ["0", "255"]])
        #expect(await world.count("omniway_actor_calls_total", "returned", loop: 2) == 5)
        #expect(await world.count("omniway_actor_runs_total", "returned", loop: 1) == 5)
        #expect(await world.count("omniway_actor_calls", loop: 2) == 0)
        #expect(await world.count("omniway_actor_hosted", loop: 1) == 1)
    }

    @Test func `an actor runs on the loop of its system, and is itself where it is hosted`() async throws {
        let world = try await ActorWorld()
        let hosted = try await world.host("a")
        let tally = try world.tally("a")
        #expect(try await world.world.run { try await tally.isOnLoop })
        #expect(try world.tally("a", from: 0) === hosted)
        #expect(try world.tally("a", from: 1) !== hosted)
    }

    @Test func `an error of a known type is thrown as it is, others as failed, and both after the method ran`()
        async throws
    {
        let world = try await ActorWorld()
        _ = try await world.host("a", from: 3)
        let tally = try world.tally("a")
        await #expect(throws: TallyError.below(3)) { try await world.world.run { try await tally.add(-5) } }
        #expect(await world.code { try await tally.fail() } == .failed)
        #expect(ActorError(.failed, "").mayHaveRun)
        let stranger = try await ActorWorld { $0.errors = [] }
        _ = try await stranger.host("a", from: 3)
        let other = try stranger.tally("a")
        #expect(await stranger.code { try await other.add(-5) } == .failed)
    }

    @Test func `the first to claim a name has it, and it is free when he gives it back or leaves`() async throws {
        let world = try await ActorWorld()
        let first = try await world.host("a")
        #expect(await world.refusal("a", on: 1) == .taken)
        #expect(await world.refusal("a", on: 0) == .taken)
        let system = world.systems[0]
        try await world.world.run { await system.release(first.id) }
        _ = try await world.host("a", on: 1, from: 7)
        let tally = try world.tally("a", from: 0)
        #expect(try await world.world.run { try await tally.now } == 7)
        let leaving = world.systems[1]
        try await world.world.run { await leaving.leave() }
        #expect(leaving.hosted.isEmpty)
        _ = try await world.host("a", on: 0)
        #expect(world.systems[0].hosted == [ActorIdentity(Tally.self, "a")])
    }

    @Test func `of two that claim a name at the same time one gets it`() async throws {
        let world = try await ActorWorld()
        let systems = world.systems
        let winners = try await world.world.run {
            await withTaskGroup { group in
                for system in systems {
                    group.addTask { (try? await system.host("a") { Tally($0) }) == nil ? 0 : 1 }
                }
                return await group.reduce(0, +)
            }
        }
        #expect(winners == 1)
        #expect(systems.map(\.hosted.count).reduce(0, +) == 1)
    }

    @Test func `a name whose actor could not be made is free again`() async throws {
        let world = try await ActorWorld()
        let system = world.systems[0]
        await #expect(throws: PlainError.self) {
            try await world.world.run { try await system.host("a") { _ -> Tally in throw PlainError() } }
        }
        _ = try await world.host("a", on: 1)
    }

    @Test func `nobody hosts it: no-host, and nothing was sent`() async throws {
        let world = try await ActorWorld()
        let tally = try world.tally("nobody")
        #expect(await world.code { try await tally.now } == .noHost)
        #expect(!ActorError(.noHost, "").mayHaveRun)
        #expect(await world.count("omniway_actor_calls_total", "no-host", loop: 2) == 1)
    }

    @Test func `a call has its deadline, at the host too`() async throws {
        let world = try await ActorWorld()
        let gate = Turnstile()
        _ = try await world.host("a", gate: gate)
        let tally = try world.tally("a")
        let error = await world.code(after: [.milliseconds(900), .milliseconds(200)]) {
            try await ActorCall.with(limit: .seconds(1)) { try await tally.wait() }
        }
        #expect(error == .timedOut)
        // The turnstile opened because its task was cancelled: the time left had gone along.
        #expect(await world.count("omniway_actor_runs_total", "returned", loop: 1) == 1)
        #expect(await world.count("omniway_actor_runs", loop: 1) == 0)
    }

    @Test func `what a method calls has no more time than is left for its own call`() async throws {
        let world = try await ActorWorld(3)
        let gate = Turnstile()
        _ = try await world.host("a", on: 0)
        _ = try await world.host("b", on: 1, gate: gate)
        let (a, b) = (try world.tally("a", from: 2), try world.tally("b", from: 2))
        let error = await world.code(after: [.seconds(2)]) {
            try await ActorCall.with(limit: .seconds(1)) { try await a.hold(b) }
        }
        #expect(error == .timedOut)
        #expect(await world.count("omniway_actor_calls_total", "timed-out", loop: 1) == 1)
    }

    @Test func `a reference goes along as an argument and comes out where it is hosted`() async throws {
        let world = try await ActorWorld(3)
        _ = try await world.host("a", on: 0)
        _ = try await world.host("b", on: 1, from: 10)
        let (a, b) = (try world.tally("a", from: 2), try world.tally("b", from: 2))
        #expect(try await world.world.run { try await a.pass(5, to: b) } == 15)
    }

    @Test func `the trace context goes along`() async throws {
        let world = try await ActorWorld()
        _ = try await world.host("a")
        let tally = try world.tally("a")
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        let came = try await world.world.run {
            try await ActorCall.with(traceparent: trace) { try await tally.trace }
        }
        #expect(came == trace)
        #expect(try await world.world.run { try await tally.trace } == nil)
    }

    @Test func `a caller that is cancelled hears it at once, and its method too`() async throws {
        let world = try await ActorWorld()
        let gate = Turnstile()
        _ = try await world.host("a", gate: gate)
        let tally = try world.tally("a")
        let call = Task { try await tally.wait() }
        await world.settle { gate.arrived == 1 }
        call.cancel()
        await #expect(throws: CancellationError.self) { try await world.world.run { try await call.value } }
        while await world.count("omniway_actor_runs", loop: 1) != 0 { world.world.settle() }
        #expect(await world.count("omniway_actor_calls_total", "cancelled", loop: 2) == 1)
    }

    @Test func `what is too large, too much or too late is refused with a word for it`() async throws {
        let world = try await ActorWorld {
            $0.largest = 1000
            $0.callsPerActor = 1
            $0.actors = 1
        }
        let gate = Turnstile()
        _ = try await world.host("a", gate: gate)
        let tally = try world.tally("a")
        #expect(await world.code { try await tally.huge(1001) } == .tooLarge)
        #expect(
            await world.code { try await tally.describe([], nil, bytes: [UInt8](repeating: 1, count: 2000)) }
                == .invalid)
        #expect(await world.code { try await tally.same(1) } == .invalid)
        #expect(await world.refusal("b") == .overloaded)
        #expect(await world.code { try await ActorCall.with(limit: .zero) { try await tally.now } } == .noTime)
        let call = Task { try await tally.wait() }
        await world.settle { gate.arrived == 1 }
        #expect(await world.code { try await tally.now } == .overloaded)
        gate.open()
        #expect(try await world.world.run { try await call.value } == false)
        #expect(try await world.world.run { try await tally.now } == 0)
    }

    @Test func `calls under way have a limit, and hosts that are not remembered are asked for`() async throws {
        let world = try await ActorWorld {
            $0.calls = 1
            $0.known = 0
        }
        let gate = Turnstile()
        _ = try await world.host("a", gate: gate)
        _ = try await world.host("b")
        let (a, b) = (try world.tally("a"), try world.tally("b"))
        let call = Task { try await a.wait() }
        await world.settle { gate.arrived == 1 }
        #expect(await world.code { try await b.now } == .overloaded)
        gate.open()
        #expect(try await world.world.run { try await call.value } == false)
        #expect(try await world.world.run { try await b.now } == 0)
        world.registries[1].simulateOutage(true)
        #expect(await world.code { try await b.now } == .registryAway)
    }

    @Test func `a name that is none, and an id of another type, are refused`() async throws {
        let world = try await ActorWorld()
        for name in ["", "a\nb", String(repeating: "x", count: 257)] {
            #expect(await world.refusal(name) == .invalid)
        }
        #expect(throws: ActorError.self) {
            try Tally.resolve(id: ActorIdentity(Vault.self, "v"), using: world.systems[0])
        }
    }
}
