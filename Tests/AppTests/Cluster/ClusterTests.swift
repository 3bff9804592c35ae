import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import ConformanceServer
@testable import OmniwayApp

@Suite struct ClusterTests {
    @Test func `a server is in the registry while it runs, and its key goes when it stops`() async throws {
        let world = try await ClusterWorld()
        let server = try await world.server("room", "room-1") { $0.metadata = ["region": "eu"] }
        let registry = world.registry
        let entry = try await world.run { try await registry.get("pitaya/servers/room/room-1") }
        let host = server.app.servers.first?.host ?? "?"
        #expect(
            entry?.value.text
                == #"{"id":"room-1","type":"room","metadata":{"region":"eu"},"frontend":false,"hostname":"\#(host)"}"#)
        #expect(entry?.lease != 0)
        let app = server.app
        try await world.run { _ = await app.stop() }
        #expect(try await world.run { try await registry.get("pitaya/servers/room/room-1") } == nil)
    }

    @Test func `servers know of each other, and say when that changes`() async throws {
        let world = try await ClusterWorld()
        let diary = Diary()
        let first = try await world.server("room", "room-1") { _ in
        } _: { app in
            addHandlers(to: app)
            app.onServer { diary.note("\($0)") }
        }
        let second = try await world.server("connector", "conn-1")
        #expect(first.app.servers.map(\.id) == ["conn-1", "room-1"])
        #expect(first.app.servers(ofType: "connector").map(\.isFrontend) == [true])
        let app = second.app
        try await world.run { _ = await app.stop() }
        world.world.settle()
        #expect(first.app.servers.map(\.id) == ["room-1"])
        #expect(diary.all.count == 2)
        #expect(diary.all.first?.contains("came") == true && diary.all.last?.contains("went") == true)
    }

    @Test func `a meter counts the servers of each type`() async throws {
        let world = try await ClusterWorld()
        for id in ["room-1", "room-2"] { _ = try await world.server("room", id) }
        let frontend = try await world.server("connector", "conn-1")
        let text = await world.world.first.snapshot().prometheusText
        #expect(text.contains(#"servers{type="room",serverType="connector"} 2"#), "\(text)")
        let app = frontend.app
        try await world.run { _ = await app.stop() }
    }

    @Test func `servers of an ignored type are not seen`() async throws {
        let world = try await ClusterWorld()
        _ = try await world.server("room", "room-1")
        let frontend = try await world.server("connector", "conn-1") { $0.ignoredTypes = ["room", "connector"] }
        #expect(frontend.app.servers.map(\.id) == ["conn-1"])
        let client = await frontend.player()
        #expect(await client.ask("room.room.echo", "x")?.contains("no servers available of this type") == true)
    }

    @Test func `the application chooses the server that a message goes on to`() async throws {
        let world = try await ClusterWorld()
        for id in ["room-1", "room-2", "room-3"] {
            _ = try await world.server("room", id) { _ in
            } _: {
                named($0)
            }
        }
        let frontend = try await world.server("connector", "conn-1") { _ in
        } _: { app in
            app.route(to: "room") { context, body, servers in
                guard let server = servers.first(where: { $0.id == String(decoding: body, as: UTF8.self) }) else {
                    throw AppError("RM-404", "no such room")
                }
                return server
            }
        }
        let client = await frontend.player()
        for id in ["room-2", "room-1", "room-3"] { #expect(await client.ask("room.room.name", id) == id) }
        #expect(await client.ask("room.room.name", "room-9") == #"{"code":"RM-404","msg":"no such room"}"#)
    }

    @Test func `without a choice all servers of a type get messages`() async throws {
        let world = try await ClusterWorld()
        for id in ["room-1", "room-2"] {
            _ = try await world.server("room", id) { _ in
            } _: {
                named($0)
            }
        }
        let client = await (try world.server("connector", "conn-1")).player()
        var names: Set<String> = []
        for id in 1...40 { names.insert(await client.ask("room.room.name", id: UInt64(id)) ?? "") }
        #expect(names == ["room-1", "room-2"])
    }

    @Test func `a message for a server that has just gone goes to another one`() async throws {
        let world = try await ClusterWorld()
        let registry = world.registry
        // It is written down, and does not listen.
        let ghost = ClusterServer(id: "room-0", type: "room")
        try await world.run {
            try await registry.put("pitaya/servers/room/room-0", RegistryBytes(ghost.json))
        }
        _ = try await world.server("room", "room-1") { _ in
        } _: {
            named($0)
        }
        let client = await (try world.server("connector", "conn-1")).player()
        for id in 1...20 { #expect(await client.ask("room.room.name", id: UInt64(id)) == "room-1") }
    }

    @Test func `when the last server of a type has gone the client is told so`() async throws {
        let world = try await ClusterWorld()
        let registry = world.registry
        try await world.run {
            try await registry.put(
                "pitaya/servers/room/room-0", RegistryBytes(ClusterServer(id: "room-0", type: "room").json))
        }
        let client = await (try world.server("connector", "conn-1")).player()
        let answer = try #require(await client.ask("room.room.echo", "x"))
        #expect(answer.contains(AppError.unavailable) && answer.contains("room-0"))
    }

    @Test func `a server that does not answer in time is an error with its code`() async throws {
        let world = try await ClusterWorld()
        _ = try await world.server("room", "room-1")
        let frontend = try await world.server("connector", "conn-1") { $0.callLimit = .milliseconds(200) }
        let client = await frontend.player()
        await client.request("room.room.sleep", #"{"n":1000,"content":"late"}"#)
        world.world.advance(by: .milliseconds(300))
        #expect(await client.message()?.text.contains(AppError.timeout) == true)
        world.world.advance(by: .seconds(2))
        #expect(await !client.hasMessage)
    }

    @Test func `the time that is left shrinks from server to server`() async throws {
        let world = try await ClusterWorld()
        let diary = Diary()
        _ = try await world.server("store", "store-1") { _ in
        } _: { app in
            app.remotes.on("data.get") { (key: Doc, context) in
                diary.note("\(context.metadata["reqTimeout"] ?? .null)")
                return key
            }
        }
        _ = try await world.server("room", "room-1") { _ in
        } _: { app in
            app.on("room.look") { (body: [UInt8], context) in
                try await context.sleep(for: .milliseconds(700))
                return try await context.rpc("store.data.get", Doc(doc: "x"), as: Doc.self).doc
            }
        }
        let frontend = try await world.server("connector", "conn-1") { $0.callLimit = .seconds(1) }
        let client = await frontend.player()
        await client.request("room.room.look")
        world.world.advance(by: .seconds(1))
        #expect(await client.message()?.text == #""x""#)
        #expect(diary.all == [#""300ms""#])
    }

    @Test func `a request id and what hooks have noted travel along`() async throws {
        let world = try await ClusterWorld()
        _ = try await world.server("room", "room-1") { _ in
        } _: { app in
            app.on("room.seen") { (body: [UInt8], context) in
                "\(context.requestID) \(context.metadata["tenant"] ?? .null) \(context.session.frontendID)"
            }
        }
        let frontend = try await world.server("connector", "conn-1")
        let trace = try await world.trace()
        let client = await frontend.player()
        let answer = try #require(await client.ask("room.room.seen"))
        let request = try #require(
            await trace.run { _, trace in trace.entries.first { $0.subject == "pitaya/servers/room/room-1" } })
        let sent = try PomeloProtos.Request(protobuf: unsafe request.payload.span.bytes)  // Safe: no padding.
        let id = try CallMetadata.read(unsafe sent.metadata.span.bytes)["request.id"]?.string()  // Safe: no padding.
        #expect(answer.contains(try #require(id)) && answer.contains("conn-1"))
    }

    @Test func `an app that is alone says that it cannot call others`() async throws {
        let world = SimulatedWorld()
        let app = App(type: "room")
        try await app.start(on: world.loops)
        await #expect(throws: AppError.noCluster) {
            _ = try await app.rpc("store.data.get", Doc(doc: "x"), as: Doc.self)
        }
    }

    @Test func `a remote can be called by a server's id, and from outside of any message`() async throws {
        let world = try await ClusterWorld()
        let room = try await world.server("room", "room-1")
        _ = try await world.server("store", "store-1")
        let app = room.app
        let answer = try await world.run {
            try await app.rpc("store.remote.hello", Doc(doc: "you"), to: "store-1", as: Doc.self)
        }
        #expect(answer.doc == "hello you from store")
        await #expect(throws: AppError.self) {
            try await world.run { try await app.rpc("store.remote.hello", Doc(doc: ""), to: "store-2", as: Doc.self) }
        }
        await #expect(throws: AppError.callsItself) {
            try await world.run { try await app.rpc("room.remote.hello", Doc(doc: ""), to: "room-1", as: Doc.self) }
        }
    }

    @Test func `hooks of remotes and of handlers are apart`() async throws {
        let world = try await ClusterWorld()
        let diary = Diary()
        let room = try await world.server("room", "room-1") { _ in
        } _: { app in
            addHandlers(to: app)
            app.before { _, context in diary.note("handler \(context.route)") }
            app.remotes.before { _, context in diary.note("remote \(context.route)") }
            app.remotes.after { outcome, _ in diary.note("after") }
        }
        let frontend = try await world.server("connector", "conn-1")
        let client = await frontend.player()
        _ = await client.ask("room.room.echo", "x")
        let app = frontend.app
        _ = try await world.run { try await app.rpc("room.remote.hello", Doc(doc: "x"), as: Doc.self) }
        #expect(diary.all == ["handler room.room.echo", "remote room.remote.hello", "after"])
        #expect(room.app.type == "room")
    }

    @Test func `what cannot be a server of a cluster is said at the start`() async throws {
        let world = try await ClusterWorld()
        await #expect(throws: AppStartError.self) { _ = try await world.server("room", "a/b") }
        await #expect(throws: AppStartError.self) { _ = try await world.server("room", "a") { $0.callLimit = .zero } }
        await #expect(throws: AppStartError.self) {
            _ = try await world.server("room", "a") { _ in
            } _: { app in
                app.remotes.on("x.y") { (value: Int, context) in value }
            }
        }
    }

    @Test func `messages of one session stay in order on a server with several loops`() async throws {
        let world = try await ClusterWorld(loops: 3)
        let diary = Diary()
        _ = try await world.server("room", "room-1") { _ in
        } _: { app in
            app.onNotify("room.note") { (text: [UInt8], context) in
                diary.note(String(decoding: text, as: UTF8.self))
            }
        }
        let client = await (try world.server("connector", "conn-1")).player()
        for number in 0..<100 { await client.write(TestClient.message(.notify(.text("room.room.note")), "\(number)")) }
        world.world.settle()
        #expect(diary.all == (0..<100).map { "\($0)" })
    }

    /// Says who it is.
    private func named(_ app: App) { app.on("room.name") { (body: [UInt8], context) in Array(context.app.id.utf8) } }
}
