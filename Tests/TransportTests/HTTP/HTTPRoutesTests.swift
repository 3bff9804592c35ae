import OmniwayWire
import Testing

@testable import OmniwayTransport

@Suite struct HTTPRoutesTests {
    private static func serving() async throws -> HTTPWorld {
        try await HTTPWorld { routes, _ in
            routes.get("/peers/self") { exchange in exchange.respond(.ok, "self") }
            routes.on(.put, "/peers/:name") { exchange in exchange.respond(.ok, "put \(exchange["name"] ?? "?")") }
            routes.on(.delete, "/peers/*path") { exchange in
                exchange.respond(.ok, "delete \(exchange["path"] ?? "?")")
            }
            routes.get("/files/:name") { exchange in exchange.respond(.ok, "file \(exchange["name"] ?? "?")") }
        }
    }

    private static func request(_ method: String, _ path: String) -> String {
        "\(method) \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    }

    @Test func `a path that several patterns suit goes to the first that has its method`() async throws {
        let http = try await Self.serving()
        for (method, path, body) in [
            ("GET", "/peers/self", "self"), ("PUT", "/peers/self", "put self"), ("PUT", "/peers/self?x", "put self"),
            ("DELETE", "/peers/self", "delete self"), ("PUT", "/peers/other", "put other"),
            ("DELETE", "/peers/a/b", "delete a/b"),
        ] {
            #expect(await http.answer(to: Self.request(method, path)).hasSuffix("\r\n\r\n\(body)"), "\(method) \(path)")
        }
        #expect(await http.answer(to: Self.request("HEAD", "/peers/self")).statuses == [200])
    }

    @Test func `a method that no pattern has is told all that there are`() async throws {
        let http = try await Self.serving()
        for (path, methods) in [
            ("/peers/self", "GET, PUT, DELETE, HEAD"), ("/peers/other", "PUT, DELETE"), ("/peers/a/b", "DELETE"),
        ] {
            let answer = await http.answer(to: Self.request("POST", path))
            #expect(answer.statuses == [405])
            #expect(answer.contains("\r\nAllow: \(methods)\r\n"), "\(path)")
        }
    }

    @Test func `a path may not hide a zero byte, but may hide a slash`() async throws {
        let http = try await Self.serving()
        for path in ["/files/a%00b", "/files/%00?x=1", "/none%00", "http://a/files/%00"] {
            #expect(await http.answer(to: Self.request("GET", path)).statuses == [400], "\(path)")
        }
        #expect(await http.answer(to: Self.request("GET", "/files/%2500?x=%00")).hasSuffix("file %00"))
        #expect(await http.answer(to: Self.request("GET", "/files/..%2Fa")).hasSuffix("file ../a"))
    }

    @Test func `the body of a request that nobody takes is not kept`() async throws {
        let http = try await Self.serving()
        let client = await http.connect()
        let body = String(repeating: "a", count: 1 << 20)
        for path in ["/none", "/peers/self"] {
            await http.send("POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(1 << 20)\r\n\r\n", on: client)
            await http.send(String(body.dropLast()), on: client)
            #expect(await http.collected == 0)
            await http.send("a", on: client)
        }
        #expect(await client.text.statuses == [404, 405])
    }
}

extension HTTPWorld {
    /// Bytes of bodies that the server holds.
    fileprivate var collected: Int {
        get async {
            await server.run { loop, _ in
                var count = 0
                loop.forEachLink { count += ($0.handler as? HTTPConnection)?.kept?.body.count ?? 0 }
                return count
            }
        }
    }
}
