import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Synchronization

@testable import ConformanceServer
@testable import OmniwayApp

/// Servers of one cluster on virtual time. They share a registry in memory and a bus within the process.
struct ClusterWorld {
    let world: SimulatedWorld
    let registry: Registry
    let bus: any Bus

    init(loops: Int = 1, seed: UInt64 = 1) async throws {
        world = SimulatedWorld(loops: loops, seed: seed)
        registry = try await Registry.open(.memory, on: world.first)
        bus = InProcessBus()
    }

    /// A server that has joined.
    func server(
        _ type: String, _ id: String, _ change: (inout ClusterSettings) -> Void = { _ in },
        _ set: (App) -> Void = addHandlers(to:)
    ) async throws -> ClusterServerUnderTest {
        var settings = AppSettings()
        change(&settings.cluster)
        let app = App(type: type, id: id, settings: settings)
        app.join(registry: registry, bus: bus)
        let players = InProcess()
        if type == "connector" { app.listen(players) }
        set(app)
        let loops = world.loops
        try await run { try await app.start(on: loops) }
        world.settle()
        return ClusterServerUnderTest(world: world, app: app, players: players)
    }

    /// A call while the simulated loops run. With `step` so much time passes again and again until it is done.
    @discardableResult
    func run<R: Sendable>(
        step: Duration = .zero, _ body: @escaping @Sendable () async throws -> R
    ) async throws -> R {
        let isDone = Atomic<Bool>(false)
        async let result = {
            defer { isDone.store(true, ordering: .releasing) }
            return try await body()
        }()
        while !isDone.load(ordering: .acquiring) {
            if step > .zero { world.advance(by: step) } else { world.settle() }
            await Task.yield()
        }
        return try await result
    }

    /// All that goes over the bus from now on, but for answers.
    func trace() async throws -> LoopBound<BusTrace> {
        let bus = bus
        return try await world.first.own { try BusTrace(bus.port(on: $0)) }
    }

    /// What a server answers to a call that comes over the bus as these bytes; nil when it does not.
    func ask(_ subject: String, _ request: [UInt8]) async throws -> PomeloProtos.Response? {
        let bus = bus
        let inbox = await world.first.own { _ in Answers() }
        await inbox.run { loop, inbox in
            _ = bus.port(on: loop).request(subject, request, deadline: .seconds(3)) { answer in
                if case .success(let message) = answer { inbox.all.append(message.body) }
            }
        }
        world.advance(by: .seconds(4))
        guard let answer = await inbox.run({ _, inbox in inbox.all.first }) else { return nil }
        return try PomeloProtos.Response(protobuf: unsafe answer.span.bytes)  // Safe: no padding.
    }

    private final class Answers { var all: [[UInt8]] = [] }
}

struct ClusterServerUnderTest {
    let world: SimulatedWorld
    let app: App
    let players: InProcess

    /// A client whose handshake is done.
    func player(_ handshake: [UInt8] = TestClient.handshake) async -> TestClient {
        let client = await TestClient(dials: players, in: world)
        await client.send(handshake)
        _ = await client.packet()
        await client.send([2, 0, 0, 0])
        return client
    }
}

/// What goes over a bus.
final class BusTrace {
    struct Entry: Sendable {
        let subject: String
        let payload: [UInt8]
        let headers: BusHeaders
    }
    private(set) var entries: [Entry] = []

    init(_ port: BusPort) throws {
        try port.subscribe("*") { [unowned self] message in
            entries.append(Entry(subject: message.subject, payload: message.body, headers: message.headers))
        }
    }
}
