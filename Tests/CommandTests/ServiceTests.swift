import Glibc
import Omniway
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// What a service manager would hear, on a socket of our own.
private final class ManagerSocket: LinkIntake, LinkHandler {
    private let heard: AsyncStream<String>.Continuation
    init(_ heard: AsyncStream<String>.Continuation) { self.heard = heard }

    func accept(_ link: Link) -> (any LinkHandler)? { self }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        heard.yield(unsafe bytes.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) })
        return bytes.byteCount
    }
}

@Suite(.timeLimit(.minutes(2))) struct ServiceTests {
    /// Runs a program as systemd would: two sockets that listen, and somebody who wants to hear of it.
    private static let launcher = """
        import os, socket, sys
        given = []
        for _ in range(2):
            server = socket.socket()
            server.bind(("127.0.0.1", 0))
            server.listen(64)
            print("passed", server.getsockname()[1], flush=True)
            given.append(os.dup2(server.fileno(), 20 + len(given)))
        for index, number in enumerate(given):
            os.dup2(number, 3 + index)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="game:other")
        os.execv(sys.argv[1], sys.argv[1:])
        """

    @Test(arguments: [false, true]) func `a service takes the sockets that it is given, and says how it is`(
        _ isAbstract: Bool
    ) async throws {
        let folder = try TemporaryFolder()
        let path = isAbstract ? "@\(folder.path)" : folder.file("notify")
        let (heard, continuation) = AsyncStream.makeStream(of: String.self)
        let loop = EventLoop()
        let intake = await loop.own { _ in ManagerSocket(continuation) }
        let listening = try await DatagramAcceptor(.unix(path)).open(into: [intake])
        try folder.write("launch.py", Self.launcher)
        let words = [
            "env", "NOTIFY_SOCKET=\(path)", "WATCHDOG_USEC=400000", "python3", folder.file("launch.py"),
            BuiltProduct.path("omniway"), "up", "--parts", "echo", "--admin-addr", "127.0.0.1:0", "--data",
            folder.file("data"), "--set", "echo.listen=fd:game",
        ]
        let program = try await TestProgram(words) { $0.hasPrefix("Ctrl-C") }
        let passed = await program.lines.filter { $0.hasPrefix("passed ") }.compactMap { UInt16($0.dropFirst(7)) }
        #expect(await program.port("echo")?.port == passed.first)
        #expect(try PlainClient(.loopback(port: try #require(passed.first))).ask("hello") == "hello")
        #expect(await program.wait { $0.contains("a passed socket has no use socket=fd:other") })
        var said = heard.makeAsyncIterator()
        #expect(await said.next() == "READY=1")
        #expect(await said.next() == "WATCHDOG=1")
        #expect(await said.next() == "WATCHDOG=1")
        kill(program.pid, SIGHUP)
        var next = await said.next()
        while next == "WATCHDOG=1" { next = await said.next() }
        #expect(next?.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") == true)
        next = await said.next()
        while next == "WATCHDOG=1" { next = await said.next() }
        #expect(next == "READY=1")
        #expect(await program.stop() == 0)
        next = await said.next()
        while next == "WATCHDOG=1" { next = await said.next() }
        #expect(next == "STOPPING=1")
        await listening.stop()
        await loop.shutdown()
    }

    @Test func `a socket that nobody passed is an error that says what to do`() async throws {
        let lines = try await RunningGateway.script(
            "\(BuiltProduct.path("omniway")) gateway --client-addr fd:game --server-addr 127.0.0.1:0")
        #expect(lines.last == "code 1")
        #expect(lines.contains { $0.contains("cannot listen on fd:game: no such socket was passed") })
    }
}
