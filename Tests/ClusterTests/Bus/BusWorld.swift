import ClusterSupport
import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// The buses that must all do the same.
enum BusKind: CaseIterable, Sendable { case inProcess, nats }

/// Two loops and a bus between them.
struct BusWorld: Sendable {
    let loops: EventLoops
    let bus: any Bus

    var first: EventLoop { loops.loops[0] }
    var second: EventLoop { loops.loops[1] }

    static func with(
        _ kind: BusKind, limits: BusLimits = BusLimits(), _ body: (BusWorld) async throws -> Void
    ) async throws {
        switch kind {
        case .inProcess: try await run(InProcessBus(limits: limits), body)
        case .nats:
            let server = try await NATSProgram()
            var settings = try NATSSettings(server.address)
            settings.limits = limits
            try await run(try NATSBus(settings), body)
            await server.stop()
        }
    }

    static func run(_ bus: any Bus, loops count: Int = 2, _ body: (BusWorld) async throws -> Void) async throws {
        let world = BusWorld(loops: EventLoops(count: count), bus: bus)
        do {
            try await bus.ready(within: .seconds(60), on: world.loops.loops)
            try await body(world)
        } catch {
            await world.loops.shutdown()
            throw error
        }
        await world.loops.shutdown()
    }

    /// Subscribes, and returns when the bus knows it.
    func listen(
        _ subject: String, group: String? = nil, on home: EventLoop,
        _ receive: @escaping @Sendable (BusMessage) -> Void
    ) async throws -> LoopBound<BusSubscription> {
        let bus = bus
        let subscription = try await home.own { loop in
            try bus.port(on: loop).subscribe(subject, group: group, receive)
        }
        try await flush(home)
        return subscription
    }

    /// The same, putting what was heard into a list.
    func hear(_ subject: String, group: String? = nil, on home: EventLoop) async throws -> Heard {
        let heard = Heard()
        heard.keep(try await listen(subject, group: group, on: home) { heard.add($0.text) })
        return heard
    }

    func flush(_ home: EventLoop) async throws {
        let bus = bus
        let error = await withCheckedContinuation { waiter in
            Task { await home.run { bus.port(on: $0).flush { waiter.resume(returning: $0) } } }
        }
        if let error { throw error }
    }

    func publish(_ subject: String, _ text: String, on home: EventLoop) async throws {
        try await bus.publish(subject, Array(text.utf8), on: home)
    }

    func ask(_ subject: String, _ text: String, on home: EventLoop, deadline: Duration = .seconds(20)) async throws
        -> String
    {
        try await bus.request(subject, Array(text.utf8), deadline: deadline, on: home).text
    }

    /// The error of a request that must fail.
    func failure(of subject: String, on home: EventLoop, deadline: Duration = .seconds(20)) async -> BusError? {
        do throws(BusError) {
            _ = try await bus.request(subject, [1], deadline: deadline, on: home)
            return nil
        } catch { return error }
    }

    func count(_ name: String, _ labels: [String] = [], on home: EventLoop) async -> Double? {
        for family in await home.snapshot().families where family.name == name {
            for series in family.series where series.labels.map(\.value) == labels {
                if case .number(let value) = series.value { return value }
            }
        }
        return nil
    }
}

/// Texts that were heard, on whatever loop, and those who wait for them.
final class Heard: Sendable {
    private struct Waiter {
        let isEnough: @Sendable ([String]) -> Bool
        let waiter: CheckedContinuation<[String], Never>
    }
    private struct State {
        var texts: [String] = []
        var waiters: [Waiter] = []
        var subscription: LoopBound<BusSubscription>?
    }
    private let state = Lock(State())

    func add(_ text: String) {
        let (ready, texts) = state.withLock { state in
            state.texts.append(text)
            let ready = state.waiters.filter { $0.isEnough(state.texts) }
            state.waiters.removeAll { $0.isEnough(state.texts) }
            return (ready, state.texts)
        }
        for waiting in ready { waiting.waiter.resume(returning: texts) }
    }

    var texts: [String] { state.withLock { $0.texts } }

    /// Waits until so many were heard; all that were by then.
    func wait(for count: Int) async -> [String] { await wait { $0.count >= count } }

    func wait(until isEnough: @escaping @Sendable ([String]) -> Bool) async -> [String] {
        await withCheckedContinuation { waiter in
            let texts = state.withLock { state -> [String]? in
                if isEnough(state.texts) { return state.texts }
                state.waiters.append(Waiter(isEnough: isEnough, waiter: waiter))
                return nil
            }
            if let texts { waiter.resume(returning: texts) }
        }
    }

    func keep(_ subscription: LoopBound<BusSubscription>) { state.withLock { $0.subscription = subscription } }

    /// The subscription that it hears.
    func run<R: Sendable>(_ body: @Sendable (Loop, BusSubscription) -> R) async throws -> R {
        try await #require(state.withLock { $0.subscription }).run(body)
    }
}
