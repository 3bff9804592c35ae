import OmniwayTesting
import OmniwayTransport
import Testing

@testable import OmniwayApp

@Suite struct ModuleTests {
    private struct Failure: Error, CustomStringConvertible { let description = "no store" }

    /// Notes its life; fails where it is told to.
    private final class Noting: Module {
        let name: String
        let diary: Diary
        let failure: String
        init(_ name: String, _ diary: Diary, failsAt failure: String = "") {
            (self.name, self.diary, self.failure) = (name, diary, failure)
        }

        private func note(_ what: String) throws {
            diary.note("\(name) \(what)")
            if what == failure { throw Failure() }
        }
        func start(_ app: App) async throws { try note("start") }
        func afterStart(_ app: App) async throws { try note("afterStart") }
        func beforeStop(_ app: App) async { diary.note("\(name) beforeStop") }
        func stop(_ app: App) async { diary.note("\(name) stop") }
    }

    private final class Greeter: Service {
        let name = "greeter"
        let diary: Diary
        init(_ diary: Diary) { self.diary = diary }
        func handlers(_ table: ServiceTable) { table.on("Hello") { context in "hello" } }
        func start(_ app: App) async throws { diary.note("greeter start") }
        func stop(_ app: App) async { diary.note("greeter stop") }
    }

    private final class Nothing: Module { let name = "nothing" }

    @Test func `modules and services start in their order and stop in reverse`() async throws {
        let (app, diary) = (App(type: "room"), Diary())
        app.add(Noting("a", diary))
        app.add(Greeter(diary))
        app.add(Noting("b", diary))
        app.add(Nothing())
        let world = try await AppWorld(app)
        #expect(diary.all == ["a start", "greeter start", "b start", "a afterStart", "b afterStart"])
        #expect(await world.player().ask("room.greeter.Hello") == "\"hello\"")
        await app.stop()
        #expect(diary.all.dropFirst(5) == ["b beforeStop", "a beforeStop", "b stop", "greeter stop", "a stop"])
        await app.stop()
        #expect(diary.count == 10)
    }

    @Test func `a service has its handlers under its name, or another one and by a rule`() async throws {
        let (app, diary) = (App(type: "room"), Diary())
        app.add(Greeter(diary))
        app.add(Greeter(diary), name: "other", naming: { $0.lowercased() })
        let world = try await AppWorld(app)
        let player = await world.player()
        #expect(await player.ask("greeter.Hello") == "\"hello\"")
        #expect(await player.ask("other.hello") == "\"hello\"")
        #expect(diary.all == ["greeter start", "greeter start"])
    }

    @Test func `an error at the start stops those that have started, and nobody listens`() async throws {
        let (app, diary) = (App(type: "room"), Diary())
        app.add(Noting("a", diary))
        app.add(Noting("b", diary))
        app.add(Noting("c", diary, failsAt: "start"))
        app.add(Noting("d", diary))
        let timer = app.every(.seconds(1)) {}
        let transport = InProcess()
        app.listen(transport)
        let world = SimulatedWorld()
        let error = await #expect(throws: AppStartError.self) { try await app.start(on: world.loops) }
        #expect("\(try #require(error))" == "the module c did not start: no store")
        #expect(diary.all == ["a start", "b start", "c start", "b stop", "a stop"])
        #expect(!timer.isRunning)
        #expect(app.addresses.isEmpty)
        let client = await TestClient(dials: transport, in: world)
        #expect(await client.isOver)
        await #expect(throws: AppStartError.self) { try await app.start(on: world.loops) }
    }

    @Test func `an error after the start stops all, and tells those that knew`() async throws {
        let (app, diary) = (App(type: "room"), Diary())
        app.add(Noting("a", diary))
        app.add(Noting("b", diary, failsAt: "afterStart"))
        app.add(Noting("c", diary))
        let error = await #expect(throws: AppStartError.self) { try await AppWorld(app) }
        #expect("\(try #require(error))" == "the module b did not start: no store")
        #expect(
            diary.all == [
                "a start", "b start", "c start", "a afterStart", "b afterStart", "a beforeStop", "c stop", "b stop",
                "a stop",
            ])
    }

    @Test func `names are unique among modules and services`() async throws {
        let (app, diary) = (App(type: "room"), Diary())
        app.add(Greeter(diary))
        app.add(Noting("greeter", diary))
        let error = await #expect(throws: AppStartError.self) { try await AppWorld(app) }
        #expect("\(try #require(error))".contains("two modules are named greeter; their names tell them apart"))
        #expect(diary.count == 0)
    }

    @Test func `modules stop when the last session has ended and its hooks have run`() async throws {
        let (app, diary) = (App(type: "room"), Diary())
        app.add(Noting("a", diary))
        app.onClose { session, reason in diary.note("session \(reason.name)") }
        let world = try await AppWorld(app, loops: 2)
        let players = [await world.player(), await world.player()]
        await app.stop()
        #expect(diary.all.suffix(4) == ["a beforeStop", "session shutdown", "session shutdown", "a stop"])
        #expect(app.sessionCount == 0)
        world.world.settle()
        #expect(diary.all.last == "a stop")
        for player in players { #expect(await player.isOver) }
        #expect(await world.meter("pitaya_acceptor_connected_clients") == 0)
    }
}
