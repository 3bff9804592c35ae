import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// What handlers may do with an exchange, and when.
@Suite struct HTTPExchangeTests {
    @Test func `a body that is paused at its last piece ends when it goes on`() async throws {
        let http = try await HTTPWorld { routes, _ in
            let kept = Kept()
            routes.post("/", body: .pieces()) { exchange in
                kept.exchange = exchange
                exchange.handler = PausingAtPieces()
            }
            kept.addRoutes(to: &routes)
        }
        let client = await http.connect()
        await http.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", on: client)
        #expect(await client.text == "")
        _ = await http.answer(to: "GET /resume HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(await client.text.hasSuffix("whole"))
        _ = await http.answer(to: "GET /drop HTTP/1.1\r\nHost: a\r\n\r\n")
    }

    @Test func `a body that is paused when it is over is not waited for`() async throws {
        let http = try await HTTPWorld { routes, _ in
            let kept = Kept()
            routes.get("/pause") { exchange in
                kept.exchange = exchange
                exchange.pauseBody()
            }
            kept.addRoutes(to: &routes)
        }
        let client = await http.connect()
        await http.send("GET /pause HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
        _ = await http.answer(to: "GET /resume HTTP/1.1\r\nHost: a\r\n\r\n")
        http.world.advance(by: .seconds(30))
        #expect(await client.text == "")
        #expect(await client.closeReason == nil)
        _ = await http.answer(to: "GET /drop HTTP/1.1\r\nHost: a\r\n\r\n")
    }

    @Test func `100 Continue does not interrupt an answer`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.post("/", body: .pieces()) { exchange in
                exchange.handler = Returning()
                exchange.begin(.ok, length: 5)
                exchange.write("hello")
            }
        }
        let answer = await http.answer(
            to: "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        #expect(answer == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
    }

    @Test func `100 Continue waits while the body is paused`() async throws {
        let http = try await HTTPWorld { routes, _ in
            let kept = Kept()
            routes.post("/", body: .pieces()) { exchange in
                kept.exchange = exchange
                exchange.pauseBody()
            }
            kept.addRoutes(to: &routes)
        }
        let client = await http.connect()
        await http.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", on: client)
        #expect(await client.text == "")
        _ = await http.answer(to: "GET /resume HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(await client.text == "HTTP/1.1 100 Continue\r\n\r\n")
        _ = await http.answer(to: "GET /drop HTTP/1.1\r\nHost: a\r\n\r\n")
    }

    @Test func `a handler that comes when the client has left is let go`() async throws {
        let http = try await HTTPWorld { routes, _ in
            let kept = Kept()
            routes.get("/keep") { exchange in kept.exchange = exchange }
            routes.get("/set") { exchange in
                if let late = kept.exchange {
                    let handler = Returning(late)
                    late.handler = handler
                    kept.handler = handler
                }
                kept.exchange = nil
                exchange.respond(.ok, "set")
            }
            routes.get("/see") { exchange in exchange.respond(.ok, kept.handler == nil ? "gone" : "here") }
        }
        let client = await http.connect()
        await http.send("GET /keep HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
        await client.run { _, client in client.link?.close(.reset) }
        http.world.settle()
        _ = await http.answer(to: "GET /set HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(await http.answer(to: "GET /see HTTP/1.1\r\nHost: a\r\n\r\n").hasSuffix("gone"))
    }

    @Test func `an exchange whose handler was taken away is answered`() async throws {
        let http = try await HTTPWorld { routes, _ in
            let kept = Kept()
            routes.get("/keep") { exchange in
                kept.exchange = exchange
                exchange.handler = Returning()
            }
            routes.get("/drop") { exchange in
                kept.exchange?.handler = nil
                kept.exchange = nil
                exchange.respond(.ok, "dropped")
            }
        }
        let client = await http.connect()
        await http.send("GET /keep HTTP/1.1\r\nHost: a\r\n\r\n", on: client)
        _ = await http.answer(to: "GET /drop HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(await client.text.statuses == [500])
    }

    @Test func `a connection that was said to close does`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.post("/", body: .pieces()) { exchange in
                exchange.begin(.ok, length: 0)
                exchange.handler = Finishing()
            }
        }
        let client = await http.connect()
        await http.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", on: client)
        #expect(await client.text.contains("\r\nConnection: close\r\n"))
        await http.send("abcPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", on: client)
        #expect(await client.text.statuses == [200])
        #expect(await client.hasFinished)
    }

    @Test func `a handler that takes over may pause at once`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.get("/") { exchange in
                exchange.upgrade(to: PausedAtOnce(), ["Upgrade": "x", "Connection": "upgrade"])
            }
        }
        let client = await http.connect()
        await http.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nabc", on: client)
        await http.send("def", on: client)
        #expect(await client.text.hasSuffix("\r\n\r\nopen"))
    }

    /// Not on virtual time, where nothing leaves its loop.
    @Test func `a handler that has left its loop stops the program`() async {
        await #expect(processExitsWith: .failure) {
            let loop = EventLoop()
            let transport = InProcess()
            let server = await loop.own { loop in
                var routes = HTTPRoutes()
                let text = "ok"
                routes.get("/") { [text] exchange in
                    await Task.yield()
                    exchange.respond(.ok, text)
                }
                return HTTPServer(on: loop, routes: routes)
            }
            _ = try await transport.open(into: [server])
            let client = await loop.own { loop in HTTPClient(on: loop, transport, host: "a") }
            _ = try? await client.get("/")
        }
    }
}

/// Where one route leaves what another finds.
private final class Kept {
    var exchange: HTTPExchange?
    weak var handler: Returning?

    /// What others ask for, so that the exchange goes on, or is let go: it holds its server, whose routes hold it.
    func addRoutes(to routes: inout HTTPRoutes) {
        routes.get("/resume") { exchange in
            self.exchange?.resumeBody()
            exchange.respond(.ok, "resumed")
        }
        routes.get("/drop") { exchange in
            self.exchange = nil
            exchange.respond(.ok, "dropped")
        }
    }
}

/// Stops the body at each piece.
private final class PausingAtPieces: HTTPExchangeHandler {
    func receive(_ bytes: RawSpan, of exchange: HTTPExchange) { exchange.pauseBody() }
    func received(_ exchange: HTTPExchange) { exchange.respond(.ok, "whole") }
}

/// Ends an answer when the body is over.
private final class Finishing: HTTPExchangeHandler {
    func received(_ exchange: HTTPExchange) { exchange.finish() }
}

/// Wants nothing yet, and says what it gets.
private final class PausedAtOnce: LinkHandler {
    func opened(_ link: Link) {
        link.write(Array("open".utf8))
        link.pauseReading()
    }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.write(bytes)
        return bytes.byteCount
    }
}
