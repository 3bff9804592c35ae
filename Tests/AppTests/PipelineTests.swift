import Omniway
import OmniwayTesting
import OmniwayWire
import Testing

@testable import OmniwayApp

@Suite struct PipelineTests {
    private static let changed = Array(#""changed""#.utf8)

    /// An app with one handler that is plain and one that waits; both say what they got.
    private func app() -> App {
        let app = App(type: "room")
        app.on("room.plain") { (text: String, context) in "\(text) \(context.metadata["from"]?.description ?? "")" }
        app.on("room.async") { (text: String, context) in
            await Task.yield()
            return "\(text) \(context.metadata["from"]?.description ?? "")"
        }
        app.on("room.fails") { context -> String in throw AppError("NO", "never") }
        return app
    }

    private func answers(_ app: App, _ route: String, _ body: String = #""said""#) async throws -> String? {
        try await AppWorld(app).player().ask(route, body)
    }

    @Test(arguments: ["room.plain", "room.async"])
    func `a before function changes body and context`(_ route: String) async throws {
        let app = app()
        app.before { body, context in
            body = Self.changed
            context.metadata["from"] = "first"
        }
        app.before { body, context in context.metadata["from"] = "second" }
        #expect(try await answers(app, route) == #""changed \"second\"""#)
    }

    @Test(arguments: ["room.plain", "room.async"])
    func `a before function that throws is the answer, and nothing else runs`(_ route: String) async throws {
        let app = app()
        app.before { _, _ in throw AppError("STOP", "not now") }
        app.before { _, _ in Issue.record("a before function ran behind one that threw") }
        app.after { _, _ in Issue.record("an after function ran") }
        #expect(try await answers(app, route) == #"{"code":"STOP","msg":"not now"}"#)
    }

    @Test(arguments: ["room.plain", "room.async"])
    func `an after function replaces the result, and an error`(_ route: String) async throws {
        let app = app()
        app.after { outcome, _ in outcome = .failure(AppError("A", "replaced")) }
        app.after { outcome, context in
            if case .failure = outcome { outcome = Result { try context.encode("saved") } }
        }
        #expect(try await answers(app, route) == #""saved""#)
        #expect(try await answers(self.app(), "room.fails", "") == #"{"code":"NO","msg":"never"}"#)
    }

    @Test func `functions that wait run in their order around plain handlers`() async throws {
        let app = app()
        app.before { body, context in
            try await context.sleep(for: .seconds(1))
            body = Self.changed
        }
        app.after { outcome, context in
            await Task.yield()
            outcome = Result { try context.encode("after") }
        }
        let world = try await AppWorld(app)
        let player = await world.player()
        await player.request("room.plain", #""said""#)
        #expect(await !player.hasMessage)
        world.world.advance(by: .seconds(1))
        #expect(await player.message()?.text == #""after""#)
    }

    @Test func `what is wrong with an app is said at its start, all at once`() async throws {
        let app = App(type: "room")
        app.on("room.a") { (body: [UInt8], context) in body }
        app.on("room.a") { (body: [UInt8], context) in body }
        app.on("nowhere") { (body: [UInt8], context) in body }
        app.on("chat.room.b") { (body: [UInt8], context) in body }
        app.on("room.c") { (link: Link, context) in "" }
        app.on("room.d") { context in context.session.kick() }
        app.compress(["a": 1, "b": 1])
        let error = await #expect(throws: AppStartError.self) { try await AppWorld(app) }
        #expect(
            "\(try #require(error))" == """
                the app cannot start:
                  the route room.a has two handlers
                  "nowhere" is no route: invalid route; write service.method
                  the route chat.room.b is of servers chat, and this is room
                  the handler of room.c takes Link, which the serializer json cannot decode
                  the handler of room.d answers with nothing; say onNotify
                  the routes a and b both have the code 1; give one of them another
                """)
    }

    @Test func `a request to a notify, and a notify to a request`() async throws {
        let app = app()
        app.onNotify("room.hears") { (text: String, context) in try context.session.push("heard", text) }
        let player = try await AppWorld(app).player()
        #expect(
            await player.ask("room.hears", #""x""#) == #"{"code":"PIT-400","msg":"tried to request a notify route"}"#)
        await player.notify("room.hears", #""x""#)
        #expect(await player.message()?.route == "heard")
        await player.notify("room.plain", #""x""#)
        #expect(await player.message() == nil)
    }

    @Test func `routes of the dictionary go as codes both ways`() async throws {
        let app = app()
        app.on("room.push") { context in
            try context.session.push("heard", 1)
            return 2
        }
        app.compress(["room.room.push": 7, "heard": 9])
        let player = try await AppWorld(app).player()
        await player.send(TestClient.message(.request(id: 3, .code(7)), ""))
        let push = try #require(await player.packet()).body
        #expect(push == [0x07, 0, 9, UInt8(ascii: "1")])
        #expect(await player.message()?.text == "2")
    }

    @Test func `a service's handlers stand under its name`() async throws {
        let app = App(type: "room")
        app.add(Desk(), naming: { $0.lowercased() })
        let world = try await AppWorld(app)
        #expect(await world.player().ask("desk.hello", #""luda""#) == #""hello luda""#)
        #expect(await world.player().ask("room.desk.wait", #""luda""#) == #""waited for luda""#)
    }

    private final class Desk: Service {
        let name = "desk"
        func handlers(_ table: ServiceTable) {
            table.on("Hello", hello)
            table.on("Wait", wait)
        }
        @Sendable func hello(_ name: String, _ context: Context) throws -> String { "hello \(name)" }
        @Sendable func wait(_ name: String, _ context: Context) async throws -> String {
            await Task.yield()
            return "waited for \(name)"
        }
    }
}
