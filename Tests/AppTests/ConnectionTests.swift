import Omniway
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayApp

/// What happens to a session at awkward moments.
@Suite struct ConnectionTests {
    private func app(_ change: (inout AppSettings) -> Void = { _ in }) -> App {
        var settings = AppSettings()
        (settings.heartbeat, settings.compression) = (.zero, .off)
        change(&settings)
        let app = App(type: "room", settings: settings)
        app.on("room.bind") { (user: String, context) in
            try await context.session.bind(user)
            return "bound"
        }
        app.on("room.who") { context in context.session.uid ?? "nobody" }
        app.on("room.echo") { (body: [UInt8], context) in body }
        app.on("room.sleep") { (body: [UInt8], context) in
            try await context.sleep(for: .seconds(1))
            return body
        }
        return app
    }

    // MARK: Binding

    @Test func `nobody is who they say before the hooks have agreed, and only one may be asked about`() async throws {
        let (app, gate) = (app(), Gate())
        app.onBind { _, user in
            await gate.pass()
            if user == "admin" { throw AppError("NO", "not you") }
        }
        let world = try await AppWorld(app)
        let player = await world.player()
        await player.request("room.bind", #""admin""#, id: 1)
        #expect(await player.ask("room.who", id: 2) == #""nobody""#)
        #expect(await player.ask("room.bind", #""ann""#, id: 3)?.contains("already bound") == true)
        gate.letPass()
        await world.settle { await player.hasMessage }
        #expect(await player.message()?.text == #"{"code":"NO","msg":"not you"}"#)
        gate.open()
        await player.request("room.bind", #""ann""#, id: 4)
        await world.settle { await player.hasMessage }
        #expect(await player.message()?.text == #""bound""#)
        #expect(await player.ask("room.who", id: 5) == #""ann""#)
    }

    @Test func `a session that is kicked while it is bound ends as nobody, and replaces nobody`() async throws {
        let (app, gate, ends) = (app(), Gate(), Diary())
        app.onBind { session, _ in if session.id == 2 { await gate.pass() } }
        app.onClose { session, reason in ends.note("\(session.uid ?? "nobody") \(reason.name)") }
        app.on("room.kick") { context in
            context.session.kick()
            return context.session.isOpen
        }
        let world = try await AppWorld(app)
        let (first, second) = (await world.player(), await world.player())
        _ = await first.ask("room.bind", #""ann""#)
        await second.send(
            TestClient.message(.request(id: 1, .text("room.bind")), #""ann""#)
                + TestClient.message(.request(id: 2, .text("room.kick")), ""))
        #expect(await second.isOver)
        gate.open()
        await world.settle { await world.meter("omniway_app_calls") == 0 }
        #expect(ends.all == ["nobody kicked"])
        #expect(await first.ask("room.who") == #""ann""#)
        #expect(app.player("ann")?.id == 1)
    }

    @Test func `who asks for the end of a session that is over hears how it ended`() async throws {
        let (app, gate, ends) = (app(), Gate(), Diary())
        app.onNotify("room.late") { context in
            await gate.pass()
            context.session.expire(after: .zero)
            context.session.onClose { _, reason in ends.note(reason.name) }
            ends.note("\(context.session.isOpen)")
        }
        let world = try await AppWorld(app)
        let player = await world.player()
        await player.notify("room.late")
        await player.send([9])
        gate.open()
        await world.settle { ends.count == 2 }
        #expect(ends.all == ["bad-packet", "false"])
    }

    // MARK: Coming in

    @Test func `what is pushed to a client before it is in waits until it is`() async throws {
        for keepsMessages in [false, true] {
            let app = app()
            app.authenticate { session in
                try await session.bind("ann")
                try session.push("onHello", "early")
                try app.push("onNews", "early too", to: ["ann"])
            }
            let world = try await AppWorld(app)
            let client = await world.client(keepsMessages: keepsMessages)
            await client.send(TestClient.handshake)
            #expect(await client.packet()?.kind == .handshake)
            try world.app.push("onNews", "again", to: ["ann"])
            world.world.settle()
            #expect(await client.packet() == nil)
            await client.send([2, 0, 0, 0])
            #expect(await client.message()?.description == "push 0 onHello \"early\"")
            #expect(await client.message()?.description == "push 0 onNews \"early too\"")
            #expect(await client.message()?.description == "push 0 onNews \"again\"")
            #expect(await client.ask("room.echo", "x") == "x")
        }
    }

    @Test func `more pushes than may wait for a client that does not come in close it`() async throws {
        let app = app { $0.queue = QueueLimits(low: 100, high: 1000, most: 10_000) }
        app.authenticate { session in
            for _ in 1...1000 { try session.push("onHello", "early") }
        }
        let world = try await AppWorld(app)
        let client = await world.client()
        await client.send(TestClient.handshake)
        #expect(await client.isOver)
        #expect(await world.meter("omniway_app_closed_total", ("reason", "slow-reader")) == 1)
    }

    @Test func `an authentication is cancelled when its client leaves`() async throws {
        let (app, gate, diary) = (app(), Gate(), Diary())
        app.authenticate { session in
            await gate.pass()
            diary.note("open \(session.isOpen), cancelled \(Task.isCancelled)")
        }
        let world = try await AppWorld(app)
        let client = await world.client()
        await client.send(TestClient.handshake)
        await client.breakOff()
        gate.open()
        await world.settle { diary.count == 1 }
        #expect(diary.all == ["open false, cancelled true"])
    }

    // MARK: Sizes

    @Test func `an error of more words than a packet holds is an answer all the same`() async throws {
        let app = app()
        app.on("room.fail") { (context) -> String in
            throw AppError("LONG", String(repeating: "x", count: PomeloPacket.mostBodyBytes))
        }
        let world = try await AppWorld(app)
        let player = await world.player()
        #expect(await player.ask("room.fail")?.hasPrefix(#"{"code":"PIT-500""#) == true)
        #expect(await player.ask("room.echo", "x") == "x")
    }

    @Test func `a push that no packet holds is an error of who pushes`() async throws {
        let app = app()
        app.on("room.push") { (context) -> String in
            do { try context.session.push(String(repeating: "r", count: 256), 1) } catch { return "\(error)" }
            return "sent"
        }
        let world = try await AppWorld(app)
        #expect(await world.player().ask("room.push")?.contains("256") == true)
    }

    // MARK: Waiting

    @Test func `a client that reads nothing does not live on because it is not read`() async throws {
        let app = app { $0.heartbeat = .seconds(30) }
        app.on("room.much") { context in [UInt8](repeating: 1, count: 2 << 20) }
        let world = try await AppWorld(app)
        let player = await world.player()
        await player.recorder.run { _, recorder in recorder.link?.pauseReading() }
        await player.request("room.much")
        for _ in 1...4 {
            await player.send([3, 0, 0, 0])
            world.world.advance(by: .seconds(30))
        }
        #expect(await world.meter("omniway_app_closed_total", ("reason", "heartbeat-timeout")) == 1)
    }

    @Test func `a full server still lets clients in and hears that they live`() async throws {
        let app = app {
            $0.heartbeat = .seconds(1)
            $0.inFlight.perServer = 1
        }
        app.on("room.long") { (body: [UInt8], context) in
            try await context.sleep(for: .seconds(60))
            return body
        }
        let world = try await AppWorld(app)
        let first = await world.player()
        await first.request("room.long")
        let second = await world.client()
        await second.send(TestClient.handshake)
        #expect(await second.packet()?.kind == .handshake)
        await second.send([2, 0, 0, 0, 3, 0, 0, 0])
        #expect(await world.waiting == 0)
        await second.request("room.echo", "x")
        #expect(await world.waiting == 1)
        #expect(await second.message() == nil)
    }

    @Test func `those who waited for room and left are not remembered`() async throws {
        let app = app { $0.inFlight.perServer = 1 }
        app.on("room.long") { (body: [UInt8], context) in
            try await context.sleep(for: .seconds(60))
            return body
        }
        let world = try await AppWorld(app)
        await world.player().request("room.long")
        for _ in 1...300 {
            let player = await world.player()
            await player.request("room.echo")
            await player.breakOff()
        }
        #expect(await world.waiting <= 64)
        let last = await world.player()
        await last.request("room.echo", "x")
        world.world.advance(by: .seconds(60))
        #expect(await last.message()?.text == "x")
        #expect(await world.waiting == 0)
    }

    // MARK: The ends of an app

    @Test func `a client whose handshake below was under way when the app stopped is not let in`() async throws {
        let (app, carriers, world) = (app(), InProcess(), SimulatedWorld())
        app.listen(WebSocket(path: "/").over(carriers))
        try await app.start(on: world.loops)
        let client = await TestClient(dials: carriers, in: world)
        let upgrade = Array(
            ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").utf8)
        await client.send(Array(upgrade.prefix(40)))
        let sessions = try #require(app.server?.directory)
        await app.stop()
        await client.send(Array(upgrade.dropFirst(40)))
        #expect(sessions.count == 0)
    }

    @Test func `an app that is stopped while it starts has not started`() async throws {
        let (app, gate, diary) = (app(), Gate(), Diary())
        app.add(Slow(gate, diary))
        let world = SimulatedWorld()
        let streams = InProcess()
        app.listen(streams)
        let loops = world.loops
        async let start: Void = app.start(on: loops)
        while gate.count == 0 { await Task.yield() }
        #expect(await app.stop() == 0)
        gate.open()
        do {
            try await start
            Issue.record("it started")
        } catch { #expect("\(error)".contains("stopped")) }
        #expect(diary.all == ["started", "stopped"])
        #expect(await TestClient(dials: streams, in: world).isOver)
    }
    private final class Slow: Module {
        let name = "slow"
        private let (gate, diary): (Gate, Diary)
        init(_ gate: Gate, _ diary: Diary) { (self.gate, self.diary) = (gate, diary) }
        func start(_ app: App) async throws {
            await gate.pass()
            diary.note("started")
        }
        func stop(_ app: App) async { diary.note("stopped") }
    }

    @Test func `limits that cannot be keep an app from starting`() async throws {
        let app = app { ($0.maxPacketSize, $0.callLimit, $0.maxSessions) = (0, .zero, 0) }
        let error = await #expect(throws: AppStartError.self) { try await AppWorld(app) }
        for word in ["maxPacketSize", "callLimit", "maxSessions"] {
            #expect("\(try #require(error))".contains(word))
        }
    }
}

extension AppWorld {
    /// Until it is so: a task that something outside has woken comes to its loop when it likes.
    func settle(until isSo: () async -> Bool) async {
        for _ in 1...10_000 {
            world.settle()
            if await isSo() { return }
            await Task.yield()
        }
    }

    /// How many places are taken in the lines of those who wait for room.
    var waiting: Int {
        get async {
            var sum = 0
            for shard in app.server?.shards ?? [] { sum += await shard.run { _, shard in shard.waitingCount } }
            return sum
        }
    }
}

extension TestClient {
    /// Leaves without an end that would have to be read.
    func breakOff() async {
        await recorder.run { _, recorder in recorder.link?.close(.reset) }
        world.settle()
    }
}
