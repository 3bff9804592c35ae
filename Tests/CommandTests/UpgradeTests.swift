import Glibc
import Omniway
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// Its newest connection can be cut: what is over it must go on over another.
private struct Cutting: Dialer {
    let inner: StreamDialer
    private let newest = Lock(LinkID.none)

    init(_ inner: StreamDialer) { self.inner = inner }

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        let link = inner.dial(on: loop, deadline: deadline, handler: handler)
        if let link { newest.withLock { $0 = link.id } }
        return link
    }

    func cut(on loop: EventLoop) async {
        let id = newest.withLock { $0 }
        await loop.run { loop in loop.link(id)?.close(.reset) }
    }
}

/// What went through a gateway while processes took each other's place.
private final class Tally: Sendable {
    struct Numbers {
        var echoes = 0
        var lost = 0
        var connections = 0
        var isOver = false
    }
    private let numbers = Lock(Numbers())
    func add(_ change: @Sendable (inout Numbers) -> Void) { numbers.withLock { change(&$0) } }
    var now: Numbers { numbers.withLock { $0 } }
}

/// One process after another at the same ports.
struct Succeeding {
    /// The first one, whose output the later ones have too.
    let program: TestProgram
    let door: String
    /// How the last line begins that each of them prints at its start.
    let greeting: String

    /// The number of the new process, when that has said where it listens.
    func upgrade(_ flags: String = "") async throws -> Int32 {
        let omniway = BuiltProduct.path("omniway")
        let greeting = greeting
        let before = await program.lines.count { $0.hasPrefix(greeting) }
        let asking = try await TestProgram(
            ["sh", "-c", "\(omniway) upgrade --socket \(door) \(flags); echo code $?"], within: .seconds(60)
        ) { $0.hasPrefix("code ") }
        let lines = await asking.lines
        await asking.stop()
        let answer = try #require(lines.first { $0.hasSuffix("has taken over") }, "\(lines)")
        let greetings = Lock(0)
        let isThere = await program.wait { line in
            greetings.withLock { greetings in
                if line.hasPrefix(greeting) { greetings += 1 }
                return greetings > before
            }
        }
        #expect(isThere)
        return try #require(Int32(answer.split(separator: " ")[1]))
    }

    /// Ends the last process, and waits until nobody has the output any more.
    func end(_ pid: Int32) async {
        kill(pid, SIGTERM)
        #expect(await !program.wait { _ in false })
        await program.stop()
    }
}

@Suite(.timeLimit(.minutes(3))) struct UpgradeTests {
    @Test func `under load over snet five upgrades refuse no connection and lose no echo`() async throws {
        let gateway = try await RunningGateway.start(
            "-ClientAddr 127.0.0.1:0 -ServerAddr 127.0.0.1:0 --client-snet --drain-timeout 60s --loops 2")
        let succeeding = Succeeding(
            program: gateway.program, door: gateway.folder.file("fastway.sock"), greeting: "setup server")
        let peers = GatewayPeers()
        let (clients, servers) = (try await gateway.address(.client), try await gateway.address(.server))
        try await peers.echo(7, over: StreamDialer(servers)) {
            $0.reconnect = Reconnecting(first: .milliseconds(20), longest: .milliseconds(50))
        }
        let tally = Tally()
        let workers = (0..<6).map { worker in
            Task {
                while !tally.now.isOver { await Self.converse(worker, at: clients, peers.loop, tally) }
            }
        }
        var pid = gateway.program.pid
        for _ in 0..<5 {
            let before = tally.now.echoes
            while tally.now.echoes < before + 60 { try await Task.sleep(for: .milliseconds(5)) }
            let next = try await succeeding.upgrade()
            #expect(next != pid)
            pid = next
            #expect(try gateway.folder.read("fastway.pid") == "\(pid)")
        }
        let before = tally.now.echoes
        while tally.now.echoes < before + 60 { try await Task.sleep(for: .milliseconds(5)) }
        tally.add { $0.isOver = true }
        for worker in workers { await worker.value }
        let numbers = tally.now
        #expect(numbers.lost == 0)
        #expect(numbers.connections > 12)
        let meters = await peers.loop.snapshot()
        #expect(meters.number("omniway_links_closed_total", labels: Self.failed) ?? 0 == 0)
        #expect((meters.number("omniway_snet_resumes_total", labels: Self.resumed) ?? 0) > 20)
        await succeeding.end(pid)
        #expect(await gateway.says("handed over pid="))
        #expect(await !gateway.says("cut off"))
        #expect(throws: SystemError.self) { try gateway.folder.read("fastway.pid") }
        await peers.loop.shutdown()
    }
    private static let failed = [MeterSnapshot.Label(name: "reason", value: "connect-failed")]
    private static let resumed = [
        MeterSnapshot.Label(name: "outcome", value: "done"), MeterSnapshot.Label(name: "side", value: "dialing"),
    ]

    /// One physical connection, with one virtual one that lives for a while. A gateway to which the server has not come
    /// yet refuses the dial, and that is no loss.
    private static func converse(
        _ worker: Int, at address: SocketAddress, _ loop: EventLoop, _ tally: Tally
    ) async {
        var configuration = EndpointConfiguration.client
        configuration.reconnect = nil
        do {
            let cutting = Cutting(StreamDialer(address))
            let endpoint = try await GatewayEndpoint(configuration, over: SnetClient().over(cutting), on: loop)
            defer { endpoint.close() }
            guard let connection = try? await endpoint.dial(7, .text) else {
                try await Task.sleep(for: .milliseconds(10))
                return
            }
            tally.add { $0.connections += 1 }
            for number in 0..<25 {
                let words = "\(worker) \(number)"
                // While the words are under way, there or back; never at the end, for a stream that is closed without
                // a connection cannot say so.
                async let cut: Void? = number % 3 == 1 ? cutting.cut(on: loop) : nil
                guard (try? await connection.ask(words)) == "echo \(words)" else { return tally.add { $0.lost += 1 } }
                await cut
                tally.add { $0.echoes += 1 }
                try await Task.sleep(for: .milliseconds(5))
            }
            connection.close()
        } catch { tally.add { $0.lost += 1 } }
    }

    @Test func `a new process that does not become ready changes nothing`() async throws {
        let gateway = try await RunningGateway.start()
        let client = try PlainClient(try await gateway.address(.client))
        let omniway = BuiltProduct.path("omniway")
        for program in ["/bin/false", "/no/such/program"] {
            let lines = try await RunningGateway.script(
                "\(omniway) upgrade gateway --socket \(gateway.folder.file("fastway.sock")) --program \(program)")
            #expect(lines.last == "code 1")
            #expect(lines.first?.contains(program == "/bin/false" ? "the old one goes on" : "no such file") == true)
        }
        // A ping, on the connection from before and on a new one.
        let ping = "\u{5}\0\0\0\0\0\0\0\u{5}"
        #expect(client.ask(ping) == ping)
        #expect(try PlainClient(try await gateway.address(.client)).ask(ping) == ping)
        #expect(try gateway.folder.read("fastway.pid") == "\(gateway.program.pid)")
        #expect(await gateway.program.stop() == 0)
    }

    @Test func `nobody at the socket is an error with a way out`() async throws {
        let folder = try TemporaryFolder()
        let lines = try await RunningGateway.script(
            "\(BuiltProduct.path("omniway")) upgrade --data \(folder.path)")
        #expect(lines.last == "code 1")
        #expect(lines.first?.contains("nobody answers at \(folder.path)/up.sock") == true)
    }

    @Test func `a whole node keeps its addresses, and the room is behind the new gateway`() async throws {
        let node = try await WholeNode()
        let succeeding = Succeeding(program: node.program, door: node.folder.file("data/up.sock"), greeting: "Ctrl-C")
        let names = ["admin", "gateway clients", "app room", "room page", "mesh luda"]
        var addresses: [SocketAddress] = []
        for name in names { addresses.append(try #require(await node.program.port(name))) }
        let pid = try await succeeding.upgrade()
        let lines = await node.program.lines
        for (name, address) in zip(names, addresses) {
            let said = lines.filter { $0.hasPrefix("  \(name)  ") && $0.hasSuffix("\(address)") }
            #expect(said.count == 2, "\(name) is not where it was: \(lines.filter { $0.contains(name) })")
        }
        let page = try PlainClient(addresses[3])
        #expect(page.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n")?.hasPrefix("HTTP/1.1 200") == true)
        #expect(await node.program.wait { $0.contains("stopping") || $0.contains("handed over") })
        await succeeding.end(pid)
    }

    @Test func `a tunnel node keeps its ports, and its certificate`() async throws {
        let folder = try TemporaryFolder()
        let node = [BuiltProduct.path("omniway"), "node", "--listen", "127.0.0.1:0", "--admin-addr", "none"]
        let program = try await TestProgram(node + ["--data", folder.path]) { $0.hasPrefix("Ctrl-C") }
        let succeeding = Succeeding(program: program, door: folder.file("node.sock"), greeting: "Ctrl-C")
        let pid = try await succeeding.upgrade()
        for line in ["  listens ", "  certificate "] {
            let said = await program.lines.filter { $0.hasPrefix(line) }
            #expect(said.count == 2 && said[0] == said[1], "\(said)")
        }
        await succeeding.end(pid)
    }
}
