import Omniway
import OmniwayTesting
import OmniwayWire
import Testing

@testable import OmniwayApp

@Suite struct SessionTests {
    private func app(_ settings: AppSettings = AppSettings()) -> App {
        let app = App(type: "room", settings: settings)
        app.on("room.bind") { (user: String, context) in
            try await context.session.bind(user)
            return context.session.id
        }
        app.on("room.who") { context in context.session.uid ?? "nobody" }
        return app
    }

    @Test func `the newest session of a user stays and the older is kicked, on any loops`() async throws {
        for loops in 1...3 {
            let world = try await AppWorld(app(), loops: loops)
            let (first, second) = (await world.player(), await world.player())
            #expect(await first.ask("room.bind", #""luda""#) == "1")
            #expect(await second.ask("room.bind", #""luda""#) == "2")
            #expect(await first.message()?.kind == "kick")
            #expect(await first.isOver)
            #expect(await second.ask("room.who") == #""luda""#)
            #expect(world.app.player("luda")?.id == 2)
        }
    }

    @Test func `of many sessions that bind one user at once exactly one is left`() async throws {
        let world = try await AppWorld(app(), loops: 3)
        var players: [TestClient] = []
        for _ in 1...12 { players.append(await world.player()) }
        let bind = TestClient.message(.request(id: 1, .text("room.bind")), #""luda""#)
        for player in players { await player.write(bind) }
        world.world.settle()
        var open = 0
        for player in players where await !player.isOver { open += 1 }
        #expect(open == 1)
        #expect(world.app.sessionCount == 1)
    }

    @Test func `a bind that a hook refuses leaves nobody bound`() async throws {
        let app = app()
        app.onBind { session, user in if user == "evil" { throw AppError("NO", "not you") } }
        let world = try await AppWorld(app)
        let player = await world.player()
        #expect(await player.ask("room.bind", #""evil""#) == #"{"code":"NO","msg":"not you"}"#)
        #expect(await player.ask("room.who") == #""nobody""#)
        #expect(await player.ask("room.bind", #""luda""#) == "1")
    }

    @Test func `who is refused by the authentication hears 400 and is closed`() async throws {
        let app = app()
        app.authenticate { session in
            guard session.handshake?.user["token"] == "sesame" else { throw AppError("NO", "who are you?") }
            try await session.bind("luda")
            session.expire(after: .seconds(60))
        }
        let world = try await AppWorld(app)
        let stranger = await world.client()
        await stranger.send(TestClient.handshake)
        let answer = String(decoding: await stranger.packet()?.body ?? [], as: UTF8.self)
        #expect(answer.hasPrefix(#"{"code":400"#))
        #expect(await stranger.isOver)

        let friend = await world.client()
        await friend.send(
            try PomeloPacket.bytes(.handshake, Array(#"{"sys":{},"user":{"token":"sesame"}}"#.utf8)) + [2, 0, 0, 0])
        _ = await friend.packet()
        #expect(await friend.ask("room.who") == #""luda""#)
        world.world.advance(by: .seconds(59))
        #expect(await !friend.isOver)
        world.world.advance(by: .seconds(1))
        #expect(await friend.message()?.kind == "kick")
        #expect(await friend.isOver)
    }

    @Test func `a client that says nothing is closed at the third beat`() async throws {
        var settings = AppSettings()
        settings.heartbeat = .seconds(2)
        settings.handshakeLimit = .zero
        let world = try await AppWorld(app(settings))
        let client = await world.client()
        world.world.advance(by: .milliseconds(5999))
        #expect(await client.unread() == [3, 0, 0, 0, 3, 0, 0, 0])
        #expect(await !client.isOver)
        world.world.advance(by: .milliseconds(1))
        #expect(await client.isOver)
        #expect(await world.meter("omniway_app_closed_total", ("reason", "heartbeat-timeout")) == 1)
    }

    @Test func `a client that does not finish its handshake is closed in time`() async throws {
        let world = try await AppWorld(app())
        let client = await world.client()
        await client.send(TestClient.handshake)
        world.world.advance(by: .seconds(10))
        #expect(await client.isOver)
        #expect(await world.meter("omniway_app_closed_total", ("reason", "handshake-timeout")) == 1)
    }

    @Test func `what a session remembers is read by its type`() async throws {
        let app = app()
        app.on("room.data") { context in
            let session = context.session
            session["level"] = 5
            session["name"] = "luda"
            let level: Int? = session["level"]
            let wrong: String? = session["level"]
            return "\(level ?? 0) \(wrong ?? "none") \(session["name", as: String.self] ?? "")"
        }
        let world = try await AppWorld(app)
        #expect(await world.player().ask("room.data") == #""5 none luda""#)
    }

    @Test func `close callbacks run once, those of the session before those of the app`() async throws {
        let order = Lock<[String]>([])
        let app = app()
        app.onClose { _, reason in order.withLock { $0.append("app \(reason.name)") } }
        app.on("room.watch") { context in
            context.session.onClose { _, _ in order.withLock { $0.append("session") } }
            return true
        }
        let world = try await AppWorld(app)
        let player = await world.player()
        _ = await player.ask("room.watch")
        await player.close()
        #expect(order.withLock { $0 } == ["session", "app finished"])
        #expect(world.app.sessionCount == 0)
    }

    @Test func `ten thousand comings, replacements and kicks leave no count behind`() async throws {
        let app = app()
        app.onNotify("room.leave") { context in context.session.kick() }
        let world = try await AppWorld(app, loops: 2)
        for round in 0..<2_500 {
            let first = await world.player()
            let second = await world.player()
            await first.request("room.bind", "\"u\(round % 7)\"")
            await second.request("room.bind", "\"u\(round % 7)\"")
            await second.notify("room.leave")
            let third = await world.player()
            await third.close()
            let fourth = await world.client()
            await fourth.send([9])
        }
        #expect(app.sessionCount == 0)
        #expect(await world.meter("pitaya_acceptor_connected_clients") == 0)
        #expect(app.server?.directory.userCount == 0)
    }
}
