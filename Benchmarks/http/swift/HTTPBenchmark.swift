import OmniwayTransport

/// A server with one small page, for the benchmark `http`: HTTPBenchmark <port>.
@main
struct HTTPBenchmark {
    static func main() async throws {
        let loops = EventLoops(count: 1)
        let servers = await loops.own { loop in
            var routes = HTTPRoutes()
            routes.get("/hello") { exchange in exchange.respond(.ok, "hello, world\n") }
            return HTTPServer(on: loop, routes: routes, limits: HTTPServerLimits(requests: .max))
        }
        let port = CommandLine.arguments.last.flatMap(UInt16.init) ?? 0
        _ = try await StreamAcceptor(.loopback(port: port)).open(into: servers)
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}
