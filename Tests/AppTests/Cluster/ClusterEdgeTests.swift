import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import ConformanceServer
@testable import OmniwayApp
@testable import OmniwayCluster

/// What happens seldom: at the wrong moment, twice, or to servers that are not what others think.
@Suite struct ClusterEdgeTests {
    @Test func `a client that leaves while it is bound leaves nothing behind`() async throws {
        let world = try await ClusterWorld()
        let frontend = try await world.server("connector", "conn-1")
        let before = await world.subscriptions()
        for _ in 0..<5 {
            let client = await frontend.player()
            await client.write(Self.bind("ann"))
            await client.close()
            world.world.advance(by: .seconds(1))
        }
        #expect(await world.subscriptions() == before)
        #expect(try await world.holder(of: "ann") == nil)
    }

    @Test func `a client that leaves while another server binds it leaves nothing behind`() async throws {
        let world = try await ClusterWorld()
        let frontend = try await world.server("connector", "conn-1")
        _ = try await world.server("room", "room-1")
        let before = await world.subscriptions()
        for turns in 1...12 {
            let client = await frontend.player()
            await client.write(
                TestClient.message(.request(id: 1, .text("room.room.bind")), #"{"content":"bob"}"#))
            for _ in 0..<turns { _ = world.world.first.simulateTurn() }
            await client.close()
            world.world.advance(by: .seconds(1))
        }
        #expect(try await world.holder(of: "bob") == nil)
        #expect(await world.subscriptions() == before)
    }

    @Test func `an application that insists on a server that has gone is told so`() async throws {
        let world = try await ClusterWorld()
        _ = try await world.server("room", "room-1")
        let asked = Lock(0)
        let frontend = try await world.server("connector", "conn-1") { _ in
        } _: { app in
            app.route(to: "room") { _, _, _ in
                let count = asked.withLock { count in
                    count += 1
                    return count
                }
                if count > 100 { throw AppError("RM-500", "asked again and again") }
                return ClusterServer(id: "room-9", type: "room")
            }
        }
        let answer = try #require(await (await frontend.player()).ask("room.room.echo", "x"))
        #expect(answer.contains(AppError.unavailable) && answer.contains("room-9"), "\(answer)")
        #expect(asked.withLock { $0 } == 1)
    }

    @Test func `a session of a frontend's last life is none of its next`() async throws {
        let world = try await ClusterWorld()
        let add: (App) -> Void = { app in
            app.on("room.number") { (body: [UInt8], context) in Array("\(context.session.id)".utf8) }
        }
        var numbers: Set<String> = []
        for _ in 0..<3 {
            let frontend = try await world.server("connector", "conn-1", { _ in }, add)
            numbers.insert(try #require(await (await frontend.player()).ask("connector.room.number")))
            let app = frontend.app
            try await world.run { _ = await app.stop() }
        }
        #expect(numbers.count == 3, "\(numbers)")
    }

    @Test func `servers of different types may have the same id`() async throws {
        let world = try await ClusterWorld()
        _ = try await world.server("store", "1")
        _ = try await world.server("room", "1")
        let frontend = try await world.server("connector", "1")
        #expect(frontend.app.servers.map(\.type) == ["connector", "room", "store"])
        let client = await frontend.player()
        #expect(await client.ask("room.room.echo", "x") == "x")
        #expect(await client.ask("room.room.bind", #"{"content":"ann"}"#, id: 2)?.contains("ann") == true)
        let app = frontend.app
        let answer = try await world.run {
            try await app.rpc("store.remote.hello", Doc(doc: "you"), to: "1", as: Doc.self)
        }
        #expect(answer.doc == "hello you from store")
    }

    @Test func `an answer that is too large for the bus is an error at once`() async throws {
        let world = try await ClusterWorld()
        _ = try await world.server("room", "room-1") { _ in
        } _: { app in
            app.on("room.large") { (body: [UInt8], context) in [UInt8](repeating: 0x20, count: 2 << 20) }
        }
        let request = PomeloProtos.Request(
            type: .sys, msg: PomeloProtos.Msg(route: "room.room.large", type: .request), metadata: Array("{}".utf8))
        let answer = try await world.ask("pitaya/servers/room/room-1", request.protobuf)
        #expect(answer?.error?.code == AppError.internalError)
        #expect(answer?.error?.message.contains("too large") == true, "\(String(describing: answer))")
    }

    @Test func `a server that finishes what it has takes nothing more`() async throws {
        let world = try await ClusterWorld()
        let diary = Diary()
        let room = try await world.server("room", "room-1") { _ in
        } _: { app in
            app.on("room.slow") { (body: [UInt8], context) in
                try await context.sleep(for: .seconds(1))
                return Array("done".utf8)
            }
            app.on("room.note") { (body: [UInt8], context) in
                diary.note("too late")
                return body
            }
        }
        let client = await (try world.server("connector", "conn-1")).player()
        await client.request("room.room.slow")
        let app = room.app
        let stopped = Task { await app.stop() }
        for _ in 0..<2000 {
            world.world.settle()
            await Task.yield()
        }
        let request = PomeloProtos.Request(
            type: .sys, msg: PomeloProtos.Msg(route: "room.room.note", type: .request), metadata: Array("{}".utf8))
        let answer = try await world.ask("pitaya/servers/room/room-1", request.protobuf)
        #expect(answer == nil && diary.all == [])
        #expect(await client.message()?.text == "done")
        try await world.run { _ = await stopped.value }
    }

    @Test func `who waits for a server that is stopped too early is told so`() async throws {
        let world = try await ClusterWorld()
        let diary = Diary()
        var settings = AppSettings()
        settings.drainLimit = .seconds(1)
        let room = App(type: "room", id: "room-1", settings: settings)
        room.join(registry: world.registry, bus: world.bus)
        room.on("room.slow") { (body: [UInt8], context) in
            do {
                try await context.sleep(for: .seconds(3))
            } catch { diary.note("cancelled") }
            return body
        }
        let loops = world.world.loops
        try await world.run { try await room.start(on: loops) }
        let client = await (try world.server("connector", "conn-1")).player()
        await client.request("room.room.slow")
        let stopped = Task { await room.stop() }
        for _ in 0..<2000 {
            world.world.settle()
            await Task.yield()
        }
        world.world.advance(by: .milliseconds(1500))
        try await world.run { _ = await stopped.value }
        world.world.settle()
        #expect(await client.message()?.text.contains(AppError.unavailable) == true)
        #expect(diary.all == ["cancelled"])
    }

    @Test func `the key of a user who left while the registry was away goes when it is back`() async throws {
        let world = try await ClusterWorld()
        let client = await (try world.server("connector", "conn-1")).player()
        _ = await client.ask("connector.room.bind", #"{"content":"ann"}"#)
        world.registry.simulateOutage(true)
        await client.close()
        world.world.advance(by: .seconds(20))
        world.registry.simulateOutage(false)
        world.world.advance(by: .seconds(30))
        #expect(try await world.holder(of: "ann") == nil)
    }

    // MARK: Logins elsewhere that nobody has heard of

    @Test func `each server of a process looks who has logged in elsewhere while the bus was away`() async throws {
        let world = try await ClusterWorld()
        let frontends = [
            try await world.server("connector", "conn-1"), try await world.server("connector", "conn-2"),
        ]
        var players: [TestClient] = []
        for (frontend, name) in zip(frontends, ["ann", "bob"]) {
            let player = await frontend.player()
            _ = await player.ask("connector.room.bind", #"{"content":"\#(name)"}"#)
            players.append(player)
        }
        try await world.logInElsewhere("ann", "bob")
        await world.cutOff {}
        for player in players { #expect(await player.message()?.kind == "kick") }
    }

    @Test func `it looks on all loops, though one of them hears of logins`() async throws {
        let world = try await ClusterWorld(loops: 3)
        let frontend = try await world.server("connector", "conn-1")
        let names = ["a", "b", "c", "d", "e", "f"]
        var players: [TestClient] = []
        for name in names {
            let player = await frontend.player()
            _ = await player.ask("connector.room.bind", #"{"content":"\#(name)"}"#)
            players.append(player)
        }
        try await world.logInElsewhere("a", "b", "c", "d", "e", "f")
        await world.cutOff {}
        for player in players { #expect(await player.message()?.kind == "kick") }
    }

    @Test func `it looks again when the registry was away as well`() async throws {
        let world = try await ClusterWorld()
        let player = await (try world.server("connector", "conn-1")).player()
        _ = await player.ask("connector.room.bind", #"{"content":"ann"}"#)
        try await world.logInElsewhere("ann")
        await world.cutOff { world.registry.simulateOutage(true) }
        world.world.advance(by: .seconds(20))
        #expect(await !player.isOver)
        world.registry.simulateOutage(false)
        world.world.advance(by: .seconds(60))
        #expect(await player.message()?.kind == "kick")
    }

    private static func bind(_ user: String) -> [UInt8] {
        TestClient.message(.request(id: 1, .text("connector.room.bind")), #"{"content":"\#(user)"}"#)
    }
}

extension ClusterWorld {
    fileprivate func subscriptions() async -> Int {
        let bus = bus
        return await world.first.run { bus.port(on: $0).subscriptionCount }
    }

    fileprivate func holder(of user: String) async throws -> String? {
        let registry = registry
        return try await run { try await registry.get(RegistryBytes("pitaya/bindings/connector/\(user)"))?.value.text }
    }

    /// As a server does that nobody here can hear.
    fileprivate func logInElsewhere(_ users: String...) async throws {
        let registry = registry
        try await run {
            for user in users { try await registry.put(RegistryBytes("pitaya/bindings/connector/\(user)"), "conn-9") }
        }
    }

    /// The first loop loses the bus and finds it again.
    fileprivate func cutOff(_ meanwhile: () -> Void) async {
        let bus = bus
        await world.first.run { bus.port(on: $0).lost("it was cut off") }
        world.settle()
        meanwhile()
        await world.first.run { bus.port(on: $0).becomes(.open) }
        world.settle()
    }
}
