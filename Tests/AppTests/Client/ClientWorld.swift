import OmniwayCrypto
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayApp

/// Async work on a simulated loop: what an application writes, on virtual time.
final class Scene: LoopTask {
    typealias Body = nonisolated(nonsending) @Sendable () async throws -> Void
    private let body: Body
    private let outcome: Lock<Result<Void, any Error>?>

    fileprivate init(_ body: @escaping Body, _ outcome: Lock<Result<Void, any Error>?>) {
        (self.body, self.outcome) = (body, outcome)
    }

    nonisolated(nonsending) func run() async {
        do {
            try await body()
            outcome.withLock { $0 = .success(()) }
        } catch { outcome.withLock { $0 = .failure(error) } }
    }
}

/// What has come of a scene.
final class SceneOutcome: Sendable {
    fileprivate let lock = Lock<Result<Void, any Error>?>(nil)
    var isOver: Bool { lock.withLock { $0 != nil } }
    var error: (any Error)? { lock.withLock { if case .failure(let error)? = $0 { error } else { nil } } }
}

extension SimulatedWorld {
    /// Begins a scene on the first loop.
    func begin(_ body: @escaping Scene.Body) async -> SceneOutcome {
        let outcome = SceneOutcome()
        let lock = outcome.lock
        _ = await first.run { loop in loop.start(Scene(body, lock)) != nil }
        settle()
        return outcome
    }

    /// Plays a scene to its end.
    func play(within limit: Duration = .seconds(600), _ body: @escaping Scene.Body) async throws {
        let outcome = await begin(body)
        try #require(advance(until: limit) { outcome.isOver }, "the scene does not end")
        if let error = outcome.error { throw error }
    }
}

extension AppClientSettings {
    static func with(_ change: (inout AppClientSettings) -> Void) -> AppClientSettings {
        var settings = AppClientSettings()
        change(&settings)
        return settings
    }
}

/// What several callbacks write down.
final class Notes<Note: Sendable>: Sendable {
    private let notes = Lock<[Note]>([])
    var all: [Note] { notes.withLock { $0 } }
    func add(_ note: Note) { notes.withLock { $0.append(note) } }
}

/// A server that says what a test tells it to, and writes down what a client says.
struct ScriptedServer {
    let world: SimulatedWorld
    let transport: InProcess
    private let intake: LoopBound<RecordingIntake>

    init(keepsMessages: Bool = false, queue: QueueLimits = QueueLimits()) async throws {
        world = SimulatedWorld()
        transport = InProcess(traits: LinkTraits(keepsMessages: keepsMessages), queue: queue)
        intake = await world.first.own { _ in RecordingIntake() }
        _ = try await transport.open(into: [intake])
    }

    static func welcome(_ text: String = #"{"code":200,"sys":{"heartbeat":10,"serializer":"json"}}"#) -> [UInt8] {
        try! PomeloPacket.bytes(.handshake, Array(text.utf8))
    }

    /// Begins a scene with a client that is let in.
    func begin(
        _ settings: AppClientSettings = AppClientSettings(), welcome: [UInt8] = Self.welcome(),
        _ body: nonisolated(nonsending) @escaping @Sendable (AppClient) async throws -> Void = { _ in }
    ) async -> SceneOutcome {
        let (transport, loop) = (transport, world.first)
        let outcome = await world.begin {
            try await body(try await AppClient(over: transport, on: loop, settings))
        }
        await say(welcome)
        return outcome
    }

    func say(_ bytes: [UInt8], _ index: Int = 0) async {
        await intake.run { _, intake in intake.recorders[index].link?.write(bytes) }
        world.settle()
    }

    func say(_ head: PomeloMessageHead, _ body: String, _ index: Int = 0) async {
        await say(TestClient.message(head, body), index)
    }

    func hangUp(_ index: Int = 0) async {
        await intake.run { _, intake in intake.recorders[index].link?.close(.done) }
        world.settle()
    }

    func pause(_ index: Int = 0) async {
        await intake.run { _, intake in intake.recorders[index].link?.pauseReading() }
    }

    func resume(_ index: Int = 0) async {
        await intake.run { _, intake in intake.recorders[index].link?.resumeReading() }
        world.settle()
    }

    var connections: Int { get async { await intake.run { _, intake in intake.recorders.count } } }

    func isOpen(_ index: Int = 0) async -> Bool {
        await intake.run { _, intake in intake.recorders[index].link.map { !$0.peerHasFinished } ?? false }
    }

    /// All packets that the client has said.
    func packets(_ index: Int = 0) async -> [(kind: PomeloPacket.Kind, body: [UInt8])] {
        let bytes = await intake.run { _, intake in
            intake.recorders[index].messages.flatMap(\.self) + intake.recorders[index].bytes
        }
        let codec = PomeloPacketCodec(maxBodySize: PomeloPacket.mostBodyBytes)
        var (packets, at): ([(kind: PomeloPacket.Kind, body: [UInt8])], Int) = ([], 0)
        while let packet = try? codec.packet(in: unsafe bytes.span.bytes, at: at) {
            packets.append((packet.kind, Array(bytes[packet.body])))
            at = packet.end
        }
        return packets
    }

    func kinds(_ index: Int = 0) async -> [PomeloPacket.Kind] { await packets(index).map(\.kind) }

    /// The messages among them, with their bodies as they came.
    func messages(_ index: Int = 0) async throws -> [(head: PomeloMessage, bytes: [UInt8])] {
        try await packets(index).filter { $0.kind == .data }.map { packet in
            let body = packet.body
            return (try PomeloMessage(unsafe body.span.bytes, from: .client), body)
        }
    }
}
