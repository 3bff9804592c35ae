import Omniway
import OmniwayTesting
import Testing

@testable import ConformanceServer
@testable import OmniwayApp

/// A client and a real app, on virtual time.
@Suite(.timeLimit(.minutes(2))) struct AppClientTests {
    private typealias Scenario = nonisolated(nonsending) @Sendable (AppClient, any Dialer) async throws -> Void

    private func play(
        _ app: App = conformanceApp(), _ settings: AppClientSettings = AppClientSettings(), _ body: @escaping Scenario
    ) async throws {
        let server = try await AppWorld(app)
        let (dialer, loop) = (server.streams, server.world.first)
        try await server.world.play {
            try await body(try await AppClient(over: dialer, on: loop, settings), dialer)
        }
    }

    private static func hangingUp() -> App {
        let app = conformanceApp()
        app.onNotify("room.hangup") { context in context.session.close() }
        return app
    }

    // MARK: Requests

    @Test func `a request is answered with a value, bytes with bytes`() async throws {
        try await play { client, _ in
            let reply: Reply = try await client.request("room.bind", Message(content: "ann"))
            #expect(reply.result == "bound ann")
            let bytes: [UInt8] = try await client.request("room.echo", Array("as it is".utf8))
            #expect(bytes == Array("as it is".utf8))
            let json: JSON = try await client.request("room.get")
            #expect(json["handshake"]?["sys"]?["platform"] == "swift")
        }
    }

    @Test func `an error of the server is thrown as it is`() async throws {
        try await play { client, _ in
            await #expect(throws: AppError("RM-001", "bad", metadata: ["k": "v"])) {
                let _: Reply = try await client.request("room.err", Message(content: "bad"))
            }
        }
    }

    @Test func `an answer that is another value is said to be`() async throws {
        try await play { client, _ in
            do {
                let _: Reply = try await client.request("room.echo", Message(content: "no reply"))
                Issue.record("it was read")
            } catch AppClientError.unreadable(let text) { #expect(text.hasPrefix("room.echo: ")) }
        }
    }

    @Test func `what cannot be sent fails before it is`() async throws {
        try await play(conformanceApp(), .with { $0.compression = .off }) { client, _ in
            await #expect(throws: AppClientError.self) {
                try await client.notify(String(repeating: "r", count: 256), Message(content: ""))
            }
            await #expect(throws: AppClientError.self) { try await client.notify("room.notify", 0.0 / 0.0) }
            await #expect(throws: AppClientError.self) {
                try await client.notify("room.notify", [UInt8](repeating: 0, count: 1 << 24))
            }
            #expect(client.state == .connected)
        }
    }

    @Test func `a request without an answer fails in time, and its late answer disturbs nobody`() async throws {
        try await play { client, _ in
            do {
                let _: Reply = try await client.request("room.sleep", Message(content: "late", n: 6000))
                Issue.record("it was answered")
            } catch let error as AppError {
                #expect(error.code == AppError.noAnswer)
                #expect(error.metadata == ["route": "room.sleep"])
            }
            let reply: Reply = try await client.request(
                "room.sleep", Message(content: "in time", n: 6000), within: .seconds(7))
            #expect(reply.result == "in time")
        }
    }

    @Test func `so many requests are under way, others wait, and notifies do not`() async throws {
        let settings = AppClientSettings.with {
            $0.mostRequests = 2
            $0.mostWaiting = 1
        }
        let notes = Notes<String>()
        try await play(conformanceApp(), settings) { client, _ in
            client.on("onNotify") { (message: Message) in notes.add(message.content) }
            await withTaskGroup(of: Void.self) { group in
                for number in 1...4 {
                    group.addTask {
                        do {
                            let message = Message(content: "\(number)", n: 1000 * number)
                            let reply: Reply = try await client.request("room.sleep", message)
                            notes.add(reply.result)
                        } catch { notes.add("\(error)") }
                    }
                }
                group.addTask { try? await client.notify("room.notify", Message(content: "told")) }
            }
        }
        #expect(Set(notes.all.prefix(2)) == [AppClientError.tooManyWaiting(1).description, "told"])
        #expect(notes.all.dropFirst(2) == ["1", "2", "3"])
    }

    @Test func `a cancelled task gives its request up, and its place`() async throws {
        let settings = AppClientSettings.with { $0.mostRequests = 1 }
        try await play(conformanceApp(), settings) { client, _ in
            let asking = Task.immediate {
                let _: Reply = try await client.request("room.sleep", Message(content: "", n: 4000))
            }
            let _: JSON = try await withThrowingTaskGroup(of: JSON.self) { group in
                group.addTask { try await client.request("room.get", within: .seconds(1)) }
                asking.cancel()
                return try await group.next() ?? [:]
            }
            await #expect(throws: CancellationError.self) { try await asking.value }
        }
    }

    // MARK: Pushes

    @Test func `pushes come in order, and before the answer behind them`() async throws {
        try await play { client, _ in
            let heard = Notes<Int?>()
            client.on("onPush") { (message: Message) in heard.add(message.n) }
            let _: Reply = try await client.request("room.push", Message(content: "p", n: 3))
            #expect(heard.all == [nil, 1, 2])
            var found: [Int?] = []
            let pushes = client.pushes("onPush", as: Message.self)
            let _: Reply = try await client.request("room.push", Message(content: "p", n: 3))
            for await message in pushes {
                found.append(message.n)
                if found.count == 3 { break }
            }
            #expect(found == [nil, 1, 2])
        }
    }

    @Test func `what came before anybody asked is not lost`() async throws {
        try await play { client, _ in
            let _: Reply = try await client.request("room.push", Message(content: "early", n: 1))
            for await message: Message in client.pushes("onPush") {
                #expect(message.content == "early")
                break
            }
            try await client.notify("room.notify", Message(content: "earlier"))
            let _: JSON = try await client.request("room.get")
            let heard = Notes<String>()
            client.on("onNotify") { (message: Message) in heard.add(message.content) }
            let _: JSON = try await client.request("room.get")
            #expect(heard.all == ["earlier"])
            #expect(client.lostPushes == LostPushes())
        }
    }

    @Test func `what nobody asked for by its route goes to who asks for all others`() async throws {
        try await play { client, _ in
            let (notified, others) = (Notes<String>(), Notes<String>())
            try await client.notify("room.notify", Message(content: "before"))
            let _: JSON = try await client.request("room.get")
            client.onOthers { route, body in others.add("\(route) \(String(decoding: body, as: UTF8.self))") }
            client.on("onNotify") { (message: Message) in notified.add(message.content) }
            try await client.notify("room.notify", Message(content: "after"))
            let _: Reply = try await client.request("room.push", Message(content: "p", n: 1))
            #expect(notified.all == ["after"])
            #expect(others.all == [#"onNotify {"content":"before"}"#, #"onPush {"content":"p"}"#])
            #expect(client.lostPushes == LostPushes())
        }
    }

    @Test func `who reads slowly loses the oldest, which are counted, and holds up nobody`() async throws {
        let settings = AppClientSettings.with { $0.mostPushes = 3 }
        try await play(conformanceApp(), settings) { client, _ in
            let pushes = client.pushes("onPush", as: Message.self)
            let _: Reply = try await client.request("room.push", Message(content: "", n: 10))
            #expect(client.lostPushes.unread == 7)
            var found: [Int?] = []
            for await message in pushes {
                found.append(message.n)
                if found.count == 3 { break }
            }
            #expect(found == [7, 8, 9])
            for _ in 0..<5 { try await client.notify("room.notify", Message(content: "")) }
            let _: JSON = try await client.request("room.get")
            #expect(client.lostPushes.unwanted == 2)
        }
    }

    @Test func `pushes that wait have a limit of bytes as well, and the newest stays`() async throws {
        let settings = AppClientSettings.with { $0.mostPushBytes = 10 }
        try await play(conformanceApp(), settings) { client, _ in
            let pushes = client.pushes("onNotify", as: Message.self)
            for text in ["one", "another one"] { try await client.notify("room.notify", Message(content: text)) }
            let _: JSON = try await client.request("room.get")
            #expect(client.lostPushes.unread == 1)
            for await message in pushes {
                #expect(message.content == "another one")
                break
            }
        }
    }

    @Test func `a push that is no such value is counted and passed over`() async throws {
        try await play { client, _ in
            let numbers = client.pushes("onNotify", as: [Int].self)
            let again = client.pushes("onNotify", as: Message.self)
            try await client.notify("room.notify", Message(content: "no number"))
            for await message in again {
                #expect(message.content == "no number")
                break
            }
            client.disconnect()
            for await number in numbers { Issue.record("\(number)") }
            #expect(client.lostPushes.malformed == 1)
        }
    }

    // MARK: Coming in, coming back

    @Test func `who is refused hears the code, and does not come back`() async throws {
        let server = try await AppWorld(conformanceApp())
        let (dialer, loop) = (server.streams, server.world.first)
        try await server.world.play {
            await #expect(throws: AppClientError.refused(code: 400)) {
                _ = try await AppClient(over: dialer, on: loop, .with { $0.handshake.user = ["reject": true] })
            }
        }
        server.world.advance(by: .seconds(100))
        #expect(await server.meter("omniway_app_closed_total", ("reason", "handshake-refused")) == 1)
    }

    @Test func `a client with another serializer is told which it is`() async throws {
        let server = try await AppWorld(conformanceApp())
        let (dialer, loop) = (server.streams, server.world.first)
        try await server.world.play {
            await #expect(throws: AppClientError.serializer(server: "json", client: "protobuf")) {
                _ = try await AppClient(over: dialer, on: loop, .with { $0.serializer = ProtobufSerializer() })
            }
        }
    }

    @Test func `with nobody there the client is not made, and nothing goes on`() async throws {
        let world = SimulatedWorld()
        let (dialer, loop) = (InProcess(), world.first)
        try await world.play {
            await #expect(throws: AppClientError.lost(.refused)) { _ = try await AppClient(over: dialer, on: loop) }
        }
        #expect(world.first.simulatedDeadline == nil)
    }

    @Test func `a kick ends the client for good`() async throws {
        try await play { client, _ in
            let pushes = client.pushes("onPush", as: Message.self)
            let lost = Task.immediate { () -> Reply in
                try await client.request("room.sleep", Message(content: "", n: 4000))
            }
            try await client.notify("room.kickme", Message(content: ""))
            await #expect(throws: AppClientError.kicked) { try await lost.value }
            for await _ in pushes { Issue.record("a push") }
            var states: [AppClient.State] = []
            for await state in client.states { states.append(state) }
            #expect(states == [.ended(.kicked)])
            await #expect(throws: AppClientError.kicked) { let _: JSON = try await client.request("room.get") }
            for await _ in client.pushes("onPush", as: Message.self) { Issue.record("a push") }
        }
    }

    @Test func `a lost connection comes back, and what was under way fails`() async throws {
        let tokens = Notes<Int>()
        let settings = AppClientSettings.with {
            $0.renewHandshake = { handshake in
                tokens.add(tokens.all.count)
                handshake.user["token"] = JSON(tokens.all.count)
            }
        }
        try await play(Self.hangingUp(), settings) { client, _ in
            let heard = Notes<String>()
            client.on("onNotify") { (message: Message) in heard.add(message.content) }
            let states = client.states.makeAsyncIterator()
            #expect(await states.next() == .connected)
            let lost = Task.immediate { () -> Reply in
                try await client.request("room.sleep", Message(content: "", n: 4000))
            }
            try await client.notify("room.hangup")
            await #expect(throws: AppClientError.lost(.finished)) { try await lost.value }
            await #expect(throws: AppClientError.lost(.finished)) { try await client.notify("room.notify") }
            #expect(await states.next() == .lost(.finished))
            #expect(await states.next() == .connected)
            let json: JSON = try await client.request("room.get")
            #expect(json["handshake"]?["user"]?["token"] == 2)
            try await client.notify("room.notify", Message(content: "still heard"))
            let _: JSON = try await client.request("room.get")
            #expect(heard.all == ["still heard"])
        }
        #expect(tokens.all == [0, 1])
    }

    @Test func `without a way back the first loss is the end`() async throws {
        try await play(Self.hangingUp(), .with { $0.reconnect = nil }) { client, _ in
            let changes = client.states
            try await client.notify("room.hangup")
            var states: [AppClient.State] = []
            for await state in changes { states.append(state) }
            #expect(states == [.connected, .ended(.lost(.finished))])
        }
    }

    @Test func `a handshake that cannot be made is the maker's error, or counts as a failure later`() async throws {
        struct NoToken: Error {}
        let world = try await AppWorld(Self.hangingUp())
        let (dialer, loop, calls) = (world.streams, world.world.first, Notes<Int>())
        try await world.world.play {
            let failing = AppClientSettings.with { $0.renewHandshake = { _ in throw NoToken() } }
            await #expect(throws: NoToken.self) { _ = try await AppClient(over: dialer, on: loop, failing) }
            let later = AppClientSettings.with {
                $0.renewHandshake = { _ in
                    calls.add(1)
                    if calls.all.count == 2 { throw NoToken() }
                }
            }
            let client = try await AppClient(over: dialer, on: loop, later)
            let states = client.states.makeAsyncIterator()
            try await client.notify("room.hangup")
            for expected in [.connected, .lost(.finished), .lost(.noHandshake), .connected] as [AppClient.State] {
                #expect(await states.next() == expected)
            }
        }
    }

    @Test func `disconnecting sends what was written, and ends`() async throws {
        let (app, heard) = (conformanceApp(), Notes<String>())
        app.onNotify("room.last") { (message: Message, context) in heard.add(message.content) }
        let server = try await AppWorld(app)
        let (dialer, loop) = (server.streams, server.world.first)
        try await server.world.play {
            let client = try await AppClient(over: dialer, on: loop)
            try await client.notify("room.last", Message(content: "bye"))
            client.disconnect()
            await #expect(throws: AppClientError.disconnected) { try await client.notify("room.notify") }
            #expect(client.state == .ended(.disconnected))
        }
        #expect(heard.all == ["bye"])
        #expect(app.sessionCount == 0)
    }

    @Test func `a client that nobody holds leaves`() async throws {
        let server = try await AppWorld(conformanceApp())
        let (dialer, loop) = (server.streams, server.world.first)
        try await server.world.play { _ = try await AppClient(over: dialer, on: loop) }
        server.world.settle()
        #expect(server.app.sessionCount == 0)
    }

    @Test(arguments: 1...20) func `on a network that cuts, each request gets its own answer or an error`(
        _ seed: UInt64
    ) async throws {
        let server = try await AppWorld(conformanceApp(), seed: seed)
        var faults = SeededNetwork.Faults()
        faults.piece = 1...40
        faults.cutAfter = 300...2000
        let dialer = SeededNetwork(seed: seed, faults: faults).over(server.streams)
        let loop = server.world.first
        let (good, lost) = (Notes<Int>(), Notes<Int>())
        try await server.world.play {
            let client = try await AppClient(over: dialer, on: loop)
            let states = client.states.makeAsyncIterator()
            _ = await states.next()
            var number = 0
            while good.all.count < 100 {
                number += 1
                do {
                    let body: [UInt8] = try await client.request("room.echo", Array("\(number)".utf8))
                    #expect(body == Array("\(number)".utf8))
                    good.add(number)
                } catch AppClientError.lost {
                    lost.add(number)
                    while let state = await states.next(), state != .connected {}
                }
            }
        }
        #expect(!lost.all.isEmpty, "seed \(seed) cut nothing")
    }
}
