import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import Synchronization
import Testing

/// Registries of a simulated world: two nodes that share a store in memory, on virtual time.
@Suite struct SimulatedRegistryTests {
    /// What one loop sees of its registry.
    final class Node {
        let local: LocalRegistry
        var lease: RegistryLease?
        var results: [String] = []
        init(_ registry: Registry, on loop: Loop) { local = registry.on(loop) }

        func takeLease() {
            local.lease(ttl: .seconds(5)) { [weak self] event in
                switch event {
                case .lost: self?.results.append("lost")
                case .regained: self?.results.append("regained")
                case .restored: self?.results.append("restored")
                case .ended: self?.results.append("ended")
                }
            } _: { [weak self] result in
                self?.lease = try? result.get()
            }
        }

        func put(_ key: RegistryBytes, _ value: RegistryBytes, leased: Bool = false) {
            local.put(key, value, lease: leased ? lease : nil) { [weak self] result in
                switch result {
                case .success: self?.results.append("ok")
                case .failure(let error): self?.results.append(error.code.rawValue)
                }
            }
        }
    }

    struct World {
        let world: SimulatedWorld
        let registries: [Registry]
        let nodes: [LoopBound<Node>]

        init(seed: UInt64 = 1, limits: RegistryLimits = RegistryLimits()) async throws {
            let world = SimulatedWorld(loops: 2, seed: seed)
            let store = await world.first.own { MemoryStore(on: $0) }
            var (registries, nodes): ([Registry], [LoopBound<Node>]) = ([], [])
            for loop in world.loops {
                let registry = try await Registry.open(.memory(store), on: world.first, limits: limits)
                registries.append(registry)
                nodes.append(await loop.own { Node(registry, on: $0) })
            }
            (self.world, self.registries, self.nodes) = (world, registries, nodes)
        }

        @discardableResult
        func run<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
            try await world.run(body)
        }

        func keys(_ node: Int = 1) async throws -> [String] {
            let registry = registries[node]
            return try await run { try await registry.list("").entries.map(\.key.text) }
        }
    }

    @Test func `a lease ends by virtual time when its node is cut off, and comes back with its keys`() async throws {
        let world = try await World()
        let (events, tell) = AsyncStream<RegistryLease.Event>.makeStream()
        var told = events.makeAsyncIterator()
        let registry = world.registries[0]
        let lease = try await world.run { try await registry.lease(ttl: .seconds(10)) { tell.yield($0) } }
        for key in ["s/1", "s/2", "s/3"] {
            try await world.run { try await registry.put(RegistryBytes(key), "mine", lease: lease) }
        }
        world.world.advance(by: .seconds(3600))
        #expect(try await world.keys() == ["s/1", "s/2", "s/3"])
        #expect(lease.isHeld)

        registry.simulateOutage(true)
        world.world.advance(by: .seconds(11))
        #expect(try await world.keys().isEmpty)
        #expect(!lease.isHeld)
        guard case .lost(let error) = await told.next() else {
            Issue.record("the loss was not told")
            return
        }
        #expect(error.code == .unavailable)
        guard case .degraded = registry.health else {
            Issue.record("the registry does not say that it is away")
            return
        }

        // Meanwhile somebody else takes one of the keys.
        let other = world.registries[1]
        try await world.run { try await other.put("s/2", "theirs") }
        registry.simulateOutage(false)
        world.world.advance(by: .seconds(10))
        #expect(await told.next() == .restored(taken: ["s/2"]))
        #expect(registry.health == .good)
        let entries = try await world.run { try await other.list("s/").entries }
        #expect(entries.map(\.value) == ["mine", "theirs", "mine"])
        #expect(entries.map(\.lease) == [lease.id ?? -1, 0, lease.id ?? -1])

        // What was deleted or taken does not come back.
        try await world.run { try await registry.delete("s/1") }
        registry.simulateOutage(true)
        world.world.advance(by: .seconds(60))
        registry.simulateOutage(false)
        world.world.advance(by: .seconds(10))
        #expect(try await world.keys() == ["s/2", "s/3"])
    }

    @Test func `a short outage does not end a lease`() async throws {
        let world = try await World()
        let registry = world.registries[0]
        let lease = try await world.run { try await registry.lease(ttl: .seconds(10)) }
        try await world.run { try await registry.put("k", "v", lease: lease) }
        for _ in 0..<20 {
            world.world.advance(by: .seconds(6))
            registry.simulateOutage(true)
            world.world.advance(by: .seconds(4))
            registry.simulateOutage(false)
        }
        #expect(lease.isHeld)
        #expect(try await world.keys() == ["k"])
    }

    @Test func `hundreds of keys are put again under the next lease`() async throws {
        let world = try await World()
        let registry = world.registries[0]
        let lease = try await world.run { try await registry.lease(ttl: .seconds(10)) }
        let keys = (100..<400).map { "k/\($0)" }
        for batch in stride(from: 0, to: keys.count, by: 100) {
            let puts = keys[batch..<batch + 100].map { RegistryOperation.put(RegistryBytes($0), "v", lease: lease) }
            _ = try await world.run { try await registry.transact(RegistryTransaction(then: puts)) }
        }
        registry.simulateOutage(true)
        world.world.advance(by: .seconds(30))
        #expect(try await world.keys().isEmpty)
        registry.simulateOutage(false)
        world.world.advance(by: .seconds(10))
        #expect(try await world.keys() == keys)
    }

    @Test func `a lease that is not to be restored is over when it is lost`() async throws {
        let world = try await World()
        let registry = world.registries[0]
        let lease = try await world.run { try await registry.lease(ttl: .seconds(2), afterLoss: .ends) }
        try await world.run { try await registry.put("k", "v", lease: lease) }
        registry.simulateOutage(true)
        world.world.advance(by: .seconds(5))
        registry.simulateOutage(false)
        world.world.advance(by: .seconds(30))
        #expect(!lease.isHeld)
        #expect(try await world.keys().isEmpty)
    }

    @Test func `letting go of a lease ends it`() async throws {
        let world = try await World()
        let registry = world.registries[0]
        try await world.run {
            let lease = try await registry.lease(ttl: .seconds(60))
            try await registry.put("k", "v", lease: lease)
        }
        world.world.settle()
        #expect(try await world.keys().isEmpty)
    }

    @Test func `code on a loop gets its answers there, without tasks`() async throws {
        let world = try await World()
        await world.nodes[1].run { _, node in
            node.put("a", "1")
            node.put("", "2")
        }
        world.world.settle()
        #expect(await world.nodes[1].run { _, node in node.results } == ["ok", "invalid"])
        world.registries[1].simulateOutage(true)
        await world.nodes[1].run { _, node in node.put("a", "3") }
        world.world.settle()
        #expect(await world.nodes[1].run { _, node in node.results.last } == "unavailable")
    }

    @Test func `a lease may be taken and followed on a loop`() async throws {
        let world = try await World()
        let node = world.nodes[1]
        await node.run { _, node in node.takeLease() }
        world.world.settle()
        await node.run { _, node in node.put("k", "v", leased: true) }
        world.registries[1].simulateOutage(true)
        world.world.advance(by: .seconds(6))
        #expect(try await world.keys(0).isEmpty)
        world.registries[1].simulateOutage(false)
        world.world.advance(by: .seconds(6))
        #expect(try await world.keys(0) == ["k"])
        await node.run { _, node in node.lease = nil }
        world.world.settle()
        #expect(try await world.keys(0).isEmpty)
        #expect(await node.run { _, node in node.results } == ["ok", "lost", "restored", "ended"])
    }

    @Test func `more calls than may be under way are refused at once`() async throws {
        let world = try await World(limits: RegistryLimits(calls: 3))
        await world.nodes[0].run { _, node in for number in 0..<5 { node.put("\(number)", "") } }
        world.world.settle()
        let results = await world.nodes[0].run { _, node in node.results }
        #expect(results.sorted() == ["ok", "ok", "ok", "overloaded", "overloaded"])
        await world.nodes[0].run { _, node in node.put("again", "") }
        world.world.settle()
        #expect(await world.nodes[0].run { _, node in node.results.last } == "ok")
    }

    /// A mirror, and what it has told.
    final class Follower {
        let mirror: RegistryMirror
        private(set) var copy: [RegistryBytes: RegistryBytes] = [:]
        private(set) var wrong = 0
        init(_ registry: Registry, on loop: Loop) {
            var told: (RegistryChange) -> Void = { _ in }
            mirror = RegistryMirror(registry.on(loop), prefix: "m/") { told($0) }
            told = { [unowned self] change in
                if copy[change.key] != change.previous?.value { wrong += 1 }
                copy[change.key] = change.entry?.value
            }
        }
    }

    @Test(arguments: 1...20)
    func `a mirror follows through outages and forgetting`(_ seed: Int) async throws {
        var random = SeededRandom(seed: UInt64(seed))
        let limits = RegistryLimits(waitingChanges: 8)
        let world = try await World(seed: UInt64(seed), limits: limits)
        let (writer, reader) = (world.registries[0], world.registries[1])
        let follower = await world.world.loops[1].own { Follower(reader, on: $0) }
        for step in 0..<200 {
            let key = RegistryBytes("m/\(random.next() % 10)")
            switch random.next() % 20 {
            case 0: reader.simulateOutage(true)
            case 1, 2: reader.simulateOutage(false)
            case 3:
                let revision = try await world.run { try await writer.put("elsewhere", "") }
                try await world.run { try await writer.compact(through: revision) }
            case 4: world.world.advance(by: .milliseconds(Int64(random.next() % 500)))
            case 5...8: try await world.run { try await writer.delete(key) }
            default: try await world.run { try await writer.put(key, "\(step)") }
            }
        }
        reader.simulateOutage(false)
        world.world.advance(by: .seconds(10))
        let entries = try await world.run { try await writer.list("m/").entries }
        #expect(await follower.run { _, follower in follower.mirror.entries } == entries)
        #expect(await follower.run { _, follower in follower.wrong } == 0)
        let values = Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value) })
        #expect(await follower.run { _, follower in follower.copy } == values)
    }

    /// Watches of one loop, and what they have told, shortly.
    final class Listener {
        private let local: LocalRegistry
        private(set) var watches: [RegistryWatch] = []
        private(set) var told: [String] = []
        init(_ registry: Registry, on loop: Loop) { local = registry.on(loop) }

        func listen(_ name: String) {
            watches.append(
                local.watch(.prefix("")) { [weak self] event in
                    switch event {
                    case .reset(let listing): self?.told.append("\(name) reset \(listing.entries.count)")
                    case .changed(let changes): self?.told.append("\(name) changed \(changes.count)")
                    }
                })
        }
    }

    @Test func `a loop that is too slow for its watch is told to start over`() async throws {
        let world = try await World(limits: RegistryLimits(waitingChanges: 8))
        let registry = world.registries[1]
        let listener = await world.world.loops[1].own { Listener(registry, on: $0) }
        await listener.run { _, listener in listener.listen("a") }
        world.world.settle()
        // All in one turn of the registry's loop, so the other has no chance to take them.
        await world.nodes[0].run { _, node in for number in 0..<30 { node.put("\(number)", "") } }
        world.world.settle()
        world.world.advance(by: .seconds(1))
        await world.nodes[0].run { _, node in node.put("last", "") }
        world.world.settle()
        #expect(await listener.run { _, listener in listener.told } == ["a reset 0", "a reset 30", "a changed 1"])
    }

    @Test func `a watch too many begins when another one ends`() async throws {
        let world = try await World(limits: RegistryLimits(watches: 1))
        let registry = world.registries[1]
        let listener = await world.world.loops[1].own { Listener(registry, on: $0) }
        await listener.run { _, listener in for name in ["a", "b"] { listener.listen(name) } }
        world.world.advance(by: .seconds(1))
        await world.nodes[0].run { _, node in node.put("1", "") }
        world.world.settle()
        await listener.run { _, listener in listener.watches[0].cancel() }
        world.world.advance(by: .seconds(10))
        await world.nodes[0].run { _, node in node.put("2", "") }
        world.world.advance(by: .seconds(10))
        let told = await listener.run { _, listener in listener.told }
        #expect(told.filter { $0.hasPrefix("a") } == ["a reset 0", "a changed 1"])
        #expect(told.last == "b changed 1")
    }

    @Test func `a full mirror says that it is not complete`() async throws {
        let world = try await World()
        let registry = world.registries[0]
        let mirror = await world.world.loops[0].own { RegistryMirror(registry.on($0), prefix: "", limit: 2) }
        for key in ["a", "b", "c"] { try await world.run { try await registry.put(RegistryBytes(key), "") } }
        #expect(await mirror.run { _, mirror in mirror.entries.map(\.key.text) } == ["a", "b"])
        #expect(await mirror.run { _, mirror in !mirror.isComplete })
    }

    @Test func `nodes come back from an outage one after another`() async throws {
        let world = SimulatedWorld(loops: 1, seed: 3)
        let loop = world.first
        let store = await loop.own { MemoryStore(on: $0) }
        let (moments, tell) = AsyncStream<Moment>.makeStream()
        var registries: [Registry] = []
        var leases: [RegistryLease] = []
        let clock = world.clock
        for _ in 0..<50 {
            let registry = try await Registry.open(.memory(store), on: loop)
            registries.append(registry)
            let lease = try await world.run {
                try await registry.lease(ttl: .seconds(10)) { event in
                    if case .restored = event { tell.yield(clock.now) }
                }
            }
            leases.append(lease)
        }
        for registry in registries { registry.simulateOutage(true) }
        world.advance(by: .seconds(60))
        let end = world.clock.now
        for registry in registries { registry.simulateOutage(false) }
        world.advance(by: .seconds(20))
        tell.finish()
        var back: [Duration] = []
        for await moment in moments { back.append(moment - end) }
        #expect(back.count == 50)
        #expect(Set(back).count > 40)
        withExtendedLifetime(leases) {}
    }

    @Test func `the same seed gives the same world`() async throws {
        var ids: [[Int64?]] = []
        for _ in 0..<2 {
            let world = try await World(seed: 7)
            let registry = world.registries[0]
            let lease = try await world.run { try await registry.lease(ttl: .seconds(3)) }
            ids.append([lease.id])
        }
        #expect(ids[0] == ids[1])
    }
}

extension SimulatedWorld {
    /// A call while the simulated loops run.
    func run<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
        let isDone = Atomic<Bool>(false)
        async let result = {
            defer { isDone.store(true, ordering: .releasing) }
            return try await body()
        }()
        while !isDone.load(ordering: .acquiring) {
            settle()
            await Task.yield()
        }
        return try await result
    }
}
