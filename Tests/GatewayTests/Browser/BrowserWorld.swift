import BrowserSupport
import FoundationEssentials
import OmniwayGateway
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// A Chromium, the page that it loads, and a gateway with a server behind it: all over real sockets.
final class BrowserWorld: Sendable {
    private let loops: EventLoops
    private let gateway: GatewayBehindPage
    private let site: Listening
    private let browser: Chromium

    init() async throws {
        let loops = EventLoops(count: 1)
        let gateway = try await GatewayBehindPage()
        let servers = await loops.own { loop in BrowserSite.server(on: loop, beside: gateway) }
        site = try await StreamAcceptor(.loopback()).open(into: servers)
        browser = try await Chromium(on: loops.loops[0])
        (self.loops, self.gateway) = (loops, gateway)
    }

    /// Runs one of the checks in `Clients/javascript/test/checks.js`.
    func run(_ check: String, _ dialect: GatewayDialect) async throws -> JSON {
        let url = await gateway.url(dialect)
        let world = "{ url: '\(url)', base: 'ws://\(site.address)', dialect: '\(dialect.rawValue)' }"
        return try await browser.result(
            of: "import('/checks.js').then(({ run }) => run('\(check)', \(world)))", at: "http://\(site.address)/")
    }

    /// What an expression comes to on the page of `Examples/chat`.
    func example(_ expression: String) async throws -> JSON {
        let url = await gateway.url(.v2)
        return try await browser.result(
            of: expression, at: "http://\(site.address)/Examples/chat/?server=7&gateway=\(url)")
    }

    func close() async {
        await browser.close()
        await gateway.stop()
        await loops.shutdown()
    }
}

/// One browser for all tests of a suite; starting it takes longer than they do.
struct InOneBrowser: SuiteTrait, TestScoping {
    @TaskLocal static var world: BrowserWorld?

    @concurrent func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        let world = try await BrowserWorld()
        do {
            try await Self.$world.withValue(world) { try await function() }
        } catch {
            await world.close()
            throw error
        }
        await world.close()
    }
}

/// A gateway that can end, and come back where it was.
actor GatewayBehindPage {
    private let serverLoops = EventLoops(count: 1)
    private var loops = EventLoops(count: 2)
    private var addresses: [GatewayDialect: SocketAddress] = [:]

    init() async throws { try await start() }

    func url(_ dialect: GatewayDialect) -> String { addresses[dialect].map { "ws://\($0)/gateway" } ?? "" }

    private func start() async throws {
        var settings = GatewaySettings()
        settings.keys = [Secret("gateway-key")]
        settings.clients.most = 64 << 20
        settings.servers.idleLimit = .zero  // Ours pings only once.
        let gateway = await Gateway(on: loops, settings)
        let port = try await gateway.listen(for: .server, on: StreamAcceptor(.loopback()))
        await ObedientServer.connect(to: port.address, as: 7, key: "gateway-key", on: serverLoops.loops[0])
        // The clients' ports come last: when they are back, the server is.
        for dialect in GatewayDialect.allCases {
            let acceptor = StreamAcceptor(addresses[dialect] ?? .loopback())
            let webSocket = WebSocket(path: "/gateway").over(acceptor)
            addresses[dialect] = try await gateway.listen(for: .client, on: webSocket, dialect: dialect).address
        }
    }

    func restart() async throws {
        await loops.shutdown()
        loops = EventLoops(count: 2)
        try await start()
    }

    func stop() async {
        await loops.shutdown()
        await serverLoops.shutdown()
    }
}

/// What the page loads and asks for.
enum BrowserSite {
    static func server(on loop: Loop, beside gateway: GatewayBehindPage) -> HTTPServer {
        var routes = HTTPRoutes()
        routes.get("/", Array("<!doctype html><title>A client of the gateway</title>".utf8), type: "text/html")
        let client = file("/Clients/javascript/omniway-gateway.js")
        for path in ["/omniway-gateway.js", "/Clients/javascript/omniway-gateway.js"] {
            routes.get(path, client, type: "text/javascript")
        }
        for name in ["checks", "expect"] {
            routes.get("/\(name).js", file("/Clients/javascript/test/\(name).js"), type: "text/javascript")
        }
        let example = "/Examples/chat/"
        routes.get(example, file(example + "index.html"), type: "text/html")
        for dialect in GatewayDialect.allCases {
            let name = "/gateway-\(dialect.rawValue)-endpoints.json"
            routes.get("/vectors" + name, file("/Tests/Vectors" + name), type: "application/json")
        }
        routes.get("/restart") { exchange in
            try await gateway.restart()
            exchange.respond(.ok, "restarted")
        }
        routes.get("/script/:steps") { exchange in
            let steps = (exchange["steps"] ?? "").split(separator: "-").map(String.init)
            exchange.upgrade(to: WebSocket(), for: ScriptIntake(steps))
        }
        return HTTPServer(on: loop, routes: routes)
    }

    private static func file(_ path: String) -> [UInt8] {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
        return FileManager.default.contents(atPath: root + path).map { Array($0) } ?? []
    }
}
