import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayApp
@testable import SerializerExample

@Suite(.timeLimit(.minutes(2))) struct SerializerExampleTests {
    @Test func `a serializer of one's own writes answers, pushes and errors`() async throws {
        let server = try await RunningServer.start("--tcp 127.0.0.1:0", product: "SerializerExample", ports: 2)
        let loop = EventLoop()
        // The first port is the program's own, for this machine; the second is that of the command line.
        for address in server.addresses {
            let client = try await SocketClient(over: StreamDialer(.loopback(port: address.port)), on: loop)
            await client.send(TestClient.handshake)
            let welcome = try #require(await client.packet())
            #expect(String(decoding: welcome.body, as: UTF8.self).contains(#""serializer":"lines""#))
            await client.send([2, 0, 0, 0])
            let push = try #require(await client.ask("room.join", "name=Anna\n"))
            #expect(push.kind == "push" && push.route == "onJoin" && push.text == "name=Anna\n")
            #expect(await client.message()?.text == "name=Anna\n")
            #expect(await client.ask("room.join", "")?.text == "code=ROOM-1\nmsg=who are you? say name=...\n")
            #expect(await client.ask("room.join", "Anna")?.text == "code=PIT-400\nmsg=Anna: expected name=value\n")
        }
        await server.program.stop()
        await loop.shutdown()
    }

    @Test func `an app says which handler a serializer cannot serve`() async throws {
        let app = App(type: "room", serializer: LineSerializer())
        app.on("room.count") { context in 5 }
        await #expect(throws: AppStartError.self) { try await AppWorld(app) }
    }

    @Test(arguments: [true, false]) func `an acceptor of one's own lets in who is welcome`(_ isWelcome: Bool)
        async throws
    {
        let world = SimulatedWorld()
        let streams = InProcess(traits: LinkTraits(peer: isWelcome ? .loopback() : .ipv4(0x0a00_0001, port: 1)))
        let app = App(type: "room", serializer: LineSerializer())
        room(app)
        app.listen(Neighbours(inner: streams) { $0.isLoopback })
        try await app.start(on: world.loops)
        let client = await TestClient(dials: streams, in: world)
        await client.send(TestClient.handshake)
        #expect(await (client.packet() != nil) == isWelcome)
    }
}
