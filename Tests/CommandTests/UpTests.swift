import Glibc
import OmniwayTesting
import OmniwayTransport
import Testing

/// `omniway up` with an echo alone, as a real process.
struct RunningNode {
    let program: TestProgram
    let address: SocketAddress
    let admin: SocketAddress
    /// Its own: nodes that share one tell each other.
    private let folder: TemporaryFolder

    /// Started through a shell, so that a test can set limits before: `$omniway` is the command's path.
    static func start(_ arguments: String = "", after preparation: String = "true") async throws -> RunningNode {
        let omniway = BuiltProduct.path("omniway")
        let folder = try TemporaryFolder()
        let script = """
            \(preparation) && OMNIWAY_DATA=\(folder.path) exec \(omniway) up --parts echo --admin-addr 127.0.0.1:0 \
            \(arguments)
            """
        let program = try await TestProgram(["sh", "-c", script]) { $0.hasPrefix("Ctrl-C") }
        let echo = try #require(await program.port("echo"))
        let admin = try #require(await program.port("admin"))
        return RunningNode(program: program, address: echo, admin: admin, folder: folder)
    }
}

extension TestProgram {
    /// Where the table at the start says that something listens.
    func port(_ name: String) async -> SocketAddress? {
        await lines.first { $0.hasPrefix("  \(name)  ") }
            .flatMap { $0.split(separator: " ").last?.split(separator: "/").last }
            .flatMap { SocketAddress(String($0)) }
    }
}

/// A blocking client, for tests that look at a process from outside.
final class PlainClient {
    private let descriptor: Int32

    init(_ address: SocketAddress) throws {
        // Not inherited: a program that another test starts meanwhile would keep the connection open.
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = address.port.bigEndian
        target.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let result = unsafe withUnsafePointer(to: target) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result != 0 { throw SystemError(number: errno) }
    }

    deinit { close(descriptor) }

    /// What comes back; nil when the connection has ended, or nothing came for ten seconds.
    func ask(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        guard unsafe send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return nil }
        return read(bytes.count)
    }

    func read(_ count: Int) -> String? {
        var answer = [UInt8](repeating: 0, count: count)
        let got = unsafe recv(descriptor, &answer, count, Int32(MSG_WAITALL))
        return got == count ? String(decoding: answer, as: UTF8.self) : nil
    }
}

@Suite(.timeLimit(.minutes(2))) struct UpTests {

    @Test func `a node says where it listens, echoes, and ends with success when it is told to`() async throws {
        let node = try await RunningNode.start("--loops 2 --drain-timeout 100ms")
        #expect(await node.program.lines.first == "omniway 0.1.0, 2 loops")
        let client = try PlainClient(node.address)
        #expect(client.ask("hello") == "hello")
        #expect(await node.program.stop() == 0)
        #expect(client.read(1) == nil)
        #expect(await node.program.lines.contains { $0.contains("stopping signal=SIGTERM") })
    }

    @Test func `wrong words end with 64, a wrong configuration with 78, a busy port with 1`() async throws {
        let omniway = BuiltProduct.path("omniway")
        let node = try await RunningNode.start()
        for (arguments, code, says) in [
            ("up --lops 2", 64, "unknown flag --lops, did you mean --loops?"),
            ("up --loops many", 64, "--loops"),
            ("up --set echo.listen=localhost", 78, "echo.listen: \"localhost\" is not an address"),
            ("up --admin-addr localhost", 78, "adminAddr: \"localhost\" is not an address"),
            ("upp", 64, "did you mean up?"),
            ("up --log-file /no/such/folder/log", 78, "cannot open the log file"),
            (
                "up --admin-addr none --parts echo --set echo.listen=\(node.address)", 1,
                "it is in use; stop the process that has it, or choose another address"
            ),
        ] {
            let program = try await TestProgram(["sh", "-c", "\(omniway) \(arguments); echo code $?"]) {
                $0.hasPrefix("code ")
            }
            let lines = await program.lines
            #expect(lines.last == "code \(code)", "\(arguments)")
            #expect(lines.contains { $0.contains(says) }, "\(arguments): \(lines)")
            await program.stop()
        }
        await node.program.stop()
    }

    @Test func `version and help go to the standard output and succeed`() async throws {
        let omniway = BuiltProduct.path("omniway")
        let script = "\(omniway) version 2>/dev/null && \(omniway) up --help 2>/dev/null && echo done"
        let program = try await TestProgram(["sh", "-c", script]) { $0 == "done" }
        let lines = await program.lines
        #expect(lines.first == "omniway 0.1.0")
        #expect(lines.contains { $0.hasPrefix("  --loops <count>") })
        await program.stop()
    }

    @Test func `an idle connection is closed after the limit that was set`() async throws {
        let node = try await RunningNode.start("--set echo.idleTimeout=50ms --loops 1")
        let client = try PlainClient(node.address)
        #expect(client.ask("x") == "x")
        #expect(client.read(1) == nil)
        await node.program.stop()
    }

    @Test func `more connections than the limit are refused, and others are served again later`() async throws {
        let node = try await RunningNode.start("--set echo.maxConnections=2 --loops 1")
        let first = try PlainClient(node.address)
        #expect(first.ask("1") == "1")
        do {
            let second = try PlainClient(node.address)
            #expect(second.ask("2") == "2")
            #expect(try PlainClient(node.address).ask("3") == nil)
        }
        // The second one's end reaches the node before long; each try is a connection of its own.
        var answer: String?
        while answer == nil { answer = try PlainClient(node.address).ask("4") }
        #expect(answer == "4")
        await node.program.stop()
    }

    @Test func `more connections from one address than its limit are refused`() async throws {
        let node = try await RunningNode.start("--set echo.maxConnectionsPerAddress=1 --loops 1")
        let first = try PlainClient(node.address)
        #expect(first.ask("1") == "1")
        #expect(try PlainClient(node.address).ask("2") == nil)
        await node.program.stop()
    }

    @Test func `the log has the level and the format that were asked for`() async throws {
        let quiet = try await RunningNode.start("--log-level warning")
        await quiet.program.stop()
        #expect(await !quiet.program.lines.contains { $0.contains("node up") || $0.contains("stopping") })
        let json = try await RunningNode.start("--log-format json")
        await json.program.stop()
        #expect(await json.program.lines.contains { $0.hasPrefix("{") && $0.contains("\"event\":\"stopping\"") })
    }

    @Test func `a node tells operators how it is`() async throws {
        let node = try await RunningNode.start("--loops 1")
        let script = "curl -sS --noproxy '*' http://\(node.admin)/{healthz,readyz,metrics}; echo done"
        let curl = try await TestProgram(["sh", "-c", script]) { $0 == "done" }
        let lines = await curl.lines
        #expect(lines.prefix(2) == ["ok", "ready"])
        #expect(lines.contains("omniway_build_info{version=\"0.1.0\"} 1"))
        await curl.stop()
        #expect(await node.program.stop() == 0)
    }

    @Test func `a node may have no part, and no endpoint for operators`() async throws {
        let omniway = BuiltProduct.path("omniway")
        let program = try await TestProgram([omniway, "up", "--set", "parts=", "--admin-addr", "none"]) {
            $0.hasPrefix("Ctrl-C")
        }
        #expect(await !program.lines.contains { $0.contains("echo") || $0.contains("admin") })
        #expect(await program.stop() == 0)
    }

    @Test func `a node without a free descriptor says so once, keeps those it has, and recovers`() async throws {
        let node = try await RunningNode.start("--loops 1", after: "ulimit -n 32")
        var clients: [PlainClient] = []
        for _ in 0..<40 { clients.append(try PlainClient(node.address)) }
        #expect(await node.program.wait { $0.contains("not accepting") })
        #expect(clients[0].ask("still here") == "still here")
        clients.removeAll()
        let late = try PlainClient(node.address)
        #expect(late.ask("again") == "again")
        #expect(await node.program.wait { $0.contains("accepting again") })
        #expect(await node.program.lines.count { $0.contains("not accepting") } == 1)
        await node.program.stop()
    }

    @Test func `a hang-up opens the log again after rotation`() async throws {
        let folder = try TemporaryFolder()
        let node = try await RunningNode.start("--log-file \(folder.file("node.log"))")
        while try !folder.read("node.log").contains("node up") { await Task.yield() }
        try folder.move("node.log", to: "old.log")
        kill(node.program.pid, SIGHUP)
        while (try? folder.read("node.log")) == nil { await Task.yield() }
        await node.program.stop()
        let (old, new) = (try folder.read("old.log"), try folder.read("node.log"))
        #expect(old.contains("node up") && !old.contains("stopping"))
        #expect(new.contains("stopping"))
    }

    @Test func `a hang-up that was ignored at the start stays ignored`() async throws {
        let node = try await RunningNode.start("", after: "trap '' HUP")
        kill(node.program.pid, SIGHUP)
        #expect(try PlainClient(node.address).ask("alive") == "alive")
        #expect(await node.program.stop() == 0)
    }
}
