import Omniway
import OmniwayTesting
import OmniwayWire
import Testing

@testable import ClientExample
@testable import ConformanceServer
@testable import OmniwayApp

/// An app that listens nowhere: its clients come through a gateway.
@Suite(.timeLimit(.minutes(2))) struct BehindGatewayTests {
    /// A real gateway on virtual time.
    private struct World {
        let world: SimulatedWorld
        let clients = InProcess()
        let servers = InProcess()
        let app = conformanceApp()

        init(loops: Int = 1, appLoops: Range<Int> = 0..<1) async throws {
            world = SimulatedWorld(loops: loops)
            var settings = GatewaySettings()
            settings.keys = [Secret("gateway-key")]
            let gateway = await Gateway(on: world.loops, settings)
            try await gateway.listen(for: .client, on: clients)
            try await gateway.listen(for: .server, on: servers)
            app.listen(.gateway(over: servers, .server(7, key: "gateway-key")))
            let (app, loops) = (app, Array(world.loops[appLoops]))
            try await world.play { try await app.start(on: loops) }
        }

        func play(_ body: nonisolated(nonsending) @escaping @Sendable (AppClient) async throws -> Void) async throws {
            let (clients, loop) = (clients, world.first)
            try await world.play {
                let gateway = try await GatewayEndpoint(.client, over: clients, on: loop)
                try await body(try await AppClient(over: gateway.dialer(to: 7), on: loop))
                gateway.close()
            }
        }
    }

    @Test(arguments: [0..<1, 1..<2, 0..<3, 1..<3]) func `clients reach an app through a gateway, whatever its loops`(
        _ loops: Range<Int>
    ) async throws {
        let world = try await World(loops: 3, appLoops: loops)
        let app = world.app
        for _ in 0..<3 {
            try await world.play { client in
                let heard = Notes<Int?>()
                client.on("onPush") { (message: Message) in heard.add(message.n) }
                let reply: Reply = try await client.request("room.push", Message(content: "p", n: 3))
                #expect(reply.result == "pushed")
                #expect(heard.all == [nil, 1, 2])
                let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) }
                let echo: [UInt8] = try await client.request("room.echo", bytes)
                #expect(echo == bytes)
                #expect(app.sessionCount == 1)
                client.disconnect()
            }
            world.world.settle()
            #expect(app.sessionCount == 0)
        }
    }

    @Test func `each packet is one message of the gateway`() async throws {
        let world = try await World()
        let recorder = await world.world.first.own { _ in Recorder() }
        let (clients, loop) = (world.clients, world.world.first)
        let endpoint = try await GatewayEndpoint(.client, over: clients, on: loop)
        let dialer = endpoint.dialer(to: 7)
        await recorder.run { loop, recorder in _ = dialer.dial(on: loop, deadline: .seconds(1), handler: recorder) }
        world.world.settle()
        for bytes in [
            TestClient.handshake, [2, 0, 0, 0],
            TestClient.message(.request(id: 1, .text("room.room.push")), #"{"content":"p","n":2}"#),
        ] {
            await recorder.run { _, recorder in recorder.link?.write(bytes) }
            world.world.settle()
        }
        let messages = await recorder.run { _, recorder in recorder.messages }
        let codec = PomeloPacketCodec(maxBodySize: PomeloPacket.mostBodyBytes)
        let kinds = try messages.map { message in try codec.packet(of: unsafe message.span.bytes).kind }
        #expect(kinds == [.handshake, .data, .data, .data])
    }

    @Test func `client and app come back when the gateway's links are lost`() async throws {
        let world = try await World()
        let (servers, clients, loop, app) = (world.servers, world.clients, world.world.first, world.app)
        // Cut off after so many bytes, again and again.
        var faults = SeededNetwork.Faults()
        faults.cutAfter = 3000...6000
        let network = SeededNetwork(seed: 3, faults: faults)
        let shaky = conformanceApp()
        shaky.listen(.gateway(over: network.over(servers), .server(8, key: "gateway-key")))
        try await world.world.play { try await shaky.start(on: [loop]) }
        let (good, lost) = (Notes<Int>(), Notes<Int>())
        try await world.world.play {
            let gateway = try await GatewayEndpoint(.client, over: network.over(clients), on: loop)
            // The server may be away when it is dialled first.
            var made: AppClient?
            while made == nil { made = try? await AppClient(over: gateway.dialer(to: 8), on: loop) }
            let client = try #require(made)
            let states = client.states.makeAsyncIterator()
            _ = await states.next()
            while good.all.count < 200 {
                do {
                    let echo: [UInt8] = try await client.request("room.echo", Array("hello".utf8))
                    #expect(echo == Array("hello".utf8))
                    good.add(1)
                } catch AppClientError.lost {
                    lost.add(1)
                    while let state = await states.next(), state != .connected {}
                }
            }
        }
        #expect(lost.all.count > 2)
        #expect(app.sessionCount == 0, "nobody came to server 7")
    }

    @Test func `an app that stops lets its clients go and leaves the gateway`() async throws {
        let world = try await World(loops: 2, appLoops: 0..<2)
        let (app, first) = (world.app, world.world.first)
        let clients = world.clients
        let seen = Notes<AppClientError>()
        try await world.world.play {
            let gateway = try await GatewayEndpoint(.client, over: clients, on: first)
            let settings = AppClientSettings.with { $0.reconnect = nil }
            let client = try await AppClient(over: gateway.dialer(to: 7), on: first, settings)
            await app.stop()
            for await state in client.states { if case .ended(let why) = state { seen.add(why) } }
            do {
                _ = try await AppClient(over: gateway.dialer(to: 7), on: first, settings)
            } catch let error as AppClientError { seen.add(error) }
        }
        #expect(seen.all == [.lost(.finished), .lost(.dialRefused)])
    }

    @Test func `a gateway that is not there keeps nobody from starting, and is found later`() async throws {
        let world = try await World()
        let (late, loop) = (InProcess(), world.world.first)
        let app = conformanceApp()
        app.listen(.gateway(over: late, .server(9, key: "gateway-key")))
        try await world.world.play { try await app.start(on: [loop]) }
        var settings = GatewaySettings()
        settings.keys = [Secret("gateway-key")]
        let gateway = await Gateway(on: world.world.loops, settings)
        let clients = InProcess()
        try await gateway.listen(for: .client, on: clients)
        try await gateway.listen(for: .server, on: late)
        world.world.advance(by: .seconds(60))
        try await world.world.play {
            let endpoint = try await GatewayEndpoint(.client, over: clients, on: loop)
            let client = try await AppClient(over: endpoint.dialer(to: 9), on: loop)
            let reply: Reply = try await client.request("room.noarg")
            #expect(reply.result == "room")
        }
    }

    @Test func `what cannot be a way to a gateway is said when the app starts`() async throws {
        let loop = EventLoop()
        for entrance in [
            Entrance.gateway("nowhere", serverID: 7, key: ""), .gateway("127.0.0.1:1", .client),
            .gateway(
                "127.0.0.1:1",
                {
                    var configuration = EndpointConfiguration.server(7, key: "")
                    configuration.recvChanSize = 0
                    return configuration
                }()),
        ] {
            let app = conformanceApp()
            app.listen(entrance)
            do {
                try await app.start(on: [loop])
                Issue.record("it started")
            } catch ListenError.misconfigured(let text) { #expect(!text.isEmpty) }
        }
        await loop.shutdown()
    }

    @Test func `over sockets, as the example does it`() async throws {
        let loop = EventLoop()
        var settings = GatewaySettings()
        settings.keys = [Secret("open sesame")]
        let gateway = await Gateway(on: [loop], settings)
        let players = try await gateway.listen(for: .client, on: StreamAcceptor(.loopback()))
        let servers = try await gateway.listen(for: .server, on: StreamAcceptor(.loopback()))
        await #expect(throws: Never.self) {
            try await playThroughGateway(servers: servers.address, players: players.address, on: loop)
        }
        await loop.shutdown()
    }
}

/// The examples of the page, as they stand there.
@Suite(.timeLimit(.minutes(2))) struct ClientExampleTests {
    @Test func `a player plays, and one that stays leaves`() async throws {
        let loop = EventLoop()
        let app = try ClientExample.room()
        app.listen(.tcp("127.0.0.1:0"))
        try await app.start(on: [loop])
        let dialer = StreamDialer(app.addresses[0])
        await #expect(throws: Never.self) {
            try await play(over: dialer, on: loop)
            try await stay(over: dialer, on: loop)
        }
        await app.stop()
        #expect(try app.groups.count(of: "room") == 0)
        await loop.shutdown()
    }
}
