import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@Suite struct HTTPTunnelTests {
    @Test func `CONNECT opens a tunnel to the host and port that it names`() async throws {
        let http = try await HTTPWorld { routes, _ in
            routes.connect { exchange in
                exchange.connect(to: Saying(exchange.request.target), ["X-Way": "open"])
            }
        }
        let client = await http.connect()
        await client.run { _, client in
            client.link?.write("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\nhello")
        }
        http.world.settle()
        let text = await client.text
        #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n") && text.contains("X-Way: open\r\n"))
        #expect(!text.contains("Content-Length") && !text.contains("Transfer-Encoding"))
        #expect(text.hasSuffix("a.example:443 hello"))
    }

    @Test func `without a route for it CONNECT leads nowhere`() async throws {
        let http = try await HTTPWorld { routes, _ in routes.get("/") { exchange in exchange.respond(.ok, "") } }
        #expect(await http.answer(to: "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").statuses == [404])
    }
}

/// Says who it is, then sends back what comes.
private final class Saying: LinkHandler {
    private let name: String
    init(_ name: String) { self.name = name }
    func opened(_ link: Link) { link.write("\(name) ") }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.write(bytes)
        return bytes.byteCount
    }
}
