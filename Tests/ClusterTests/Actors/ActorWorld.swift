import Distributed
import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Synchronization
import Testing

/// An error that goes to its caller as it is.
enum TallyError: Error, Codable, Equatable { case below(Int) }

/// One that does not.
struct PlainError: Error {}

/// What the tests call.
distributed actor Tally: LoopActor {
    typealias ActorSystem = OmniwayActorSystem
    private var total: Int
    private let gate: Turnstile

    init(_ system: OmniwayActorSystem, from total: Int = 0, gate: Turnstile = Turnstile()) {
        actorSystem = system
        (self.total, self.gate) = (total, gate)
    }

    distributed func add(_ amount: Int) throws -> Int {
        if total + amount < 0 { throw TallyError.below(total) }
        total += amount
        return total
    }

    distributed func describe(_ words: [String], _ mark: String?, bytes: [UInt8]) -> [String: [String]] {
        ["words": words, "mark": mark.map { [$0] } ?? [], "bytes": bytes.map { "\($0)" }]
    }

    distributed func reset() { total = 0 }
    distributed func fail() throws { throw PlainError() }
    distributed func huge(_ count: Int) -> [UInt8] { [UInt8](repeating: 7, count: count) }
    distributed var now: Int { total }
    distributed var isOnLoop: Bool { actorSystem.loop.isCurrent }
    distributed var trace: String? { ActorCall.current.traceparent }

    /// Waits at the turnstile; true when it was cancelled there.
    distributed func wait() async -> Bool {
        await gate.wait()
        return Task.isCancelled
    }

    /// Adds to another, with what is left of its own time.
    distributed func pass(_ amount: Int, to other: Tally) async throws -> Int { try await other.add(amount) }
    distributed func hold(_ other: Tally) async throws -> Bool { try await other.wait() }
    distributed func same<Value: Codable & Sendable>(_ value: Value) -> Value { value }
}

/// Another type with a method of its own.
distributed actor Vault: LoopActor {
    typealias ActorSystem = OmniwayActorSystem
    private let secret = "the secret"
    distributed func open() -> String { secret }
}

/// Where methods wait until a test opens it, or they are cancelled.
final class Turnstile: Sendable {
    private let state = Lock<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>], arrived: Int)>((false, [], 0))

    var arrived: Int { state.withLock { $0.arrived } }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            return exchange(&state.waiting, with: [])
        }
        for waiter in waiting { waiter.resume() }
    }

    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let goes = state.withLock { state in
                    state.arrived += 1
                    if !state.isOpen, !Task.isCancelled { state.waiting.append(waiter) }
                    return state.isOpen || Task.isCancelled
                }
                if goes { waiter.resume() }
            }
        } onCancel: {
            open()
        }
    }
}

/// Systems of a simulated world, each with a loop and a registry of its own, that share a store and a bus.
struct ActorWorld {
    let world: SimulatedWorld
    let store: LoopBound<MemoryStore>
    let bus = InProcessBus()
    private(set) var systems: [OmniwayActorSystem] = []
    private(set) var registries: [Registry] = []

    init(_ count: Int = 2, change: (inout ActorSettings) -> Void = { _ in }) async throws {
        world = SimulatedWorld(loops: count + 1)
        store = await world.first.own { MemoryStore(on: $0) }
        var settings = ActorSettings()
        settings.errors = [TallyError.self]
        change(&settings)
        for loop in world.loops.dropFirst() {
            let (store, bus, home, settings) = (store, bus, world.first, settings)
            let registry = try await world.run { try await Registry.open(.memory(store), on: home) }
            registries.append(registry)
            systems.append(
                try await world.run {
                    try await OmniwayActorSystem.join(registry: registry, bus: bus, on: loop, settings: settings)
                })
        }
    }

    func host(_ name: String, on index: Int = 0, from total: Int = 0, gate: Turnstile = Turnstile()) async throws
        -> Tally
    {
        let system = systems[index]
        return try await world.run { try await system.host(name) { Tally($0, from: total, gate: gate) } }
    }

    /// Why it cannot be hosted.
    func refusal(_ name: String, on index: Int = 0) async -> ActorError.Code? {
        do {
            _ = try await host(name, on: index)
            return nil
        } catch { return (error as? ActorError)?.code }
    }

    func tally(_ name: String, from index: Int = 1) throws -> Tally { try systems[index].actor(Tally.self, name) }

    /// The error of a call that must fail.
    func code<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async -> ActorError.Code? {
        do {
            _ = try await world.run(body)
            return nil
        } catch { return (error as? ActorError)?.code }
    }

    /// The same when it takes time.
    func code<R: Sendable>(
        after times: [Duration], _ body: @escaping @Sendable () async throws -> R
    ) async -> ActorError.Code? {
        (await outcome(after: times, body) as? ActorError)?.code
    }

    /// What a call throws, while virtual time passes in these steps.
    func outcome<R: Sendable>(
        after times: [Duration], _ body: @escaping @Sendable () async throws -> R
    ) async -> (any Error)? {
        let isDone = Atomic<Bool>(false)
        let begun = Atomic<Int>(0)
        async let error: (any Error)? = {
            begun.store(1, ordering: .releasing)
            defer { isDone.store(true, ordering: .releasing) }
            do {
                _ = try await body()
                return nil
            } catch { return error }
        }()
        while begun.load(ordering: .acquiring) == 0 { await Task.yield() }
        while await waiting == 0, !isDone.load(ordering: .acquiring) { world.settle() }
        for time in times { world.advance(by: time) }
        while !isDone.load(ordering: .acquiring) {
            world.settle()
            await Task.yield()
        }
        return await error
    }

    /// Calls of all systems that wait for answers.
    private var waiting: Double {
        get async {
            var sum = 0.0
            for loop in world.loops.indices { sum += await count("omniway_actor_calls", loop: loop) ?? 0 }
            return sum
        }
    }

    /// Runs until something holds.
    func settle(until condition: () -> Bool) async {
        while !condition() {
            world.settle()
            await Task.yield()
        }
    }

    /// What a meter of a system's loop says; that of one outcome, where it has outcomes.
    func count(_ name: String, _ outcome: String? = nil, loop: Int) async -> Double? {
        let home = world.loops[loop]
        guard let snapshot = try? await world.run({ await home.snapshot() }) else { return nil }
        for family in snapshot.families where family.name == name {
            for series in family.series where outcome == nil || series.labels.first?.value == outcome {
                if case .number(let value) = series.value { return value }
            }
        }
        return nil
    }
}
