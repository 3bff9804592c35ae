import Omniway
import OmniwayCrypto
import OmniwayTesting
import OmniwayWire

@testable import OmniwayApp

/// An app on virtual time, and clients that speak to it in plain bytes. They come in turn on its loops.
struct AppWorld {
    let world: SimulatedWorld
    let app: App
    let streams = InProcess()
    let messages = InProcess(traits: LinkTraits(keepsMessages: true))

    init(_ app: App, loops: Int = 1, seed: UInt64 = 1) async throws {
        world = SimulatedWorld(loops: loops, seed: seed)
        self.app = app
        app.listen(streams)
        app.listen(messages)
        try await app.start(on: world.loops)
    }

    func client(keepsMessages: Bool = false) async -> TestClient {
        await TestClient(dials: keepsMessages ? messages : streams, in: world)
    }

    /// A client whose handshake is done.
    func player(keepsMessages: Bool = false) async -> TestClient {
        let client = await client(keepsMessages: keepsMessages)
        await client.send(TestClient.handshake)
        _ = await client.packet()
        await client.send([2, 0, 0, 0])
        return client
    }

    /// What all loops have counted.
    func snapshot() async -> MeterSnapshot {
        var sum = MeterSnapshot()
        for loop in world.loops { sum.add(await loop.snapshot()) }
        return sum
    }

    /// The series of a meter that have these labels, among others.
    func series(_ name: String, _ labels: [(String, String)]) async -> [MeterSnapshot.Series] {
        let wanted = labels.map { MeterSnapshot.Label(name: $0.0, value: $0.1) }
        return await snapshot().families.first { $0.name == name }?.series
            .filter { series in wanted.allSatisfy(series.labels.contains) } ?? []
    }

    /// The sum of a meter over all loops and all series that have these labels, among others.
    func meter(_ name: String, _ labels: (String, String)...) async -> Double {
        await series(name, labels).reduce(0) { if case .number(let number) = $1.value { $0 + number } else { $0 } }
    }

    /// What a summary or histogram has recorded, over all loops and all series that have these labels, among others.
    func records(_ name: String, _ labels: (String, String)...) async -> HistogramSnapshot? {
        await series(name, labels).reduce(nil) { sum, series in
            guard case .histogram(var histogram) = series.value else { return sum }
            if let sum { histogram.add(sum) }
            return histogram
        }
    }
}

/// Whoever is at the other end of a connection.
struct TestClient {
    let world: SimulatedWorld
    let recorder: LoopBound<Recorder>
    private let inbox: LoopBound<Inbox>

    /// How much of what has come was looked at.
    private final class Inbox { var taken = 0 }

    init(dials transport: InProcess, in world: SimulatedWorld) async {
        self.world = world
        recorder = await world.first.own { _ in Recorder() }
        inbox = await world.first.own { _ in Inbox() }
        await recorder.run { loop, recorder in _ = transport.dial(on: loop, deadline: .seconds(1), handler: recorder) }
        world.settle()
    }

    static let handshake = try! PomeloPacket.bytes(.handshake, Array(#"{"sys":{},"user":{}}"#.utf8))

    /// Sent when the world goes on: what several clients have written arrives at the same time.
    func write(_ bytes: [UInt8]) async { await recorder.run { _, recorder in recorder.link?.write(bytes) } }

    func send(_ bytes: [UInt8]) async {
        await recorder.run { _, recorder in recorder.link?.write(bytes) }
        world.settle()
    }

    func close() async {
        await recorder.run { _, recorder in recorder.link?.close(.done) }
        world.settle()
    }

    /// All that has come, and was not looked at.
    func unread() async -> [UInt8] {
        let all = await recorder.run { _, recorder in recorder.messages.flatMap(\.self) + recorder.bytes }
        return await inbox.run { _, inbox in Array(all.dropFirst(inbox.taken)) }
    }

    func read(_ count: Int) async -> [UInt8] {
        let bytes = Array(await unread().prefix(count))
        await inbox.run { [bytes] _, inbox in inbox.taken += bytes.count }
        return bytes
    }

    /// The next packet that has come; nil when there is none.
    func packet() async -> (kind: PomeloPacket.Kind, body: [UInt8])? {
        let bytes = await unread()
        guard
            let packet = try? PomeloPacketCodec(maxBodySize: PomeloPacket.mostBodyBytes)
                .packet(in: unsafe bytes.span.bytes, at: 0)
        else { return nil }
        _ = await read(packet.end)
        return (packet.kind, Array(bytes[packet.body]))
    }

    /// The next packet that says something; heartbeats pass by.
    func message() async -> TestMessage? {
        while let (kind, body) = await packet() {
            switch kind {
            case .heartbeat: continue
            case .data: return try? TestMessage(body)
            default: return TestMessage(kind)
            }
        }
        return nil
    }

    /// Something has come that was not looked at.
    var hasMessage: Bool { get async { await !unread().isEmpty } }

    /// The server has ended the connection.
    var isOver: Bool {
        get async { await recorder.run { _, recorder in recorder.events.contains(.finished) || recorder.link == nil } }
    }

    // MARK: Saying something

    func request(_ route: String, _ body: String = "", id: UInt64 = 1) async {
        await send(Self.message(.request(id: id, .text(route)), body))
    }

    func notify(_ route: String, _ body: String = "") async { await send(Self.message(.notify(.text(route)), body)) }

    /// A request's answer as text.
    func ask(_ route: String, _ body: String = "", id: UInt64 = 1) async -> String? {
        await request(route, body, id: id)
        return await message()?.text
    }

    static func message(_ head: PomeloMessageHead, _ body: String) -> [UInt8] {
        var bytes: [UInt8] = []
        try! head.append(to: &bytes, body: body.utf8.count)
        return bytes + Array(body.utf8)
    }
}

/// What a server says, with its body inflated.
struct TestMessage: Equatable, CustomStringConvertible {
    var kind = "kick"
    var id: UInt64 = 0
    var route: String?
    var isError = false
    var body: [UInt8] = []

    init(_ kind: PomeloPacket.Kind) { self.kind = "\(kind)" }

    init(_ bytes: [UInt8]) throws {
        let message = try PomeloMessage(unsafe bytes.span.bytes, from: .server)
        kind = "\(message.kind)"
        (id, isError) = (message.id, message.isError)
        body = Array(bytes[message.body])
        if message.isCompressed {
            body = try PomeloCompression.inflated(unsafe body.span.bytes, atMost: 1 << 26, by: DeflatePool())
        }
        if let route = message.route {
            self.route = try PomeloDictionary().text(of: route, in: unsafe bytes.span.bytes)
        }
    }

    var text: String { String(decoding: body, as: UTF8.self) }
    var description: String { "\(kind) \(id) \(route ?? "") \(isError ? "error " : "")\(text.prefix(200))" }
}
