import OmniwayGateway
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// Endpoints as tasks use them, on loops with threads of their own.
@Suite(.timeLimit(.minutes(2))) struct GatewayEndpointTests {
    @Test(arguments: GatewayDialect.allCases)
    func `an echo server without a port, and its clients`(_ dialect: GatewayDialect) async throws {
        let gateway = try await RealGateway(dialect)
        let server = try await gateway.server(7)
        let serving = Task {
            await withDiscardingTaskGroup { players in
                for await player in server.connections(.text) {
                    players.addTask {
                        do {
                            for try await words in player.messages { try await player.send("you said: \(words)") }
                        } catch { Issue.record(error) }
                    }
                }
            }
        }
        let client = try await gateway.client()
        try await server.ready()
        for number in 0..<3 {
            let connection = try await client.dial(7, .text)
            #expect(connection.remote == 7)
            for text in ["hello \(number)", ""] {
                try await connection.send(text)
                #expect(try await connection.messages.first { _ in true } == "you said: \(text)")
            }
        }
        serving.cancel()
        await serving.value
        await gateway.stop()
    }

    @Test func `ready says when the key is wrong`() async throws {
        let gateway = try await RealGateway()
        let server = try await GatewayEndpoint(.server(7, key: "wrong"), over: gateway.serverPort, on: gateway.loop)
        do {
            try await server.ready(within: .milliseconds(300))
            Issue.record("the gateway took it")
        } catch .closed(let reason) {
            #expect(reason == .gatewayLost)
        }
        await gateway.stop()
    }

    @Test func `a dial to nobody is refused, and several at a time do not mind`() async throws {
        let gateway = try await RealGateway()
        let server = try await gateway.server(7)
        let incoming = server.connections()
        try await server.ready()
        let client = try await gateway.client()
        await #expect(throws: EndpointError.refused(99)) { try await client.dial(99) }
        let ids = await withTaskGroup(of: ConnectionID?.self) { group in
            for _ in 0..<10 { group.addTask { try? await client.dial(7).id } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(ids.compactMap(\.self)).count == 10)
        var seen: Set<ConnectionID> = []
        for await connection in incoming {
            seen.insert(connection.id)
            if seen.count == 10 { break }
        }
        #expect(seen == Set(ids.compactMap(\.self)))
        await gateway.stop()
    }

    @Test func `send waits while the queue is full, and write says so`() async throws {
        let gateway = try await RealGateway()
        var configuration = GatewayWorld.client()
        configuration.sendChanSize = 8
        configuration.sendChanBytes = 1000
        let server = try await gateway.server(7) {
            $0.recvChanSize = 100_000
            $0.recvChanBytes = 64 << 20
        }
        let incoming = server.connections()
        try await server.ready()
        let client = try await GatewayEndpoint(configuration, over: gateway.clientPort, on: gateway.loop)
        let connection = try await client.dial(7)
        let count = 3000
        // The loop is kept from sending, so that the queue is full.
        let taken = await gateway.loop.run { _ in
            (0..<20).count { number in (try? connection.write([UInt8(number)])) == true }
        }
        #expect(taken == 8)
        for number in 0..<count {
            try await connection.send([UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 90))
        }
        connection.close()
        var heard: [[UInt8]] = []
        for await other in incoming {
            for try await message in other.messages { heard.append(message) }
            break
        }
        #expect(heard.count == 8 + count)
        #expect(heard.dropFirst(8).map { $0[0] } == (0..<count).map { UInt8(truncatingIfNeeded: $0) })
        await #expect(throws: EndpointError.closed(.done)) { try await connection.send([1]) }
        await gateway.stop()
    }

    @Test func `who does not take its messages loses its connection, and hears what had come`() async throws {
        let gateway = try await RealGateway()
        let server = try await gateway.server(7) { $0.recvChanSize = 5 }
        let incoming = server.connections()
        try await server.ready()
        let client = try await gateway.client()
        let connection = try await client.dial(7)
        for number in 0..<6 { try await connection.send([UInt8(number)]) }
        for try await _ in connection.messages { Issue.record("nobody answers") }  // Until it is closed.
        var heard: [[UInt8]] = []
        for await other in incoming {
            await #expect(throws: EndpointError.closed(.slowReader)) {
                for try await message in other.messages { heard.append(message) }
            }
            break
        }
        #expect(heard == (0..<5).map { [UInt8($0)] })
        await gateway.stop()
    }

    @Test func `a message is in the format of its connection`() async throws {
        let gateway = try await RealGateway()
        let server = try await gateway.server(7)
        let incoming = server.connections()
        try await server.ready()
        let client = try await gateway.client()
        let points = try await client.dial(7, .serialized(Point.self))
        try await points.send(Point(x: 3, y: 4))
        let lines = try await client.dial(7, Lines())
        try await lines.send(["one", "two"])
        let connections = incoming.makeAsyncIterator()
        let first = try #require(await connections.next())
        #expect(try await first.messages.first { _ in true } == [3, 4])
        let second = try #require(await connections.next())
        #expect(try await second.messages.first { _ in true } == Array("one\ntwo".utf8))
        try await first.send([1, 2, 3])
        await #expect(throws: EndpointError.format("\(Point.Broken())")) {
            try await points.messages.first { _ in true }
        }
        await #expect(throws: EndpointError.messageTooLarge(600_000, limit: (512 << 10) - 4)) {
            try await first.send([UInt8](repeating: 0, count: 600_000))
        }
        await gateway.stop()
    }

    @Test func `what nobody holds any more is closed`() async throws {
        let gateway = try await RealGateway()
        let server = try await gateway.server(7)
        let incoming = server.connections().makeAsyncIterator()
        try await server.ready()
        let client = try await gateway.client()
        do { _ = try await client.dial(7) }
        let forgotten = try #require(await incoming.next())
        for try await _ in forgotten.messages { Issue.record("nothing was said") }
        await gateway.stop()
    }

    @Test func `a task that is cancelled stops waiting`() async throws {
        let gateway = try await ScriptedGateway()
        let loop = EventLoop()
        let silent = InProcess()
        let intake = await loop.own { _ in RecordingIntake() }
        let listening = try await silent.open(into: [intake])
        let client = try await GatewayEndpoint(.client, over: silent, on: loop)
        let dialling = Task { try await client.dial(7) }
        dialling.cancel()
        await #expect(throws: EndpointError.cancelled) { try await dialling.value }
        let accepting = Task { () -> Bool in
            for await _ in client.connections() {}
            return true
        }
        accepting.cancel()
        #expect(await accepting.value)
        await listening.stop()
        await loop.shutdown()
        gateway.world.settle()
    }

    @Test func `an endpoint whose loop has ended says so`() async throws {
        let gateway = try await RealGateway()
        let client = try await gateway.client()
        await gateway.stop()
        await #expect(throws: EndpointError.self) { try await client.dial(7) }
        await #expect(throws: EndpointError.self) { try await client.ready() }
    }

    @Test func `a server takes connections of several gateways in one place`() async throws {
        let gateways = [try await RealGateway(), try await RealGateway()]
        var servers: [GatewayEndpoint] = []
        for gateway in gateways { servers.append(try await gateway.server(7)) }
        let incoming = servers.connections(.text)
        for (server, gateway) in zip(servers, gateways) {
            try await server.ready()
            try await gateway.client().dial(7, .text).send("hello")
        }
        var heard = 0
        for await connection in incoming {
            #expect(try await connection.messages.first { _ in true } == "hello")
            heard += 1
            if heard == 2 { break }
        }
        for gateway in gateways { await gateway.stop() }
    }

    // MARK: As links

    @Test func `an acceptor on another loop gets connections by pipes`() async throws {
        let world = try await GatewayWorld(loops: 3)
        let configuration = GatewayWorld.server(7)
        let server = try await GatewayEndpoint(configuration, over: world.servers, on: world.world.loops[0])
        var intakes: [LoopBound<RecordingIntake>] = []
        for loop in world.world.loops { intakes.append(await loop.own { _ in RecordingIntake() }) }
        let listening = try await server.open(into: intakes)
        world.world.settle()
        let client = try await world.endpoint(GatewayWorld.client())
        await client.run { _, client in for index in 0..<6 { client.dial(7, saying: "\(index)") } }
        world.world.settle()
        var heard: [[String]] = []
        for intake in intakes { heard.append(await intake.run { _, intake in intake.recorders.flatMap(\.texts) }) }
        #expect(heard.map(\.count) == [2, 2, 2])
        #expect(Set(heard.joined()) == Set((0..<6).map { "\($0)" }))
        await client.run { _, client in client.dialled[0].link?.close(.done) }
        world.world.settle()
        var finished = 0
        for intake in intakes {
            finished += await intake.run { _, intake in intake.recorders.count(where: \.hasFinished) }
        }
        #expect(finished == 1, "the end goes through the pipe at once")
        await listening.stop()
        world.world.settle()
        await client.run { _, client in client.dial(7) }
        world.world.settle()
        #expect(await client.run { _, client in client.dialled[6].hasFinished })
    }

    @Test func `an endpoint that retires stays for its connections, and ends with the last`() async throws {
        let world = try await GatewayWorld()
        let server = try await world.endpoint(GatewayWorld.server(7))
        let client = try await world.endpoint(GatewayWorld.client())
        await client.run { _, client in client.dial(7, saying: "before") }
        world.world.settle()
        await server.run { _, server in server.session.retire() }
        await client.run { _, client in
            client.dialled[0].link?.write(Array("after".utf8))
            client.dial(7)
        }
        world.world.settle()
        #expect(await server.run { _, server in server.intake.recorders.map(\.texts) } == [["before", "after"]])
        #expect(await client.run { _, client in client.dialled[1].hasFinished })
        #expect(await server.run { _, server in server.session.isOpen })
        await server.run { _, server in server.intake.recorders[0].link?.close(.done) }
        #expect(await server.run { _, server in server.session.hasEnded })
    }

    @Test func `any dialer's user can dial through a gateway`() async throws {
        let world = try await GatewayWorld(loops: 2)
        let home = world.world.loops[0]
        let server = try await GatewayEndpoint(GatewayWorld.server(7), over: world.servers, on: home)
        let intake = await home.own { _ in RecordingIntake() }
        _ = try await server.open(into: [intake])
        let client = try await GatewayEndpoint(GatewayWorld.client(), over: world.clients, on: home)
        let dialer = client.dialer(to: 7)
        for loop in world.world.loops {
            let recorder = await loop.own { _ in Recorder() }
            await recorder.run { loop, recorder in
                let link = dialer.dial(on: loop, deadline: .seconds(1), handler: recorder)
                link?.write(Array("loop \(loop.index)".utf8))
            }
            world.world.settle()
            let reason = await recorder.run { _, recorder in recorder.closeReason }
            #expect(reason == (loop.index == 0 ? nil : .gatewayLost))
        }
        #expect(await intake.run { _, intake in intake.recorders.map(\.texts) } == [["loop 0"]])
        #expect(await home.run { loop in client.session(on: loop)?.isOpen } == true)
    }
}

/// A gateway on a loopback port, and endpoints on a loop with a thread.
struct RealGateway {
    let loop = EventLoop()
    let clientPort: StreamDialer
    let serverPort: StreamDialer
    private let dialect: GatewayDialect

    init(_ dialect: GatewayDialect = .v2) async throws {
        self.dialect = dialect
        var settings = GatewaySettings()
        settings.keys = [Secret("gateway-key")]
        let gateway = await Gateway(on: [loop], settings)
        clientPort = StreamDialer(
            try await gateway.listen(for: .client, on: StreamAcceptor(.loopback()), dialect: dialect).address)
        serverPort = StreamDialer(
            try await gateway.listen(for: .server, on: StreamAcceptor(.loopback()), dialect: dialect).address)
    }

    func server(
        _ id: EndpointID, _ change: (inout EndpointConfiguration) -> Void = { _ in }
    ) async throws -> GatewayEndpoint {
        var configuration = GatewayWorld.server(id, dialect)
        change(&configuration)
        return try await GatewayEndpoint(configuration, over: serverPort, on: loop)
    }

    func client() async throws -> GatewayEndpoint {
        try await GatewayEndpoint(GatewayWorld.client(dialect), over: clientPort, on: loop)
    }

    func stop() async { await loop.shutdown() }
}

private struct Point: SerializedMessage, Equatable {
    struct Broken: Error {}
    let x: UInt8
    let y: UInt8
    init(x: UInt8, y: UInt8) { (self.x, self.y) = (x, y) }

    init(serializedBytes bytes: [UInt8]) throws {
        guard bytes.count == 2 else { throw Broken() }
        (x, y) = (bytes[0], bytes[1])
    }
    func serializedBytes() -> [UInt8] { [x, y] }
}

private struct Lines: MessageFormat {
    func encode(_ message: [String]) -> [UInt8] { Array(message.joined(separator: "\n").utf8) }
    func decode(_ bytes: [UInt8]) -> [String] {
        String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
