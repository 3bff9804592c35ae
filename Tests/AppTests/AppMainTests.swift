import Glibc
import OmniwayAdmin
import OmniwayTesting
import OmniwayTransport
import Testing

@testable import OmniwayApp
@testable import OmniwayMain

@Suite(.timeLimit(.minutes(2))) struct AppMainTests {
    @Test(arguments: [
        ("--tcpp :0", 64, "unknown flag --tcpp, did you mean --tcp?"),
        ("--tcp nowhere", 64, "--tcp nowhere is not an address"),
        ("--ws :port/path", 64, "--ws :port/path is not an address"),
        ("--tcp tls://127.0.0.1:0", 64, "is to speak TLS; give --tls-cert and --tls-key"),
        ("--tls-cert a", 64, "belong together"),
        ("--tcp 127.0.0.1:0 --tls-cert a --tls-key b", 64, "--tls-cert is for no port"),
        ("--tcp tls://127.0.0.1:0 --tls-cert /no/cert --tls-key /no/key", 64, "/no/cert"),
        ("--serializer xml", 64, "there is no serializer xml here; write --serializer json or protobuf"),
        ("--dict a=b", 64, "write each route once, as route=code"),
        ("--dict a=1,a=2", 64, "write each route once"),
        ("--dict a=1 --dict b=1", 1, "the app cannot start"),
        ("--frontend false", 64, "add --cluster"),
        ("--etcd-user ann", 64, "add --cluster"),
        ("--cluster --etcd-user ann", 64, "--etcd-user and --etcd-password-file belong together"),
        ("--cluster --etcd-user ann --etcd-password-file /no/file", 64, "cannot read /no/file"),
        ("--cluster --nats-creds a --nats-nkey-file b", 64, "give one of them"),
        ("--cluster --cluster-ca a", 64, "no address here is such a one"),
        ("--admin here", 64, "--admin here is not an address"),
        ("--compression maybe", 64, "--compression"),
        ("--config /no/file", 64, "--config /no/file cannot be read"),
        ("--log-file /no/folder/log", 78, "cannot open the log file"),
        ("--type a.b", 1, "\"a.b\" is no type"),
    ]) func `what is wrong is said, with the exit code of its kind`(_ arguments: String, _ code: Int, _ says: String)
        async throws
    {
        let lines = try await RunningServer.refusal(arguments)
        #expect(lines.last == "code \(code)", "\(lines)")
        #expect(lines.first?.hasPrefix("conformance-server: ") == true, "\(lines)")
        #expect(lines.contains { $0.contains(says) }, "\(lines)")
    }

    @Test func `help shows the flags with the defaults of the application`() async throws {
        let lines = try await RunningServer.refusal("--help")
        #expect(lines.last == "code 0")
        for flag in ["--tcp <address>", "--serializer <json|protobuf>", "--heartbeat <duration>", "--admin <address>"] {
            #expect(lines.contains { $0.contains(flag) }, "\(flag): \(lines)")
        }
    }

    @Test func `flags count more than variables, and those more than the file`() async throws {
        let folder = try TemporaryFolder()
        try folder.write(
            "config.json5",
            """
            {pitaya: {heartbeat: {interval: '5s'}, conn: {ratelimiting: {limit: 4}},
                "groups.memory": {tickduration: '1s'}}}
            """
        )
        let file = "--config \(folder.file("config.json5"))"
        for (arguments, environment, heartbeat) in [
            (file, "", "5"), (file, "PITAYA_HEARTBEAT_INTERVAL=6s", "6"),
            ("\(file) --heartbeat 7s", "PITAYA_HEARTBEAT_INTERVAL=6s", "7"),
        ] {
            let server = try await RunningServer.start(
                "--tcp 127.0.0.1:0 --compression false \(arguments)", environment: environment)
            #expect(
                await server.program.lines.contains { $0.contains("pitaya.groups.memory.tickduration sets nothing") })
            let loop = EventLoop()
            let client = try await SocketClient(over: StreamDialer(server.addresses[0]), on: loop)
            let welcome = String(decoding: try await client.handshake(), as: UTF8.self)
            #expect(welcome.contains("\"heartbeat\":\(heartbeat),"), "\(welcome)")
            // Handshake and ack count, so of three requests the limit lets two through.
            for id in 1...3 as ClosedRange<UInt64> {
                let answer = await client.ask("room.room.noarg", id: id)
                #expect(answer?.isError == (id == 3))
            }
            #expect(await server.program.stop() == 0)
            await loop.shutdown()
        }
    }

    @Test func `a wrong configuration ends with 78 and says what is expected`() async throws {
        let folder = try TemporaryFolder()
        try folder.write("bad.json", #"{"pitaya": {"heartbeat": {"interval": 30}}}"#)
        let lines = try await RunningServer.refusal("--config \(folder.file("bad.json"))")
        #expect(lines.last == "code 78")
        #expect(
            lines.contains { $0.contains("bad.json:1:27: pitaya.heartbeat.interval is 30; write a time") }, "\(lines)")
    }

    @Test func `ports with TLS speak it, beside plain ones`() async throws {
        let folder = try TemporaryFolder()
        let lines = try await RunningServer.script(
            """
            cd \(folder.path) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \\
                -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null
            """)
        try #require(lines == ["code 0"])
        let server = try await RunningServer.start(
            """
            --tcp 127.0.0.1:0 --tcp tls://127.0.0.1:0 --ws wss://127.0.0.1:0/play \
            --tls-cert \(folder.file("cert.pem")) --tls-key \(folder.file("key.pem"))
            """, ports: 3)
        let loop = EventLoop()
        let tls = try TLSClient(host: "127.0.0.1", trust: .roots(files: folder.file("cert.pem")))
        let plain = try await SocketClient(over: StreamDialer(server.addresses[0]), on: loop)
        let secure = try await SocketClient(over: tls.over(StreamDialer(server.addresses[1])), on: loop)
        let page = try await SocketClient(
            over: WebSocket(path: "/play").over(tls.over(StreamDialer(server.addresses[2]))), on: loop)
        for client in [plain, secure, page] {
            _ = try await client.handshake()
            #expect(await client.ask("room.room.echo", "hello")?.text == "hello")
        }
        await server.program.stop()
        await loop.shutdown()
    }

    @Test func `operators are answered, and SIGTERM lets what is under way end`() async throws {
        let server = try await RunningServer.start("--tcp 127.0.0.1:0 --admin 127.0.0.1:0 --loops 2")
        let line = try #require(await server.program.lines.first { $0.contains("admin listens") })
        let address = try #require(line.split(separator: "/").last.flatMap { SocketAddress(String($0)) })
        let loop = EventLoop()
        let http = await loop.own { loop in HTTPClient(on: loop, StreamDialer(address), host: "localhost") }
        #expect(try await http.get("/readyz").text == "ready\n")
        #expect(try await http.get("/metrics").text.contains("omniway_loop_turns_total{loop=\"1\"}"))
        let client = try await SocketClient(over: StreamDialer(server.addresses[0]), on: loop)
        _ = try await client.handshake()
        await client.send(TestClient.message(.request(id: 1, .text("room.room.sleep")), #"{"content":"late","n":300}"#))
        #expect(await client.ask("room.room.echo", "it has come", id: 2)?.text == "it has come")
        async let code = server.program.stop()
        #expect(await client.message()?.text == #"{"code":200,"result":"late"}"#)
        #expect(await client.ends())
        #expect(await code == 0)
        await loop.shutdown()
    }

    @Test func `routes and codes are read from their flag`() throws {
        #expect(try AppLaunch.dictionary("a.b=1,onPush=65535") == ["a.b": 1, "onPush": 65535])
        for text in ["", "a", "a=", "=1", "a=65536", "a=1,", "a=1=2"] {
            #expect(throws: AppLaunchError.self) { try AppLaunch.dictionary(text) }
        }
    }
}
