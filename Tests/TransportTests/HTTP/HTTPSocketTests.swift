import Glibc
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// Over real sockets, with curl, with our own client, and with TLS.
@Suite(.timeLimit(.minutes(2))) struct HTTPSocketTests {
    private func serve(_ acceptor: some Acceptor, on loops: EventLoops) async throws -> Listening {
        let servers = await loops.own { loop in
            var routes = HTTPRoutes()
            routes.get("/hello") { exchange in exchange.respond(.ok, "hello\n") }
            routes.post("/echo", body: .whole(upTo: 1 << 20)) { exchange in exchange.respond(.ok, exchange.body) }
            routes.get("/count") { exchange in
                exchange.begin(.ok)
                for number in 1...1000 {
                    await exchange.untilWritable()
                    exchange.write("\(number)\n")
                }
                exchange.finish()
            }
            routes.get("/bytes", Array(repeating: 120, count: 100_000), type: "application/octet-stream")
            return HTTPServer(on: loop, routes: routes)
        }
        return try await acceptor.open(into: servers)
    }

    /// What a shell command prints, and its exit code as the last line.
    private func run(_ command: String) async throws -> [String] {
        let program = try await TestProgram(["sh", "-c", command + "; echo; echo ended $?"]) { $0.hasPrefix("ended ") }
        let lines = await program.lines
        await program.stop()
        return lines.filter { !$0.isEmpty && !$0.hasPrefix("ended") }
    }

    @Test func `curl gets, posts, streams, and asks with old versions`() async throws {
        try await withLoops { loops in
            let listening = try await serve(StreamAcceptor(.loopback()), on: loops)
            let curl = "curl -sS --noproxy '*'"
            let root = "http://\(listening.address)"
            #expect(try await run("\(curl) \(root)/hello") == ["hello"])
            #expect(
                try await run("\(curl) \(root)/hello \(root)/hello -w '%{num_connects}\\n'") == [
                    "hello", "1", "hello", "0",
                ])
            #expect(try await run("\(curl) --http1.0 \(root)/count | tail -1") == ["1000"])
            #expect(try await run("\(curl) \(root)/count | wc -l") == ["1000"])
            #expect(
                try await run("\(curl) -I \(root)/bytes | tr -d '\\r' | grep -i length") == ["Content-Length: 100000"])
            #expect(try await run("\(curl) -X PUT \(root)/hello -o /dev/null -w '%{http_code}\\n'") == ["405"])
            let upload = "head -c 500000 /dev/zero | \(curl) --data-binary @- \(root)/echo"
            #expect(try await run("\(upload) | wc -c") == ["500000"])
            #expect(try await run("\(upload) -H 'Transfer-Encoding: chunked' | wc -c") == ["500000"])
            #expect(try await run("\(upload) -H 'Expect: 100-continue' | wc -c") == ["500000"])
            let large = "head -c 3000000 /dev/zero | \(curl) --data-binary @- \(root)/echo -o /dev/null"
            #expect(try await run("\(large) -w '%{http_code}\\n' -H 'Expect: 100-continue'") == ["413"])
            await listening.stop()
        }
    }

    @Test func `our client speaks to our server, with TLS or without`() async throws {
        let authority = try await TestAuthority()
        try await withLoops(2) { loops in
            let plain = try await serve(StreamAcceptor(.loopback()), on: loops)
            let secret = try await serve(
                TLSServer(authority.identity("good")).over(StreamAcceptor(.loopback())), on: loops)
            let tls = try TLSClient(host: "localhost", trust: .roots(files: authority.file("root.pem")))
            let address = secret.address
            let clients = [
                await loops.loops[0].own { loop in HTTPClient(on: loop, StreamDialer(plain.address), host: "localhost")
                },
                await loops.loops[0].own { loop in
                    HTTPClient(on: loop, tls.over(StreamDialer(address)), host: "localhost")
                },
            ]
            for client in clients {
                #expect(try await client.get("/hello").text == "hello\n")
                #expect(try await client.post("/echo", Array(repeating: 65, count: 200_000)).body.count == 200_000)
                #expect(try await client.get("/count").text.hasSuffix("999\n1000\n"))
                #expect(try await client.get("/none").status == .notFound)
                #expect(await client.run { _, client in client.connectionCount } == 1)
                await client.run { _, client in client.close() }
            }
            await plain.stop()
            await secret.stop()
        }
    }

    @Test func `a task that is cancelled elsewhere gives up its request`() async throws {
        try await withLoops { loops in
            let silent = try await StreamAcceptor(.loopback()).open(into: await loops.own { _ in RecordingIntake() })
            let client = await loops.loops[0].own { loop in
                HTTPClient(on: loop, StreamDialer(silent.address), host: "localhost")
            }
            let asking = Task { try await client.get("/") }
            while await client.run({ _, client in client.connectionCount }) == 0 { await Task.yield() }
            asking.cancel()
            await #expect(throws: HTTPClientError.cancelled) { try await asking.value }
            await #expect(throws: HTTPClientError.cancelled) {
                try await Task { try await client.get("/") }.cancelled()
            }
            await silent.stop()
        }
    }

    @Test func `ten thousand connections leave nothing behind`() async throws {
        try await withLoops { loops in
            let listening = try await serve(StreamAcceptor(.loopback()), on: loops)
            let churn = await loops.loops[0].own { loop in
                Churn(HTTPClient(on: loop, StreamDialer(listening.address), host: "localhost"), requests: 10_000)
            }
            let before = Self.descriptors
            await churn.run { loop, churn in churn.start(20) }
            while await churn.run({ _, churn in churn.answers + churn.failures }) < 10_000 { await Task.yield() }
            #expect(await churn.run { _, churn in churn.failures } == 0)
            while await loops.loops[0].run({ loop in loop.linkCount }) > 0 { await Task.yield() }
            #expect(Self.descriptors < before + 1000)  // Other tests have some too, at the same time.
            let snapshot = await loops.loops[0].snapshot()
            #expect(snapshot.number("omniway_links_opened_total") == 20_000)
            #expect(snapshot.number("omniway_loop_tasks") == 0)
            await listening.stop()
        }
    }

    private static var descriptors: Int {
        guard let folder = unsafe opendir("/proc/self/fd") else { return -1 }
        defer { unsafe closedir(folder) }
        var count = 0
        while unsafe readdir(folder) != nil { count += 1 }
        return count
    }
}

extension Task where Failure == any Error {
    /// The value of a task that is cancelled before it can do anything.
    fileprivate func cancelled() async throws -> Success {
        cancel()
        return try await value
    }
}

/// Asks again and again, each time on a new connection.
private final class Churn: HTTPResponseHandler {
    private let client: HTTPClient
    private var due: Int
    private(set) var answers = 0
    private(set) var failures = 0

    init(_ client: HTTPClient, requests: Int) { (self.client, due) = (client, requests) }

    func start(_ count: Int) { for _ in 0..<count { ask() } }

    private func ask() {
        guard due > 0 else { return }
        due -= 1
        client.send(HTTPRequestHead(.get, "/hello", ["Connection": "close"]), to: self)
    }

    func received(_ head: HTTPResponseHead, of call: HTTPCall) {}
    func receive(_ bytes: RawSpan, of call: HTTPCall) {}
    func ended(_ call: HTTPCall) {
        answers += 1
        ask()
    }
    func failed(_ call: HTTPCall, _ error: HTTPClientError) {
        failures += 1
        ask()
    }
}
