import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@Suite struct HTTPClientTests {
    private static func serving() async throws -> HTTPWorld {
        try await HTTPWorld { routes, _ in
            routes.get("/hello") { exchange in exchange.respond(.ok, "hello \(exchange.request.headers["host"] ?? "?")")
            }
            routes.post("/echo") { exchange in exchange.respond(.created, exchange.body) }
            routes.post("/pieces", body: .pieces()) { exchange in exchange.handler = Returning(exchange) }
            routes.get("/never") { exchange in exchange.handler = Returning() }
            routes.get("/close") { exchange in exchange.respond(.ok, "bye", ["Connection": "close"]) }
        }
    }

    @Test func `a task asks and gets the response`() async throws {
        let http = try await Self.serving()
        let asking = await http.asking { client in
            let hello = try await client.get("/hello")
            let echo = try await client.post("/echo", Array("body".utf8))
            return "\(hello.status) \(hello.text), \(echo.status.code) \(echo.text)"
        }
        #expect(await asking.answer(http) == "200 OK hello test, 201 body")
        #expect(await http.counter("omniway_links_opened_total") == 2)  // One connection, which has two ends.
    }

    @Test func `a response is the same, wherever it is cut`() async throws {
        let response = """
            HTTP/1.1 100 Continue\r
            \r
            HTTP/1.1 200 OK\r
            Transfer-Encoding: chunked\r
            \r
            5\r
            hello\r
            1\r
            !\r
            0\r
            \r

            """
        let bytes = Array(response.utf8)
        for cut in 0..<bytes.count {
            let script = try await HTTPScript()
            await script.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
            for piece in [bytes[..<cut], bytes[cut...]] {
                await script.say(String(decoding: piece, as: UTF8.self))
            }
            #expect(await script.log == ["200", "hello!", "end"], "cut at \(cut)")
            #expect(await script.said == ["GET / HTTP/1.1\r\nHost: test\r\n\r\n"])
        }
    }

    @Test(arguments: [
        ("HTTP/1.1 204 No Content\r\n\r\n", ["204", "end"]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ["200", "end"]),
        ("HTTP/1.0 200 OK\r\n\r\nuntil the end", ["200", "until the end", "end"]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ["200", "hell", "connection ended within"]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", ["\"5, 5\" is not one number"]),
        ("SSH-2.0-OpenSSH\r\n", ["is this an HTTP server"]),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", ["switched to another protocol"]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", ["200", "larger than 100 bytes"]),
        ("", ["connection ended before the response"]),
    ])
    func `a response ends as it should, or with words`(_ text: String, _ expected: [String]) async throws {
        let script = try await HTTPScript(limits: HTTPClientLimits(message: HTTPLimits(body: 100)))
        await script.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
        await script.say(text)
        await script.finish()
        let log = await script.log
        #expect(log.count == expected.count, "\(log)")
        for (line, words) in zip(log, expected) { #expect(line.contains(words)) }
        #expect(await script.connections == 0 || expected.last == "end")
    }

    @Test func `connections are used again, and are no more than there may be`() async throws {
        let script = try await HTTPScript(limits: HTTPClientLimits(connections: 2, waiting: 2))
        await script.ask { client, log in
            for _ in 1...5 { client.send(HTTPRequestHead(.get, "/"), to: log) }
        }
        #expect(await script.log.map { $0.contains("2 requests wait") } == [true])
        #expect(await script.connections == 2)
        #expect(await script.recorders == 2)
        await script.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
        await script.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nb", to: 1)
        await script.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nc")
        #expect(await script.recorders == 3)
        await script.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nd", to: 2)
        #expect(
            await script.log.dropFirst() == [
                "200", "a", "end", "200", "b", "end", "200", "c", "end", "200", "d", "end",
            ])
        #expect(await script.connections == 2)
        script.world.advance(by: .seconds(30))
        #expect(await script.connections == 0)
    }

    @Test func `bytes that answer nothing end their connection`() async throws {
        let script = try await HTTPScript()
        await script.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
        await script.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        #expect(await script.connections == 0)
        await script.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
        await script.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", to: 1)
        #expect(await script.connections == 1)
        await script.say("HTTP/1.1 200 OK\r\n", to: 1)
        #expect(await script.connections == 0)
        #expect(await script.log == ["200", "end", "200", "end"])
    }

    @Test(arguments: [(HTTPMethod.get, true), (.post, false)])
    func `a request on a connection that was dead is sent once more, if that does no harm`(
        _ method: HTTPMethod, _ isRetried: Bool
    ) async throws {
        let script = try await HTTPScript()
        await script.ask { client, log in client.send(HTTPRequestHead(.get, "/first"), to: log) }
        await script.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await script.ask { client, log in client.send(HTTPRequestHead(method, "/second"), .bytes([120]), to: log) }
        await script.breakOff(0)
        #expect(await script.recorders == (isRetried ? 2 : 1))
        if isRetried {
            #expect(await script.said.last?.hasPrefix("GET /second") == true)
            await script.breakOff(1)
        }
        #expect(await script.log.last?.contains("the connection ended before") == true)
        #expect(await script.recorders == (isRetried ? 2 : 1))
    }

    @Test func `a request that was answered in part is not sent again`() async throws {
        let script = try await HTTPScript()
        await script.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
        await script.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await script.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
        await script.say("HTTP")
        await script.breakOff(0)
        #expect(await script.recorders == 1)
    }

    @Test func `every wait has its deadline`() async throws {
        let limits = HTTPClientLimits(connect: .seconds(2), whole: .seconds(9), quiet: .seconds(4))
        let silent = try await HTTPScript(limits: limits, accepts: false)
        await silent.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
        silent.world.advance(by: .seconds(2))
        #expect(await silent.log.map { $0.contains("no connection to the server") } == [true])

        let quiet = try await HTTPScript(limits: limits)
        await quiet.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
        quiet.world.advance(by: .milliseconds(3900))
        #expect(await quiet.log == [])
        quiet.world.advance(by: .milliseconds(200))
        #expect(await quiet.log == ["nothing of the response came for 4.0 seconds"])
        #expect(await quiet.connections == 0)

        let slow = try await HTTPScript(limits: limits)
        await slow.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
        await slow.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in 1...2 {
            slow.world.advance(by: .seconds(3))
            await slow.say("x")
        }
        slow.world.advance(by: .seconds(3))
        #expect(await slow.log.last?.contains("not whole within 9.0 seconds") == true)
    }

    @Test func `a server that only says that it goes on is left, also without deadlines`() async throws {
        let script = try await HTTPScript(limits: HTTPClientLimits(whole: nil, quiet: nil))
        await script.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
        for _ in 1...100 { await script.say("HTTP/1.1 102 Processing\r\n\r\n") }
        #expect(await script.log == [])
        await script.say("HTTP/1.1 102 Processing\r\n\r\n")
        #expect(await script.log.map { $0.contains("more than 100 informational responses") } == [true])
        #expect(await script.connections == 0)
    }

    @Test func `connections that may not be idle are not kept`() async throws {
        let script = try await HTTPScript(limits: HTTPClientLimits(idle: .zero))
        for number in 0...1 {
            await script.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
            await script.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", to: number)
            #expect(await script.connections == 0)
        }
        #expect(await script.log == ["200", "end", "200", "end"])
    }

    @Test func `a response without deadlines may last for days`() async throws {
        let script = try await HTTPScript(limits: HTTPClientLimits(message: HTTPLimits(body: .max)))
        await script.ask { client, log in
            var limits = client.limits
            (limits.whole, limits.quiet) = (nil, nil)
            client.send(HTTPRequestHead(.get, "/watch"), limits: limits, to: log)
        }
        await script.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        script.world.advance(by: .seconds(3 * 86_400))
        await script.say("1\r\nb\r\n")
        #expect(await script.log == ["200", "ab"])
        #expect(await script.connections == 1)
    }

    @Test func `a body is sent and received piece by piece, as fast as the other side takes it`() async throws {
        let http = try await Self.serving()
        let client = await http.client()
        let sending = await client.map { _, client in Sending(client, bytes: 3_000_000) }
        http.world.settle()
        await sending.run { _, sending in
            #expect(sending.head?.status == .ok)
            #expect(sending.received == 3_000_000)
            #expect(sending.hasEnded)
        }
    }

    @Test func `a response that is paused holds its server back`() async throws {
        let script = try await HTTPScript(limits: HTTPClientLimits(message: HTTPLimits(body: .max)))
        await script.ask { client, log in
            log.call = client.send(HTTPRequestHead(.get, "/"), to: log)
            log.call?.pause()
        }
        let body = String(repeating: "x", count: 1 << 20)
        await script.say("HTTP/1.1 200 OK\r\nContent-Length: 3145728\r\n\r\n\(body)\(body)\(body)")
        #expect(await script.log == [])
        #expect(await script.isFull)
        script.world.advance(by: .seconds(40))  // Beyond the limit of silence, which is not the server's.
        await script.resume()
        #expect(await script.log.map(\.utf8.count) == [3, 3 << 20, 3])
    }

    @Test(
        arguments: ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 204 No Content\r\n\r\n"], [false, true])
    func `a response that is paused at its last piece ends when it goes on`(text: String, leaves: Bool) async throws {
        let script = try await HTTPScript()
        await script.ask { client, log in log.call = client.send(HTTPRequestHead(.get, "/"), to: Hesitant(log)) }
        await script.say(text)
        if leaves { await script.finish() }
        #expect(await script.log.last != "end")
        await script.resume()
        #expect(await script.log.last == "end")
    }

    @Test func `a request is not given to a connection that has just ended`() async throws {
        let script = try await HTTPScript()
        await script.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
        await script.say("HTTP/1.1 204 No Content\r\n\r\n")
        // In the turn in which the connection ends, for it was idle so long, but after that.
        await script.ask { client, log in client.loop.after(client.limits.idle, Posting(client, log)) }
        script.world.advance(by: HTTPClientLimits().idle)
        #expect(await script.log == ["204", "end"])
        #expect(await script.said.last?.hasPrefix("POST") == true)
    }

    @Test func `a request that cannot be written costs no connection`() async throws {
        let script = try await HTTPScript()
        await script.ask { client, log in client.send(HTTPRequestHead(.get, "/"), to: log) }
        await script.say("HTTP/1.1 204 No Content\r\n\r\n")
        await script.ask { client, log in client.send(HTTPRequestHead(.get, "/a b"), to: log) }
        #expect(await script.log.last?.hasPrefix("the request cannot be written") == true)
        #expect(await script.connections == 1)
    }

    @Test func `a cancelled task gives up its request`() async throws {
        let http = try await Self.serving()
        let asking = await http.asking { client in
            do {
                return try await client.get("/never").text
            } catch {
                return "\(error)"
            }
        }
        http.world.settle()
        #expect(await http.counter("omniway_links") == 2)
        await asking.cancel()
        #expect(await asking.answer(http) == "the request was cancelled")
        http.world.settle()
        #expect(await http.counter("omniway_links") == 0)
    }

    @Test func `a client that is closed fails what is under way`() async throws {
        let script = try await HTTPScript()
        await script.ask { client, log in
            client.send(HTTPRequestHead(.get, "/"), to: log)
            client.close()
            client.send(HTTPRequestHead(.get, "/"), to: log)
        }
        #expect(await script.log == ["the client was closed", "the client was closed"])
        #expect(await script.connections == 0)
    }

    @Test func `a request that cannot be written is an error and no request`() async throws {
        let script = try await HTTPScript()
        await script.ask { client, log in client.send(HTTPRequestHead(.get, "/a b"), to: log) }
        #expect(await script.log.first?.contains("percent-encode blanks") == true)
        #expect(await script.said == [])
    }

    @Test func `a link goes to whoever asked for another protocol`() async throws {
        let script = try await HTTPScript()
        await script.ask { client, log in
            log.takesOver = true
            client.send(HTTPRequestHead(.get, "/", ["Connection": "Upgrade", "Upgrade": "chat"]), to: log)
        }
        await script.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n\r\nhel")
        await script.say("lo")
        #expect(await script.log == ["101"])
        #expect(await script.takenOver == "hello")
        #expect(await script.connections == 0)
        #expect(await script.links == 2)
    }
}

/// Pauses whenever it hears something.
private final class Hesitant: HTTPResponseHandler {
    private let log: ResponseLog
    init(_ log: ResponseLog) { self.log = log }

    func received(_ head: HTTPResponseHead, of call: HTTPCall) {
        log.received(head, of: call)
        if head.status.hasNoBody { call.pause() }
    }
    func receive(_ bytes: RawSpan, of call: HTTPCall) {
        log.receive(bytes, of: call)
        call.pause()
    }
    func ended(_ call: HTTPCall) { log.ended(call) }
    func failed(_ call: HTTPCall, _ error: HTTPClientError) { log.failed(call, error) }
}

/// Sends a request when its time has come.
private final class Posting: TimerTarget {
    private let client: HTTPClient
    private let log: ResponseLog
    init(_ client: HTTPClient, _ log: ResponseLog) { (self.client, self.log) = (client, log) }
    func timerFired(_ token: UInt64, on loop: Loop) { client.send(HTTPRequestHead(.post, "/"), to: log) }
}
