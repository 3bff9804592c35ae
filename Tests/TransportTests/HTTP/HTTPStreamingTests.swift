import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@Suite struct HTTPStreamingTests {
    @Test func `an answer is written piece by piece, as fast as the client takes it`() async throws {
        let queue = QueueLimits(low: 1000, high: 4000, most: 1 << 20)
        let http = try await HTTPWorld(queue: queue) { routes, _ in
            routes.get("/") { exchange in exchange.handler = Counting(exchange, to: 100_000) }
            routes.get("/async") { exchange in
                exchange.begin(.ok, length: 1_000_000)
                for _ in 0..<1000 {
                    await exchange.untilWritable()
                    exchange.write(Array(repeating: 120, count: 1000))
                }
                exchange.finish()
            }
        }
        let client = await http.connect()
        await client.run { _, client in client.link?.pauseReading() }
        await http.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /async HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
        #expect(await http.counter("omniway_http_responses_total", "status", "2xx") == 0)
        await client.run { _, client in client.link?.resumeReading() }
        http.world.settle()
        #expect(await http.counter("omniway_http_responses_total", "status", "2xx") == 2)
        let bytes = await client.run { _, client in client.bytes }
        let transcript = ReceivedResponses(bytes)
        #expect(transcript.bodies.map(\.count) == [588_895, 1_000_000])
        #expect(String(decoding: transcript.bodies[0].suffix(14), as: UTF8.self) == "\n99999\n100000\n")
    }

    @Test func `a handler hears that its client has left`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/") { exchange in exchange.handler = Leaving(loop: exchange.loop) }
            routes.post("/", body: .pieces()) { exchange in exchange.handler = Leaving(loop: exchange.loop) }
            routes.get("/async") { exchange in
                let task = Task { try await Task.sleep(for: .seconds(3600)) }
                await withTaskCancellationHandler {
                    try? await task.value
                } onCancel: {
                    task.cancel()
                }
                exchange.loop.meters.counter("left", "").add(1)
            }
        }
        for reason in [CloseReason.slowReader, .done] {
            for text in ["GET /", "POST /", "GET /async"] {
                let client = await http.connect()
                await http.send("\(text) HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", on: client)
                await client.run { _, client in client.link?.close(reason) }
                http.world.settle()
            }
            if reason == .slowReader {
                while await http.counter("left") < 3 { await http.settleAndYield() }  // At once.
            }
        }
        // These may still read, until they were sent nothing for so long.
        http.world.advance(by: .milliseconds(9_900))
        #expect(await http.counter("left") == 3)
        http.world.advance(by: .milliseconds(100))
        while await http.counter("left") < 6 { await http.settleAndYield() }
        #expect(await http.links == 0)
        #expect(await http.counter("omniway_loop_tasks") == 0)
    }

    @Test func `an exchange is let go when it is over`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/") { exchange in exchange.handler = Counting(exchange, to: 10) }
            routes.post("/", body: .pieces()) { exchange in exchange.handler = Tracked(exchange) }
        }
        for text in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"] {
            #expect(await http.answer(to: text).statuses == [200])
        }
        #expect(await http.counter("tracked") == 0)
    }

    @Test func `a client that has sent its end still gets its answers, and is gone within a request`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/now") { exchange in exchange.respond(.ok, "now") }
            routes.get("/later") { exchange in _ = Ticking(exchange, last: 1) }
            routes.get("/pieces") { exchange in _ = Ticking(exchange, last: 5) }
            routes.post("/body", body: .pieces()) { exchange in exchange.handler = Leaving(loop: exchange.loop) }
        }
        let get = " HTTP/1.1\r\nHost: a\r\n\r\n"
        for (text, answers, end) in [
            ("GET /now\(get)", 1, "now"), ("GET /later\(get)GET /later\(get)", 2, "Connection: close\r\n\r\n1\n"),
            ("GET /pieces\(get)", 1, "\r\n2\r\n5\n\r\n0\r\n\r\n"), ("GET /now HTTP/1.1\r\n", 0, ""),
            ("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell", 0, ""),
        ] {
            let client = await http.connect()
            await client.run { _, client in
                client.link?.write(text)
                client.link?.finish()
            }
            http.world.advance(by: .seconds(60))
            #expect(await client.text.statuses.count == answers)
            #expect(await client.text.hasSuffix(end))
            #expect(await client.closeReason == .finished)
        }
        #expect(await http.counter("left") == 1)
        #expect(await http.links == 0)
    }

    @Test func `a client that ends while it is written to, and is gone, is noticed at the next piece`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/") { exchange in
                exchange.handler = Leaving(loop: exchange.loop)
                _ = Ticking(exchange, last: 100)
            }
        }
        let client = await http.connect()
        await http.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
        await client.run { _, client in client.link?.close(.done) }
        http.world.advance(by: .seconds(8))
        #expect(await http.counter("left") == 1)
        #expect(await http.links == 0)
    }
}

/// Responses that were received as bytes.
struct ReceivedResponses {
    private(set) var heads: [HTTPResponseHead] = []
    private(set) var bodies: [[UInt8]] = []
    private(set) var error: HTTPMessageError?

    init(_ bytes: [UInt8]) {
        var decoder = HTTPResponseDecoder(limits: HTTPLimits(body: .max))
        decoder.expect(answerTo: .get)
        unsafe bytes.withUnsafeBytes { raw in
            let span = unsafe RawSpan(_unsafeBytes: raw)
            var offset = 0
            do throws(HTTPMessageError) {
                while let part = try decoder.next(span, &offset) {
                    switch part {
                    case .head:
                        heads.append(decoder.head)
                        bodies.append([])
                    case .body(let range): bodies[bodies.count - 1] += bytes[range]
                    case .end: decoder.expect(answerTo: .get)
                    }
                }
            } catch { self.error = error }
        }
    }
}

/// Writes numbers, a line each, as long as there is room.
private final class Counting: HTTPExchangeHandler {
    private var number = 0
    private let last: Int

    init(_ exchange: HTTPExchange, to last: Int) {
        self.last = last
        exchange.begin(.ok)
        writable(exchange)
    }

    func writable(_ exchange: HTTPExchange) {
        while number < last, !exchange.isFull {
            number += 1
            exchange.write("\(number)\n")
        }
        if number == last { exchange.finish() }
    }
}

/// Writes a number every eight seconds; a single one as a whole answer.
private final class Ticking: TimerTarget {
    private let exchange: HTTPExchange
    private let last: Int
    private var number = 0

    init(_ exchange: HTTPExchange, last: Int) {
        (self.exchange, self.last) = (exchange, last)
        exchange.loop.after(.seconds(8), self)
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        number += 1
        if last == 1 { return exchange.respond(.ok, "1\n") }
        if number == 1 { exchange.begin(.ok) }
        exchange.write("\(number)\n")
        if number == last { exchange.finish() } else { loop.after(.seconds(8), self) }
    }
}

private final class Leaving: HTTPExchangeHandler {
    private let loop: Loop
    init(loop: Loop) { self.loop = loop }
    func clientLeft(_ exchange: HTTPExchange, _ reason: CloseReason) { loop.meters.counter("left", "").add(1) }
}

/// Holds its exchange, as handlers do, and counts how many of it there are.
private final class Tracked: HTTPExchangeHandler {
    private let exchange: HTTPExchange
    init(_ exchange: HTTPExchange) {
        self.exchange = exchange
        exchange.loop.meters.counter("tracked", "").add(1)
    }
    deinit { exchange.loop.meters.counter("tracked", "").add(.max) }  // One less.
    func received(_ exchange: HTTPExchange) { exchange.respond(.ok) }
}
