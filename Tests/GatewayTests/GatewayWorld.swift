import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire

@testable import OmniwayGateway

/// A gateway on virtual time, and peers that speak to it in plain bytes. They come in turn on its loops.
struct GatewayWorld {
    let world: SimulatedWorld
    let gateway: Gateway
    let clients = InProcess(queue: Self.queue)
    let servers = InProcess(queue: Self.queue)
    let dialects: (client: GatewayDialect, server: GatewayDialect)

    /// Pipes hold as much as a gateway may want to queue.
    private static let queue = QueueLimits(low: 1 << 10, high: 64 << 10, most: 128 << 20, unread: 1 << 20)

    init(
        loops: Int = 1, client: GatewayDialect = .v2, server: GatewayDialect = .v2, seed: UInt64 = 1,
        lastConnection: UInt32 = 0, _ change: (inout GatewaySettings) -> Void = { _ in }
    ) async throws {
        var settings = GatewaySettings()
        settings.keys = [Secret("gateway-key")]
        change(&settings)
        world = SimulatedWorld(loops: loops, seed: seed)
        dialects = (client, server)
        gateway = await Gateway(on: world.loops, settings, GatewayDirectory(lastConnection: lastConnection))
        try await gateway.listen(for: .client, on: clients, dialect: client)
        try await gateway.listen(for: .server, on: servers, dialect: server)
    }

    func client() async -> TestPeer { await TestPeer(dials: clients, in: world, dialects.client) }

    /// A server that has logged in, or tried to.
    func server(_ id: EndpointID, key: String = "gateway-key") async -> TestPeer {
        let server = await TestPeer(dials: servers, in: world, dialects.server)
        let challenge = await server.read(8)
        await server.send(GatewayLogin.answer(to: challenge, key: Array(key.utf8), as: id))
        return server
    }

    /// A client with a connection to a server, which both have heard of.
    func pair(_ id: EndpointID = 7) async -> (client: TestPeer, server: TestPeer) {
        let server = await server(id)
        let client = await client()
        await client.send(.dial(id, as: 0))
        _ = await (client.heard(), server.heard())
        return (client, server)
    }

    /// How many things the gateway remembers: none when all have left.
    func memories() async -> Int {
        var sum = gateway.directory.memories
        for shard in gateway.shards { sum += await shard.run { _, shard in shard.memories } }
        return sum
    }

    /// The sum of a meter over all loops.
    func meter(_ name: String, _ labels: (String, String)...) async -> Double {
        var sum = 0.0
        for loop in world.loops {
            let labels = labels.map { MeterSnapshot.Label(name: $0.0, value: $0.1) }
            sum += await loop.snapshot().number(name, labels: labels) ?? 0
        }
        return sum
    }
}

/// Whoever is at the other end of one of the gateway's physical connections.
struct TestPeer {
    private let world: SimulatedWorld
    let recorder: LoopBound<Recorder>
    private let inbox: LoopBound<Inbox>
    let codec: GatewayCodec

    /// How much of what has come was looked at.
    private final class Inbox { var taken = 0 }

    init(dials transport: InProcess, in world: SimulatedWorld, _ dialect: GatewayDialect) async {
        self.world = world
        codec = GatewayCodec(dialect, maxPacketSize: 1 << 20)
        recorder = await world.first.own { _ in Recorder() }
        inbox = await world.first.own { _ in Inbox() }
        await recorder.run { loop, recorder in
            _ = transport.dial(on: loop, deadline: .seconds(1), handler: recorder)
        }
        world.settle()
    }

    func send(_ bytes: [UInt8]) async {
        await write(bytes)
        world.settle()
    }

    /// Sent when the world goes on: what several peers have written arrives at the same time.
    func write(_ bytes: [UInt8]) async { await recorder.run { _, recorder in recorder.link?.write(bytes) } }
    func write(_ command: GatewayCommand) async { await write(bytes(of: command)) }
    func write(_ payload: String, on id: ConnectionID) async { await write(Self.frame(id, Array(payload.utf8))) }

    func bytes(of command: GatewayCommand) -> [UInt8] {
        let bytes = codec.bytes(of: command)
        return unsafe bytes.span.withUnsafeBytes { unsafe Array($0) }
    }

    func send(_ command: GatewayCommand) async { await send(bytes(of: command)) }

    func send(_ payload: String, on id: ConnectionID) async { await send(Self.frame(id, Array(payload.utf8))) }

    static func frame(_ id: ConnectionID, _ payload: [UInt8]) -> [UInt8] {
        let header = GatewayCodec.header(of: id, payload: payload.count)
        return header.indices.map { header[$0] } + payload
    }

    func pause() async { await recorder.run { _, recorder in recorder.link?.pauseReading() } }

    func resume() async {
        await recorder.run { _, recorder in recorder.link?.resumeReading() }
        world.settle()
    }

    /// Leaves when the world goes on.
    func leave() async { await recorder.run { _, recorder in recorder.link?.close(.done) } }

    func close() async {
        await recorder.run { _, recorder in recorder.link?.close(.done) }
        world.settle()
    }

    /// So many bytes that no one has looked at; fewer when there are fewer.
    func read(_ count: Int) async -> [UInt8] {
        let all = await recorder.run { _, recorder in recorder.bytes }
        return await inbox.run { _, inbox in
            let bytes = Array(all.dropFirst(inbox.taken).prefix(count))
            inbox.taken += bytes.count
            return bytes
        }
    }

    /// The next whole frame, or nil.
    func next() async -> [UInt8]? {
        let all = await recorder.run { _, recorder in recorder.bytes }
        return await inbox.run { [codec] _, inbox in
            let frame = unsafe all.withUnsafeBytes { bytes in
                try? codec.frame(in: unsafe RawSpan(_unsafeBytes: bytes), at: inbox.taken)
            }
            guard let frame else { return nil }
            inbox.taken = frame.end
            return Array(all[frame.range])
        }
    }

    /// The next frame as a command; nil when it is none.
    func nextCommand() async -> GatewayCommand? {
        guard let frame = await next() else { return nil }
        return unsafe frame.withUnsafeBytes { bytes in
            try? codec.command(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: bytes.dropFirst(8))))
        }
    }

    enum Heard: Equatable {
        case said(GatewayCommand)
        case message(ConnectionID, String)
    }

    /// All frames that no one has looked at.
    func heard() async -> [Heard] {
        let all = await recorder.run { _, recorder in recorder.bytes }
        return await inbox.run { [codec] _, inbox in
            unsafe all.withUnsafeBytes { bytes in
                let bytes = unsafe RawSpan(_unsafeBytes: bytes)
                var heard: [Heard] = []
                while let frame = try? codec.frame(in: bytes, at: inbox.taken) {
                    inbox.taken = frame.end
                    if frame.isCommand {
                        guard let command = try? codec.command(bytes.extracting(frame.payload)) else { continue }
                        heard.append(.said(command))
                    } else {
                        let text = String(decoding: all[frame.payload], as: UTF8.self)
                        heard.append(.message(frame.connection, text))
                    }
                }
                return heard
            }
        }
    }

    /// The next frame as the text of a message.
    func nextText() async -> String? { await next().map { String(decoding: $0.dropFirst(8), as: UTF8.self) } }

    var closeReason: CloseReason? { get async { await recorder.run { _, recorder in recorder.closeReason } } }
    /// The gateway has not hung up.
    var isOpen: Bool {
        get async { await recorder.run { _, recorder in recorder.link.map { !$0.peerHasFinished } ?? false } }
    }
}
