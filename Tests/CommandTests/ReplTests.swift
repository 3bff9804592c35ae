import Glibc
import Omniway
import OmniwayTesting
import Testing

@testable import ConformanceServer
@testable import OmniwayCommand

@Suite(.timeLimit(.minutes(2))) struct ReplTests {
    /// A server of recorded conversations, with documentation as the original writes it.
    private struct World {
        let loop = EventLoop()
        let app = App(type: "room")
        let folder: TemporaryFolder
        static let docs = #"""
            {"handlers":{"room.room.noarg":{"input":null,"output":[{"code":"int","result":"string"},"error"]},
            "room.room.notify":{"input":{"content":"string","tags":["string"]},"output":[]}},"remotes":{}}
            """#

        init(
            _ acceptor: some Acceptor = .tcp("127.0.0.1:0"), _ change: (App) -> Void = { _ in }
        ) async throws {
            folder = try TemporaryFolder()
            addHandlers(to: app)
            app.on("room.listing") { context -> [UInt8] in Array(Self.docs.utf8) }
            change(app)
            app.listen(acceptor)
            try await app.start(on: [loop])
        }

        var address: String { "\(app.addresses[0])" }

        /// What the program prints, line by line, and how it ends; `$omniway` and `$server` stand for what they say.
        func run(_ script: String) async throws -> [String] {
            try await RunningGateway.script(
                "cd \(folder.path); omniway=\(BuiltProduct.path("omniway")); server=\(address); \(script)")
        }

        func stop() async {
            await app.stop()
            await loop.shutdown()
        }
    }

    @Test func `a file of commands prints answers and pushes as they come`() async throws {
        let world = try await World()
        try world.folder.write(
            "script",
            """
            # What the original's scripts look like.
            push onPush proto.Type
            sethandshake platform mac
            connect \(world.address)

            request room.room.noarg
            request room.room.push {"content": "p", "n": 2}
            notify room.room.notify {"content":"n"}\r
            request room.room.echo {"a":  "b c"}
            routes
            disconnect
            exit
            request room.room.noarg
            """)
        #expect(
            try await world.run("$omniway repl -d room.room.listing -f script") == [
                "pushes to onPush print as they come; nothing needs to be declared",
                "connected to \(world.address) over tcp",
                #"sv-> {"code":200,"result":"room"}"#,
                #"sv-> onPush: {"content":"p"}"#,
                #"sv-> onPush: {"content":"p","n":1}"#,
                #"sv-> {"code":200,"result":"pushed"}"#,
                #"sv-> onNotify: {"content":"n"}"#,
                #"sv-> {"a":  "b c"}"#,
                "room.room.noarg", "room.room.notify",
                "code 0",
            ])
        await world.stop()
    }

    @Test(arguments: [
        ("requst room.room.noarg", "there is no command requst; help lists all"),
        ("request room.room.err {\"content\":\"bad\"}", "the server answers with an error: RM-001: bad"),
        ("request no.such", "the server answers with an error: PIT-404: pitaya/handler: no.such not found"),
        ("request", "request of what? Write: request <route> [data]"),
        ("sethandshake colour", "write: sethandshake <json>, or sethandshake platform|version|buildNumber <value>"),
        ("connect nowhere", "nowhere is no address; write host:port, or wss://, ws://, tls:// or tcp:// before it"),
        ("routes", "nobody has asked for the routes; start with --docs <route>"),
    ]) func `the first line that fails ends a file, with 1 and the reason`(_ line: String, _ reason: String)
        async throws
    {
        let world = try await World()
        try world.folder.write("script", "\(line)\nrequest room.room.noarg\n")
        let lines = try await world.run("$omniway repl --file script $server")
        #expect(lines.suffix(2) == ["omniway repl: script:1: \(line): \(reason)", "code 1"])
        #expect(!lines.contains { $0.contains("200") })
        await world.stop()
    }

    @Test func `what the server does not let in is told so, and not in another way`() async throws {
        let world = try await World()
        try world.folder.write("script", "sethandshake {\"user\":{\"reject\":true}}\nconnect\n")
        let lines = try await world.run("$omniway repl -f script $server")
        #expect(lines.contains { $0.contains("script:2: connect: the server refused the handshake with code 400") })
        #expect(lines.last == "code 1")
        await world.stop()
    }

    @Test func `wrong words end with 64, and an address where nobody listens with 1`() async throws {
        let world = try await World()
        await world.app.stop()
        for (arguments, code, says) in [
            ("repl nowhere", 64, "nowhere is no address"), ("repl http://127.0.0.1:1", 64, "http://127.0.0.1:1 is no"),
            ("repl --tls-pin 12", 64, "12 is no fingerprint"), ("repl -f missing", 64, "cannot read missing"),
            ("repl --tls-insecure --tls-ca x", 64, "give one of"), ("docs", 64, "<address>"),
            ("docs nowhere", 64, "nowhere is no address"), ("docs 127.0.0.1:1", 1, "connection refused"),
            ("repl 127.0.0.1:1 < /dev/null", 1, "connection refused"),
        ] {
            let script = "$omniway \(arguments)"
            let lines = try await RunningGateway.script(
                "cd \(world.folder.path); omniway=\(BuiltProduct.path("omniway")); \(script)")
            #expect(lines.last == "code \(code)", "\(arguments): \(lines)")
            #expect(lines.contains { $0.contains(says) }, "\(arguments): \(lines)")
        }
        await world.loop.shutdown()
    }

    @Test func `lines from a pipe are all run, and a failure shows in the end`() async throws {
        let world = try await World(.webSocket("127.0.0.1:0"))
        let script = "printf 'connect\\nrequst\\nrequest room.room.noarg' | $omniway repl --pretty $server"
        let connected = "connected to \(world.address) over ws"
        #expect(
            try await world.run(script) == [
                connected, connected, "there is no command requst; help lists all",
                "sv->{", #"  "code": 200,"#, #"  "result": "room""#, "}", "code 1",
            ])
        await world.stop()
    }

    @Test func `a certificate that nobody vouches for is refused, and nothing is said in the clear`() async throws {
        let identity = try TLSIdentity.selfSigned("127.0.0.1")
        let world = try await World(TLSServer(identity).over(StreamAcceptor(.loopback())))
        let refused = try await world.run("$omniway docs $server --route room.room.listing")
        #expect(refused.contains { $0.contains("certificate-refused") && !$0.contains("tcp:") })
        #expect(refused.last == "code 1")
        let trusting = try await world.run("$omniway docs --tls-insecure $server --route room.room.listing")
        #expect(trusting.last == "code 0")
        let pinned = try await world.run(
            "echo exit | $omniway repl --tls-pin \(String(repeating: "00", count: 32)) tls://$server")
        #expect(pinned.contains { $0.contains("certificate-refused") })
        await world.stop()
    }

    @Test func `docs lists routes with what they take and give, for people and for programs`() async throws {
        let world = try await World()
        #expect(
            try await world.run("$omniway docs $server --route room.room.listing") == [
                "room.room.noarg", "    -> {code: int, result: string}",
                "room.room.notify", "    {content: string, tags: [string]}", "    (is told, does not answer)", "code 0",
            ])
        let json = try await world.run("$omniway docs --json $server --route room.room.listing").dropLast()
        let expected = try JSON.Reader().read(World.docs)
        #expect(try JSON.Reader().read(json.joined()) == expected)
        let wrong = try await world.run("$omniway docs $server --route room.room.noarg")
        #expect(wrong.first?.contains("has no object \"handlers\"") == true)
        #expect(wrong.last == "code 1")
        await world.stop()
    }

    @Test func `docs understands apps whose bodies are protobuf, and the shell says that it does not`() async throws {
        let app = App(type: "room", serializer: ProtobufSerializer())
        let text = Array(World.docs.utf8)
        let length = [UInt8(text.count & 0x7F | 0x80), UInt8(text.count >> 7)]
        app.on("room.listing") { context -> [UInt8] in [0x0A] + length + text }
        app.on("room.cut") { context -> [UInt8] in [0x0A] + length }
        app.listen(.tcp("127.0.0.1:0"))
        let loop = EventLoop()
        try await app.start(on: [loop])
        let (omniway, server) = (BuiltProduct.path("omniway"), "\(app.addresses[0])")
        let lines = try await RunningGateway.script("\(omniway) docs \(server) --route room.room.listing")
        #expect(lines.first == "room.room.noarg")
        #expect(lines.last == "code 0")
        let cut = try await RunningGateway.script("\(omniway) docs \(server) --route room.room.cut")
        #expect(cut == ["omniway docs: the answer is no message of documentation; is the route right?", "code 1"])
        let shell = try await RunningGateway.script("echo exit | \(omniway) repl \(server)")
        #expect(shell.contains { $0.contains("the server writes protobuf") })
        await app.stop()
        await loop.shutdown()
    }

    @Test(arguments: ["$omniway repl -f script $server", "$omniway repl $server < script"])
    func `what is told last still goes out`(_ command: String) async throws {
        let (told, teller) = AsyncStream.makeStream(of: Int.self)
        let world = try await World(.tcp("127.0.0.1:0")) { app in
            app.onNotify("room.last") { (body: [UInt8], context: Context) in teller.yield(body.count) }
        }
        try world.folder.write("script", "notify room.room.last \(String(repeating: "7", count: 40_000))")
        #expect(try await world.run(command).last == "code 0")
        #expect(await told.first { _ in true } == 40_000)
        await world.stop()
    }

    @Test func `what a server sends cannot steer the terminal`() {
        let text = BodyText(isPretty: false).text(of: Array("a\u{1B}[2Jb\u{9B}c\r\u{7}\n".utf8))
        #expect(text == "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}\u{FFFD}\n")
    }

    @Test func `a handshake keeps what is not said anew`() throws {
        let changed = try Handshake.repl.changed(by: #"{"sys":{"platform":"mac"},"user":{"token":"t"}}"#)
        var expected = Handshake.repl
        (expected.platform, expected.user) = ("mac", ["token": "t"])
        #expect(changed == expected)
        #expect(throws: ReplMistake.self) { try Handshake.repl.changed(by: #"{"sys":{"platform":1}}"#) }
        #expect(throws: ReplMistake.self) { try Handshake.repl.changed(by: "{") }
    }

    @Test func `the history is kept for its owner alone, where the environment says`() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("history")
        #expect(HistoryFile { ["HOME": "/home/ann"][$0] }?.path == "/home/ann/.omniway_history")
        #expect(HistoryFile { _ in nil } == nil)
        let file = try #require(HistoryFile { ["HOME": "/", "PITAYACLI_HISTORY_PATH": path][$0] })
        #expect(file.load() == LineHistory())
        let history = LineHistory("request a.b {}\nexit\n")
        #expect(file.save(history))
        #expect(file.load() == history)
        var status = stat()
        #expect(unsafe stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(HistoryFile { ["OMNIWAY_HISTORY_PATH": folder.file("no/such")][$0] }?.save(history) == false)
    }
}
