import OmniwayTesting
@testable import OmniwayTransport
@testable import OmniwayWire
import Testing

/// A client and a server of streams in one simulated world. The client lives on the first loop, the server on others.
struct SnetPair {
    let world: SimulatedWorld
    let stream = InProcess()
    let gate: SnetGate
    let server: SnetServer
    let intakes: [LoopBound<RecordingIntake>]
    let client: LoopBound<Recorder>

    init(
        _ dialect: SnetDialect = .b, encrypts: Bool = true, ring: Int = 1 << 16, serverLoops: Int = 1,
        most: Int = 100, mostWaiting: Int = 100, handshakes: HandshakeLimits = HandshakeLimits(),
        below: (InProcess) throws -> (any Acceptor, any Dialer) = { ($0, $0) }
    ) async throws {
        world = SimulatedWorld(loops: 1 + serverLoops)
        server = SnetServer(
            dialect: dialect, encrypts: encrypts, ring: ring, most: most, mostWaiting: mostWaiting,
            handshakes: handshakes)
        let (acceptor, dialer) = try below(stream)
        gate = SnetGate(dialer)
        var intakes: [LoopBound<RecordingIntake>] = []
        for loop in world.loops.dropFirst() { intakes.append(await loop.own { _ in RecordingIntake() }) }
        self.intakes = intakes
        _ = try await Self.over(server, acceptor).open(into: intakes)
        client = await world.first.own { _ in Recorder() }
        await dial(client, dialect, encrypts: encrypts, ring: ring)
    }

    private static func over(_ server: SnetServer, _ acceptor: some Acceptor) -> any Acceptor { server.over(acceptor) }
    private static func over(_ client: SnetClient, _ dialer: SnetGate) -> any Dialer { client.over(dialer) }

    func dial(_ client: LoopBound<Recorder>, _ dialect: SnetDialect, encrypts: Bool, ring: Int) async {
        let dialer = Self.over(SnetClient(dialect: dialect, encrypts: encrypts, ring: ring), gate)
        await client.run { loop, client in _ = dialer.dial(on: loop, deadline: .seconds(5), handler: client) }
        world.advance(by: .milliseconds(100))
    }

    func write(_ text: String) async {
        await client.run { _, client in client.link?.write(text) }
        world.settle()
    }

    /// Whatever accepted link there is.
    func onServer<R: Sendable>(_ body: @Sendable (Recorder) throws -> R) async throws -> R {
        for intake in intakes {
            let result: R? = try await intake.run { _, intake in try intake.recorders.first.map(body) }
            if let result { return result }
        }
        throw NoStream()
    }
    struct NoStream: Error {}

    var received: String { get async { (try? await onServer { $0.text }) ?? "" } }

    func cut() async {
        await client.run { _, client in client.link?.snet?.reconnect() }
        world.settle()
    }

    /// A carrier of somebody else, who says these bytes.
    func intrude(_ bytes: [UInt8]) async -> LoopBound<Recorder> {
        let intruder = await world.first.own { _ in Recorder() }
        let stream = stream
        await intruder.run { loop, intruder in
            stream.dial(on: loop, deadline: .seconds(5), handler: intruder)?.write(bytes)
        }
        world.settle()
        return intruder
    }

    /// The server's end of the stream as it is now.
    func state() async throws -> SnetStream {
        try await onServer { recorder in try #require((recorder.link?.driver as? SnetDriver)?.stream) }
    }

    var isConnected: Bool { get async { await client.run { _, client in client.link?.snet?.isConnected ?? false } } }
}
