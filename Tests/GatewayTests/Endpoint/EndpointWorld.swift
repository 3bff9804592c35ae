import OmniwayGateway
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire

/// An endpoint of a test, with a recorder for every link that it dials or is given.
final class TestEndpoint {
    let session: EndpointSession
    let intake = RecordingIntake()
    /// In the order of the dials.
    private(set) var dialled: [Recorder] = []
    /// The links of both, by remote endpoint.
    var links: [Link] { (dialled + intake.recorders).compactMap(\.link) }

    init(_ configuration: EndpointConfiguration, over dialer: some Dialer, on loop: Loop) throws(EndpointError) {
        session = try EndpointSession(configuration, over: dialer, on: loop)
        session.intake = intake
        session.start()
    }

    init(_ configuration: EndpointConfiguration, over link: Link) throws(EndpointError) {
        session = try EndpointSession(configuration, over: link)
        session.intake = intake
    }

    func dial(_ remote: EndpointID, deadline: Duration = .seconds(10), saying text: String? = nil) {
        let recorder = Recorder()
        dialled.append(recorder)
        let link = session.dial(remote, deadline: deadline, handler: recorder)
        if let text { link?.write(Array(text.utf8)) }
    }

    func echoes() {
        intake.prepare = { recorder, _ in
            recorder.then = { event, link in if case .message(let bytes) = event { link.write(bytes) } }
        }
    }
}

extension Recorder {
    /// The other end has closed.
    var hasFinished: Bool { events.contains(.finished) }
    var texts: [String] { messages.map { String(decoding: $0, as: UTF8.self) } }
}

extension GatewayWorld {
    static func server(_ id: EndpointID, _ dialect: GatewayDialect = .v2) -> EndpointConfiguration {
        var configuration = EndpointConfiguration.server(id, key: "gateway-key")
        configuration.dialect = dialect
        return configuration
    }

    static func client(_ dialect: GatewayDialect = .v2) -> EndpointConfiguration {
        var configuration = EndpointConfiguration.client
        configuration.dialect = dialect
        return configuration
    }

    func endpoint(
        _ configuration: EndpointConfiguration, over dialer: (some Dialer)? = InProcess?.none, on loop: Int = 0
    ) async throws -> LoopBound<TestEndpoint> {
        let gateway = configuration.serverID == nil ? clients : servers
        let endpoint = try await world.loops[loop].own { loop throws(EndpointError) in
            if let dialer { return try TestEndpoint(configuration, over: dialer, on: loop) }
            return try TestEndpoint(configuration, over: gateway, on: loop)
        }
        world.settle()
        return endpoint
    }
}

/// A gateway of three lines: it writes down what an endpoint says, and says what a test tells it to.
struct ScriptedGateway {
    let world = SimulatedWorld()
    let transport: InProcess
    let intake: LoopBound<RecordingIntake>
    let codec: GatewayCodec
    let listening: Listening

    init(_ dialect: GatewayDialect = .v2, queue: QueueLimits = QueueLimits()) async throws {
        codec = GatewayCodec(dialect)
        transport = InProcess(queue: queue)
        intake = await world.first.own { _ in RecordingIntake() }
        listening = try await transport.open(into: [intake])
    }

    func endpoint(_ configuration: EndpointConfiguration) async throws -> LoopBound<TestEndpoint> {
        let transport = transport
        let endpoint = try await world.first.own { loop throws(EndpointError) in
            try TestEndpoint(configuration, over: transport, on: loop)
        }
        world.settle()
        return endpoint
    }

    /// What the endpoint has said over its `index`-th physical link, commands and messages.
    func heard(_ index: Int = 0) async -> [String] {
        let bytes = await intake.run { _, intake in
            intake.recorders.indices.contains(index) ? intake.recorders[index].bytes : []
        }
        var heard: [String] = []
        unsafe bytes.withUnsafeBytes { buffer in
            let span = unsafe RawSpan(_unsafeBytes: buffer)
            var at = 0
            while let frame = try? codec.frame(in: span, at: at) {
                at = frame.end
                if frame.isCommand, let command = try? codec.command(span.extracting(frame.payload)) {
                    heard.append("\(command)")
                } else {
                    heard.append("\(frame.connection): \(String(decoding: bytes[frame.payload], as: UTF8.self))")
                }
            }
        }
        return heard
    }

    func count(of command: GatewayCommand, _ index: Int = 0) async -> Int {
        await heard(index).count { $0 == "\(command)" }
    }

    func say(_ command: GatewayCommand, _ index: Int = 0) async {
        let bytes = codec.bytes(of: command)
        await say(unsafe bytes.span.withUnsafeBytes { unsafe Array($0) }, index)
    }

    func say(_ bytes: [UInt8], _ index: Int = 0) async {
        await intake.run { _, intake in intake.recorders[index].link?.write(bytes) }
        world.settle()
    }

    func say(_ text: String, on id: ConnectionID) async { await say(TestPeer.frame(id, Array(text.utf8))) }

    func hangUp(_ index: Int = 0) async {
        await intake.run { _, intake in intake.recorders[index].link?.close(.done) }
        world.settle()
    }

    var connections: Int { get async { await intake.run { _, intake in intake.recorders.count } } }
}
