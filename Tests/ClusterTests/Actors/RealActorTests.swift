import ClusterSupport
import Distributed
import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import Testing

/// Actors over a real etcd and a real NATS.
@Suite(.timeLimit(.minutes(2))) struct RealActorTests {
    @Test func `actors are found in etcd and called over NATS, until the bus goes, and again when it is back`()
        async throws
    {
        let (etcd, nats) = (try await EtcdServer(), try await NATSProgram())
        var store = EtcdSettings()
        store.endpoints = etcd.endpoints
        let loops = EventLoops(count: 2)
        var (systems, registries, buses): ([OmniwayActorSystem], [Registry], [NATSBus]) = ([], [], [])
        for loop in loops.loops {
            let (registry, bus) = (
                try await Registry.open(.etcd(store), on: loop), try NATSBus(NATSSettings(nats.address))
            )
            try await bus.ready(on: [loop])
            var settings = ActorSettings()
            settings.errors = [TallyError.self]
            systems.append(try await .join(registry: registry, bus: bus, on: loop, settings: settings))
            registries.append(registry)
            buses.append(bus)
        }
        let gate = Turnstile()
        let hosted = try await systems[0].host("a") { Tally($0, from: 1, gate: gate) }
        let tally = try systems[1].actor(Tally.self, "a")
        #expect(try await tally.add(2) == 3)
        #expect(try await tally.isOnLoop)
        await #expect(throws: TallyError.below(3)) { try await tally.add(-4) }
        let totals = try await withThrowingTaskGroup { group in
            for _ in 0..<200 { group.addTask { try await tally.add(1) } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(totals == Set(4...203))

        // A call whose answer the bus has lost has run all the same.
        let underWay = Task { await failure { try await tally.wait() } }
        while gate.arrived == 0 { await Task.yield() }
        await nats.stop()
        #expect(await underWay.value == .busLost)
        #expect(await failure { try await tally.now } == .busAway)
        gate.open()
        let again = try await nats.again()
        for (bus, loop) in zip(buses, loops.loops) { try await bus.ready(within: .seconds(20), on: [loop]) }
        for (bus, loop) in zip(buses, loops.loops) { try await flush(bus, on: loop) }
        #expect(try await tally.now == 203)

        await systems[0].release(hosted.id)
        _ = try await systems[1].host("a") { Tally($0, from: 9) }
        #expect(try await systems[0].actor(Tally.self, "a").now == 9)
        for system in systems { await system.leave() }
        #expect(try await registries[0].list("omniway/actors/").entries.isEmpty)
        for registry in registries { await registry.close() }
        await loops.shutdown()
        await again.stop()
        await etcd.stop()
    }

    private func failure<R>(_ body: () async throws -> R) async -> ActorError.Code? {
        do {
            _ = try await body()
            return nil
        } catch { return (error as? ActorError)?.code }
    }

    private func flush(_ bus: NATSBus, on home: EventLoop) async throws {
        let error = await withCheckedContinuation { waiter in
            Task { await home.run { bus.port(on: $0).flush { waiter.resume(returning: $0) } } }
        }
        if let error { throw error }
    }
}
