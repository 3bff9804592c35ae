import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

@testable import OmniwayApp

@Suite struct DrainTests {
    /// Counts sessions of its own, as a match that has to be played to its end.
    private final class Matches: Module {
        let name = "matches"
        let diary: Diary
        private let sessions: Lock<Int>
        init(_ sessions: Int, _ diary: Diary) { (self.sessions, self.diary) = (Lock(sessions), diary) }
        var sessionCount: Int { sessions.withLock { $0 } }
        func startDraining(_ app: App) { diary.note("draining") }
        func stop(_ app: App) async { diary.note("stop") }
        func end() { sessions.withLock { $0 = 0 } }
    }

    /// No timers but those of the test.
    private func app(_ change: (inout AppSettings.SessionDrain) -> Void = { _ in }) -> App {
        var settings = AppSettings()
        (settings.heartbeat, settings.handshakeLimit) = (.zero, .zero)
        var drain = AppSettings.SessionDrain()
        (drain.limit, drain.period, drain.spread) = (.seconds(600), .seconds(5), .seconds(10))
        change(&drain)
        settings.drain = drain
        let app = App(type: "room", settings: settings)
        app.on("room.echo") { (body: [UInt8], context) in body }
        app.on("room.slow") { (body: [UInt8], context) in
            try await context.sleep(for: .seconds(3))
            return body
        }
        return app
    }

    /// Lets the app that stops come to where it waits for time to pass.
    private func untilItWaits(_ world: AppWorld) async {
        while world.world.loops.allSatisfy({ $0.simulatedDeadline == nil }) { await Task.yield() }
    }

    private func open(_ players: [TestClient]) async -> Int {
        var count = 0
        for player in players where await !player.isOver { count += 1 }
        return count
    }

    @Test func `sessions are served until they leave, and no new ones come`() async throws {
        let (app, diary) = (app(), Diary())
        app.add(Matches(0, diary))
        let world = try await AppWorld(app, loops: 2)
        let players = [await world.player(), await world.player()]
        async let cutOff = app.stop()
        await untilItWaits(world)
        #expect(diary.all == ["draining"])
        #expect(await world.client().isOver)
        world.world.advance(by: .seconds(60))
        #expect(await players[0].ask("room.echo", "still") == "still")
        await players[0].close()
        world.world.advance(by: .seconds(60))
        #expect(await players[1].ask("room.echo", "served") == "served")
        await players[1].close()
        #expect(diary.all == ["draining"])
        world.world.advance(by: .seconds(5))
        #expect(await cutOff == 0)
        #expect(diary.all == ["draining", "stop"])
    }

    @Test func `an app can push to those who are left while others leave`() async throws {
        let app = app()
        app.on("room.bind") { (user: String, context) in
            try await context.session.bind(user)
            return user
        }
        let world = try await AppWorld(app)
        let player = await world.player()
        _ = await player.ask("room.bind", "\"ann\"")
        async let cutOff = app.stop()
        await untilItWaits(world)
        #expect(try app.push("onEnd", "soon", to: ["ann"]) == [])
        world.world.settle()
        #expect(await player.message()?.description == "push 0 onEnd \"soon\"")
        await player.close()
        world.world.advance(by: .seconds(5))
        #expect(await cutOff == 0)
        #expect(try app.push("onEnd", "over", to: ["ann"]) == ["ann"])
    }

    @Test func `it waits for what modules count, too`() async throws {
        let (app, diary) = (app(), Diary())
        let matches = Matches(3, diary)
        app.add(matches)
        let world = try await AppWorld(app)
        async let cutOff = app.stop()
        await untilItWaits(world)
        world.world.advance(by: .seconds(300))
        #expect(diary.all == ["draining"])
        matches.end()
        world.world.advance(by: .seconds(5))
        #expect(await cutOff == 0)
        #expect(diary.all == ["draining", "stop"])
    }

    @Test func `a module that counts for ever is waited for as long as the limit says`() async throws {
        let (app, diary) = (app { $0.limit = .seconds(12) }, Diary())
        app.add(Matches(.max, diary))
        app.add(Counting())
        let world = try await AppWorld(app)
        async let cutOff = app.stop()
        await untilItWaits(world)
        world.world.advance(by: .milliseconds(11_999))
        #expect(diary.all == ["draining"])
        world.world.advance(by: .milliseconds(1))
        #expect(await cutOff == 0)
        #expect(diary.all == ["draining", "stop"])
    }
    private final class Counting: Module {
        let name = "counting"
        var sessionCount: Int { .max }
    }

    @Test func `sessions that do not leave are closed one after the other, and served until then`() async throws {
        let app = app { ($0.limit, $0.spread) = (.seconds(20), .seconds(10)) }
        let reasons = Diary()
        app.onClose { _, reason in reasons.note(reason.name) }
        let world = try await AppWorld(app)
        var players: [TestClient] = []
        for _ in 0..<10 { players.append(await world.player()) }
        async let cutOff = app.stop()
        await untilItWaits(world)
        world.world.advance(by: .milliseconds(19_999))
        #expect(await open(players) == 10)
        world.world.advance(by: .milliseconds(1))
        await untilItWaits(world)
        world.world.settle()
        #expect(await open(players) == 9)
        for left in stride(from: 8, through: 1, by: -1) {
            world.world.advance(by: .seconds(1))
            #expect(await open(players) == left)
        }
        let last = try #require(players.last)
        #expect(await last.ask("room.echo", "still") == "still")
        world.world.advance(by: .seconds(1))
        #expect(await cutOff == 0)
        #expect(await open(players) == 0)
        #expect(reasons.all == Array(repeating: "shutdown", count: 10))
    }

    @Test(arguments: [Duration.zero, .milliseconds(15)]) func `a short time closes several in one step`(
        _ spread: Duration
    ) async throws {
        let app = app { ($0.limit, $0.spread) = (.zero, spread) }
        let world = try await AppWorld(app, loops: 2)
        var players: [TestClient] = []
        for _ in 0..<7 { players.append(await world.player()) }
        #expect(await app.stop() == 0)
        world.world.settle()
        #expect(await open(players) == 0)
    }

    @Test func `messages under way come to their end before their session is closed`() async throws {
        let app = app { ($0.limit, $0.spread) = (.zero, .zero) }
        let world = try await AppWorld(app, loops: 2)
        let (slow, idle) = (await world.player(), await world.player())
        await slow.request("room.slow", "late")
        async let cutOff = app.stop()
        while await !idle.isOver {
            world.world.settle()
            await Task.yield()
        }
        await slow.request("room.echo", "not read any more")
        #expect(await slow.message() == nil)
        world.world.advance(by: .seconds(3))
        #expect(await cutOff == 0)
        world.world.settle()
        #expect(await slow.message()?.text == "late")
        #expect(await slow.message() == nil)
        #expect(await slow.isOver)
    }

    @Test func `a session ends with its own answer, and waits for nobody else's`() async throws {
        let app = app { ($0.limit, $0.spread) = (.zero, .zero) }
        let world = try await AppWorld(app, loops: 2)
        let (first, second, idle) = (await world.player(), await world.player(), await world.player())
        await first.request("room.slow", "first")
        world.world.advance(by: .seconds(1))
        await second.request("room.slow", "second")
        async let cutOff = app.stop()
        while await !idle.isOver {
            world.world.settle()
            await Task.yield()
        }
        world.world.advance(by: .milliseconds(2500))
        #expect(await first.message()?.text == "first")
        #expect(await first.isOver)
        #expect(await !second.isOver)
        world.world.advance(by: .seconds(3))
        #expect(await cutOff == 0)
        world.world.settle()
        #expect(await second.message()?.text == "second")
        #expect(await second.isOver)
    }

    @Test func `it always ends: loops that end while an app drains let it go`() async throws {
        let app = app()
        let world = try await AppWorld(app)
        let player = await world.player()
        async let cutOff = app.stop()
        await untilItWaits(world)
        for loop in world.world.loops { await loop.shutdown() }
        #expect(await cutOff == 0)
        #expect(await player.isOver)
    }

    @Test func `a drain that cannot be keeps the app from starting`() async throws {
        let app = app { $0.period = .zero }
        let error = await #expect(throws: AppStartError.self) { try await AppWorld(app) }
        #expect("\(try #require(error))".contains("drain is"))
    }
}
