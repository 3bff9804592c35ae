import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@Suite struct HTTPServerTests {
    @Test func `a handler answers a request`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/healthz") { exchange in exchange.respond(.ok, "ok\n") }
        }
        #expect(
            await http.answer(to: "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") == """
                HTTP/1.1 200 OK\r
                Content-Type: text/plain; charset=utf-8\r
                Content-Length: 3\r
                \r
                ok

                """)
        #expect(await http.counter("omniway_http_responses_total", "status", "2xx") == 1)
    }

    @Test func `Date is the time of day`() async throws {
        let http = try await HTTPWorld { routes, _ in routes.get("/") { exchange in exchange.respond(.noContent) } }
        http.world.advance(by: .seconds(784_111_777))
        let client = await http.connect()
        await http.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
        let text = await client.run { _, client in client.text }
        #expect(text == "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n")
    }

    @Test func `segments of a path have names`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/peers/:name") { exchange in exchange.respond(.ok, "peer \(exchange["name"] ?? "?")") }
            routes.get("/peers/self") { exchange in exchange.respond(.ok, "self") }
            routes.get("/peers/:name/links/:link") { exchange in
                exchange.respond(.ok, "\(exchange["name"] ?? "?")-\(exchange["link"] ?? "?")-\(exchange["x"] ?? "nil")")
            }
            routes.get("/files/*path") { exchange in exchange.respond(.ok, "file \(exchange["path"] ?? "?")") }
            routes.get("/files/:name/info") { exchange in exchange.respond(.ok, "info") }
        }
        func body(_ path: String) async -> String {
            let answer = await http.answer(to: "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
            return String(answer.split(separator: "\r\n\r\n", maxSplits: 1).last ?? "")
        }
        #expect(await body("/peers/b%C3%BCro?x=1") == "peer büro")
        #expect(await body("/peers/self") == "self")
        #expect(await body("/peers/self?x") == "self")
        #expect(await body("/peers/self/links/7") == "self-7-nil")
        #expect(await body("/files/a/b%2Fc") == "file a/b/c")
        #expect(await body("/files/a/info") == "info")
        #expect(await body("/files/") == "file ")
        for path in ["/", "/peers", "/peers/", "/peers/a/", "/peers/a/links", "/peers/%ff", "/filesx"] {
            #expect(await http.answer(to: "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n").statuses == [404], "\(path)")
        }
    }

    @Test func `another method is told which ones there are`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/") { exchange in exchange.respond(.ok, "got") }
            routes.on(.put, "/") { exchange in exchange.respond(.ok, exchange.body) }
        }
        let answer = await http.answer(
            to: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(answer.statuses == [405, 200])
        #expect(answer.contains("\r\nAllow: GET, PUT, HEAD\r\n"))
    }

    @Test func `HEAD is GET without the body`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/") { exchange in exchange.respond(.ok, "hello") }
            routes.get("/pieces") { exchange in
                exchange.begin(.ok)
                exchange.write("hello")
                exchange.finish()
            }
            routes.get("/static", Array(repeating: 120, count: 9000), type: "text/css")
        }
        let client = await http.connect()
        for path in ["/", "/pieces", "/static"] {
            await http.send("HEAD \(path) HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
        }
        #expect(
            await client.text == """
                HTTP/1.1 200 OK\r
                Content-Type: text/plain; charset=utf-8\r
                Content-Length: 5\r
                \r
                HTTP/1.1 200 OK\r
                Transfer-Encoding: chunked\r
                \r
                HTTP/1.1 200 OK\r
                Content-Type: text/css\r
                Content-Length: 9000\r
                \r

                """)
    }

    private static let conversation = """
        GET /a HTTP/1.1\r
        Host: a\r
        \r
        POST /echo HTTP/1.1\r
        Host: a\r
        Content-Length: 5\r
        \r
        helloPOST /echo HTTP/1.1\r
        Host: a\r
        Transfer-Encoding: chunked\r
        \r
        3\r
        one\r
        3\r
        two\r
        0\r
        \r
        POST /pieces HTTP/1.1\r
        Host: a\r
        Content-Length: 6\r
        \r
        piecesGET /late HTTP/1.1\r
        Host: a\r
        \r
        GET /a HTTP/1.1\r
        Host: a\r
        Connection: close\r
        \r

        """

    private static func conversing() async throws -> HTTPWorld {
        try await HTTPWorld { routes, _ in
            routes.get("/a") { exchange in exchange.respond(.ok, "a") }
            routes.post("/echo") { exchange in exchange.respond(.ok, exchange.body) }
            routes.post("/pieces", body: .pieces()) { exchange in exchange.handler = PieceEcho() }
            routes.get("/late") { exchange in _ = Later(exchange) }
        }
    }

    @Test func `pipelined requests are answered in order, wherever their bytes were cut`() async throws {
        let http = try await Self.conversing()
        let whole = await http.connect()
        await http.send(Self.conversation, on: whole)
        http.world.advance(by: .seconds(1))
        let expected = await whole.text
        #expect(expected.statuses == [200, 200, 200, 200, 200, 200])
        #expect(expected.hasSuffix("Connection: close\r\n\r\na"))
        let bytes = Array(Self.conversation.utf8)
        for cut in stride(from: 1, to: bytes.count, by: 1) {
            let client = await http.connect()
            for piece in [bytes[..<cut], bytes[cut...]] {
                await http.send(String(decoding: piece, as: UTF8.self), on: client)
            }
            http.world.advance(by: .seconds(1))
            #expect(await client.text == expected, "cut at \(cut)")
            await client.run { _, client in client.link?.close(.done) }
        }
        await whole.run { _, client in client.link?.close(.done) }
        http.world.settle()
        #expect(await http.links == 0)
    }

    @Test func `an answer that comes later holds back the requests behind it`() async throws {
        let http = try await Self.conversing()
        let client = await http.connect()
        await http.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
        #expect(await client.text == "")
        await http.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
        http.world.advance(by: .seconds(1))
        #expect(await client.text.split(separator: "\r\n\r\n").map { $0.prefix(1) } == ["H", "l", "a", "a"])
    }

    @Test func `an async handler is back on its loop and answers`() async throws {
        let http = try await HTTPWorld { routes, loop in
            routes.get("/slow") { exchange in
                let number = await doubled(21)
                exchange.respond(.ok, "\(number)")
            }
        }
        let client = await http.connect()
        await http.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
        while await client.text.isEmpty { await http.settleAndYield() }
        #expect(await client.text.hasSuffix("\r\n\r\n42"))
    }

    @Test func `a handler without an answer gives 500`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/forgets") { _ in }
            routes.get("/throws") { (_: HTTPExchange) async throws in throw HTTPWriteError.target("x") }
            routes.get("/injects") { exchange in exchange.respond(.ok, "x", ["X": "a\r\nY: b"]) }
            routes.get("/drops") { exchange in
                exchange.begin(.ok)
                exchange.write("half")
            }
            routes.get("/short") { exchange in
                exchange.begin(.ok, length: 5)
                exchange.write("half")
                exchange.finish()
            }
            routes.get("/long") { exchange in
                exchange.begin(.ok, length: 3)
                exchange.write("half")
            }
        }
        for path in ["/forgets", "/throws", "/injects"] {
            let answer = await http.answer(to: "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(answer.statuses == [500], "\(path)")
            #expect(!answer.contains("Y:"))
        }
        #expect(await http.counter("omniway_http_unanswered_total") == 3)
        for path in ["/drops", "/short", "/long"] {
            let client = await http.connect()
            await http.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
            #expect(await client.closeReason == .reset, "\(path)")
        }
        #expect(await http.counter("omniway_links_closed_total", "reason", "answer-cut") == 3)
    }

    @Test func `a second answer is counted and dropped`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/") { exchange in
                exchange.respond(.ok, "first")
                exchange.respond(.ok, "second")
            }
        }
        #expect(await http.answer(to: "GET / HTTP/1.1\r\nHost: a\r\n\r\n").hasSuffix("first"))
        #expect(await http.counter("omniway_http_late_answers_total") == 1)
    }

    @Test func `an old client gets bodies that end with the connection`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/") { exchange in exchange.respond(.ok, "hello") }
            routes.get("/pieces") { exchange in
                exchange.begin(.ok)
                exchange.write("hel")
                exchange.write("lo")
                exchange.finish()
            }
        }
        let client = await http.connect()
        await http.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", on: client)
        #expect(await client.text.contains("\r\nConnection: keep-alive\r\n"))
        #expect(await client.hasFinished == false)
        await http.send("GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", on: client)
        #expect(await client.text.hasSuffix("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"))
        #expect(await client.hasFinished)
        #expect(await http.answer(to: "GET / HTTP/1.0\r\n\r\n").contains("\r\nConnection: close\r\n"))
    }

    @Test func `a client that waits for 100 Continue gets it, or a refusal at once`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.post("/", body: .whole(upTo: 10)) { exchange in exchange.respond(.ok, exchange.body) }
            routes.post("/no", body: .pieces()) { exchange in exchange.respond(.unauthorized, "no") }
        }
        func head(_ path: String, _ length: Int) -> String {
            "POST \(path) HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: \(length)\r\n\r\n"
        }
        let client = await http.connect()
        await http.send(head("/", 5), on: client)
        #expect(await client.text == "HTTP/1.1 100 Continue\r\n\r\n")
        await http.send("hello", on: client)
        #expect(await client.text.hasSuffix("\r\n\r\nhello"))
        #expect(await http.answer(to: head("/", 5) + "hello").statuses == [200])
        for (path, length, status) in [("/", 11, 413), ("/no", 5, 401), ("/none", 5, 404)] {
            let client = await http.connect()
            await http.send(head(path, length), on: client)
            #expect(await client.text.statuses == [status])
            #expect(await client.text.contains("\r\nConnection: close\r\n"))
            #expect(await client.hasFinished)
        }
    }

    @Test func `a link can be taken over, with what the client has sent already`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/chat") { exchange in
                exchange.upgrade(to: Shouting(), ["Connection": "Upgrade", "Upgrade": "chat"])
            }
            routes.get("/later") { exchange in _ = Later(exchange, upgradesTo: Shouting()) }
            routes.on(.connect, "/") { _ in }
        }
        for path in ["/chat", "/later"] {
            let client = await http.connect()
            await http.send(
                "GET \(path) HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nhello", on: client)
            http.world.advance(by: .seconds(1))
            await http.send(" world", on: client)
            #expect(
                await client.text == """
                    HTTP/1.1 101 Switching Protocols\r
                    Connection: Upgrade\r
                    Upgrade: chat\r
                    \r
                    open HELLO WORLD
                    """)
            http.world.advance(by: .seconds(300))
            #expect(await client.closeReason == nil)
        }
    }

    @Test func `who takes a link over hears that its client has ended before`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/later") { exchange in _ = Later(exchange, upgradesTo: Shouting()) }
        }
        let client = await http.connect()
        await client.run { _, client in
            client.link?.write("GET /later HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
            client.link?.finish()
        }
        http.world.advance(by: .seconds(1))
        #expect(await client.text.hasSuffix("\r\n\r\nopen "))
        #expect(await client.closeReason == .finished)
        #expect(await http.links == 0)
    }

    @Test func `a server that drains ends idle connections at once and others with their answer`() async throws {
        let http = try await Self.conversing()
        let (idle, busy) = (await http.connect(), await http.connect())
        await http.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", on: idle)
        await http.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n", on: busy)
        await http.server.run { _, server in server.drain() }
        http.world.settle()
        #expect(await idle.hasFinished)
        #expect(await busy.hasFinished == false)
        http.world.advance(by: .seconds(1))
        #expect(await busy.text.contains("\r\nConnection: close\r\n"))
        #expect(await busy.hasFinished)
        #expect(await http.connect().closeReason == .refused)
    }
}

@concurrent private func doubled(_ number: Int) async -> Int { number * 2 }

/// Sends each piece back as it comes.
private final class PieceEcho: HTTPExchangeHandler {
    private var bytes: [UInt8] = []
    func receive(_ bytes: RawSpan, of exchange: HTTPExchange) {
        unsafe bytes.withUnsafeBytes { unsafe self.bytes.append(contentsOf: $0) }
    }
    func received(_ exchange: HTTPExchange) { exchange.respond(.ok, bytes) }
}

/// Answers after a tenth of a second.
private final class Later: TimerTarget {
    private let exchange: HTTPExchange
    private let handler: (any LinkHandler)?

    init(_ exchange: HTTPExchange, upgradesTo handler: (any LinkHandler)? = nil) {
        (self.exchange, self.handler) = (exchange, handler)
        exchange.loop.after(.milliseconds(100), self)
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        if let handler {
            exchange.upgrade(to: handler, ["Connection": "Upgrade", "Upgrade": "chat"])
        } else {
            exchange.respond(.ok, "late")
        }
    }
}

private final class Shouting: LinkHandler {
    func opened(_ link: Link) { link.write("open ") }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var text: [UInt8] = []
        unsafe bytes.withUnsafeBytes { unsafe text.append(contentsOf: $0) }
        link.write(String(decoding: text, as: UTF8.self).uppercased())
        return bytes.byteCount
    }
}
