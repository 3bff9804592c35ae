import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@Suite struct HTTPServerLimitTests {
    private static let limits = HTTPServerLimits(
        message: HTTPLimits(head: 300, target: 40, fields: 5, body: 20), headDeadline: .seconds(5),
        bodyInterval: .seconds(2), bodyProgress: 4, idle: .seconds(30), stall: .seconds(15), requests: 3)

    private static func serving(queue: QueueLimits = QueueLimits()) async throws -> HTTPWorld {
        try await HTTPWorld(limits: limits, queue: queue) { routes, _ in
            routes.get("/") { exchange in exchange.respond(.ok, "ok") }
            routes.post("/") { exchange in exchange.respond(.ok, exchange.body) }
            routes.post("/large", body: .whole(upTo: 100)) { exchange in exchange.respond(.ok, "\(exchange.body.count)")
            }
            routes.post("/pieces", body: .pieces(upTo: 100)) { exchange in
                exchange.handler = Noting(loop: exchange.loop)
            }
            routes.get("/big") { exchange in exchange.respond(.ok, Array(repeating: 120, count: 1 << 20)) }
        }
    }

    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test(arguments: [
        ("GET /\(String(repeating: "a", count: 40)) HTTP/1.1\r\nHost: a\r\n\r\n", 414, "head-too-large"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "a", count: 300))\r\n\r\n", 431, "head-too-large"),
        ("GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\nC:\r\nD:\r\nE:\r\n\r\n", 431, "head-too-large"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n", 413, "body-too-large"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n", 413, "body-too-large"),
        ("POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", 413, "body-too-large"),
        ("GET / HTTP/1.1\n\n", 400, "bad-request"),
        ("GET / HTTP/2.0\r\n\r\n", 505, "bad-request"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "bad-request"),
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n", 417, "bad-request"),
    ])
    func `whoever goes beyond a limit is told, and its connection ends`(
        _ text: String, _ status: Int, _ reason: String
    ) async throws {
        let http = try await Self.serving()
        let client = await http.connect()
        await http.send(Self.get + text + Self.get, on: client)
        #expect(await client.text.statuses == [200, status])
        #expect(await client.text.contains("\r\nConnection: close\r\n"))
        #expect(await client.hasFinished)
        #expect(await http.counter("omniway_links_closed_total", "reason", reason) == 1)
    }

    @Test func `a route may have a limit of its own`() async throws {
        let http = try await Self.serving()
        let body = String(repeating: "a", count: 100)
        let head = " HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
        let client = await http.connect()
        await http.send("POST /large\(head)\(body)POST /\(head)", on: client)
        #expect(await client.text.statuses == [200, 413])
    }

    @Test func `a head that comes too slowly is refused, and others are served meanwhile`() async throws {
        let http = try await Self.serving()
        let (slow, silent, quick) = (await http.connect(), await http.connect(), await http.connect())
        for second in 1...4 {
            http.world.advance(by: .seconds(1))
            await http.send(second == 1 ? "GET / HTTP/1.1\r\n" : "X: \(second)\r\n", on: slow)
            if second < 4 { await http.send(Self.get, on: quick) }
        }
        #expect(await slow.text == "")
        #expect(await silent.hasFinished == false)
        http.world.advance(by: .seconds(1))
        #expect(await slow.text.statuses == [408])
        #expect(await slow.hasFinished)
        #expect(await silent.text == "")
        #expect(await silent.hasFinished)
        #expect(await quick.text.statuses == [200, 200, 200])
        #expect(await http.counter("omniway_links_closed_total", "reason", "request-timeout") == 1)
    }

    @Test func `a later head has its deadline from its first byte`() async throws {
        let http = try await Self.serving()
        let client = await http.connect()
        await http.send(Self.get, on: client)
        http.world.advance(by: .seconds(20))
        await http.send("GET", on: client)
        http.world.advance(by: .milliseconds(4_900))
        #expect(await client.hasFinished == false)
        await http.send(" /", on: client)
        http.world.advance(by: .milliseconds(200))
        #expect(await client.text.statuses == [200, 408])
    }

    @Test func `a body must make progress`() async throws {
        let http = try await Self.serving()
        let client = await http.connect()
        await http.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n", on: client)
        for _ in 1...3 {
            http.world.advance(by: .seconds(1))
            await http.send("four", on: client)
        }
        for _ in 1...3 {
            http.world.advance(by: .seconds(1))
            await http.send("1", on: client)
        }
        http.world.advance(by: .seconds(1))
        #expect(await client.text.statuses == [408])
        #expect(await client.hasFinished)
    }

    @Test func `a body that nobody wants to read yet has no deadline`() async throws {
        let http = try await Self.serving()
        let client = await http.connect()
        await http.send("POST /pieces HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nwait", on: client)
        http.world.advance(by: .seconds(9))
        await http.send("more", on: client)
        #expect(await client.text == "")
        http.world.advance(by: .seconds(1))
        #expect(await client.text.hasSuffix("\r\n\r\nwaitmore"))
    }

    @Test func `a connection waits for another request as long as it may`() async throws {
        let http = try await Self.serving()
        let client = await http.connect()
        await http.send(Self.get, on: client)
        http.world.advance(by: .seconds(29))
        await http.send(Self.get, on: client)
        http.world.advance(by: .seconds(29))
        #expect(await client.hasFinished == false)
        http.world.advance(by: .seconds(1))
        #expect(await client.hasFinished)
        #expect(await client.text.statuses == [200, 200])
        #expect(await http.counter("omniway_links_closed_total", "reason", "idle") == 1)
    }

    @Test func `the last request of a connection is told so`() async throws {
        let http = try await Self.serving()
        let answer = await http.answer(to: Self.get + Self.get + Self.get + Self.get)
        #expect(answer.statuses == [200, 200, 200])
        #expect(answer.hasSuffix("Connection: close\r\n\r\nok"))
    }

    @Test func `requests are not read while their answers wait for the client`() async throws {
        let http = try await Self.serving(queue: QueueLimits(low: 1000, high: 100_000, most: 16 << 20))
        let client = await http.connect()
        await client.run { _, client in client.link?.pauseReading() }
        await http.send(String(repeating: "GET /big HTTP/1.1\r\nHost: a\r\n\r\n", count: 3), on: client)
        #expect(await http.counter("omniway_http_responses_total", "status", "2xx") == 1)
        await client.run { _, client in client.link?.resumeReading() }
        http.world.settle()
        #expect(await client.run { _, client in client.bytes.count } > 3 << 20)
    }

    @Test func `a client that takes nothing of its answer loses it`() async throws {
        let http = try await Self.serving()
        let client = await http.connect()
        await client.run { _, client in client.link?.pauseReading() }
        await http.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
        http.world.advance(by: .seconds(60))
        #expect(await http.counter("omniway_links_closed_total", "reason", "slow-reader") == 1)
    }

    @Test func `a client that has taken a large answer may not stay for ever`() async throws {
        let http = try await HTTPWorld(queue: QueueLimits(low: 1 << 10, high: 4 << 10, most: 1 << 20)) { routes, _ in
            routes.get("/") { exchange in exchange.respond(.ok, Array(repeating: 120, count: 100_000)) }
        }
        let client = await http.connect()
        await http.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
        #expect(await client.text.utf8.count > 100_000)
        http.world.advance(by: .seconds(59))
        #expect(await client.hasFinished == false)
        http.world.advance(by: .seconds(1))
        #expect(await client.hasFinished)
    }
}

/// Stops the body after its first piece, for ten seconds; then sends all of it back.
private final class Noting: HTTPExchangeHandler, TimerTarget {
    private let loop: Loop
    private var exchange: HTTPExchange?
    private var bytes: [UInt8] = []

    init(loop: Loop) { self.loop = loop }

    func receive(_ bytes: RawSpan, of exchange: HTTPExchange) {
        unsafe bytes.withUnsafeBytes { unsafe self.bytes.append(contentsOf: $0) }
        guard self.exchange == nil else { return }
        self.exchange = exchange
        exchange.pauseBody()
        loop.after(.seconds(10), self)
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        exchange?.resumeBody()
    }

    func received(_ exchange: HTTPExchange) {
        exchange.respond(.ok, bytes)
        self.exchange = nil
    }
}
