import BrowserSupport
import FoundationEssentials
import Omniway
import OmniwayTesting
import Testing

@testable import ConformanceServer

/// How the servers behind the page differ.
enum PageServer: String, CaseIterable, Sendable {
    /// No dictionary, no compression: what a nano server or an old setting gives.
    case plain
    /// A dictionary both ways, and every body compressed that becomes shorter.
    case compact

    func app() -> App {
        var settings = AppSettings()
        settings.compression = self == .compact ? .above(0) : .off
        settings.maxPacketSize = 4 << 20
        settings.drainLimit = .zero
        let app = conformanceApp(settings: settings)
        if self == .compact {
            app.compress(["room.echojson": 1, "onPush": 2, "onMessage": 3, "room.room.noarg": 300, "room.get": 301])
        }
        return app
    }
}

/// A Chromium, the page that it loads, and the apps that the page talks to: all over real sockets.
final class BrowserAppWorld: Sendable {
    private let loops: EventLoops
    private let apps: AppsBehindPage
    private let site: Listening
    private let browser: Chromium

    init() async throws {
        let loops = EventLoops(count: 1)
        let apps = try await AppsBehindPage()
        let servers = await loops.own { loop in BrowserAppSite.server(on: loop, beside: apps) }
        site = try await StreamAcceptor(.loopback()).open(into: servers)
        browser = try await Chromium(on: loops.loops[0])
        (self.loops, self.apps) = (loops, apps)
    }

    /// Runs one of the checks in `Clients/javascript/test/app-checks.js`.
    func run(_ check: String, _ server: PageServer) async throws -> JSON {
        let url = await apps.url(server)
        let world = "{ url: '\(url)', base: 'ws://\(site.address)', server: '\(server.rawValue)' }"
        return try await browser.result(
            of: "import('/app-checks.js').then(({ run }) => run('\(check)', \(world)))",
            at: "http://\(site.address)/")
    }

    func close() async {
        await browser.close()
        await apps.stop()
        await loops.shutdown()
    }
}

/// One browser for all tests of a suite; starting it takes longer than they do.
struct InOneBrowser: SuiteTrait, TestScoping {
    @TaskLocal static var world: BrowserAppWorld?

    @concurrent func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        let world = try await BrowserAppWorld()
        do {
            try await Self.$world.withValue(world) { try await function() }
        } catch {
            await world.close()
            throw error
        }
        await world.close()
    }
}

/// Apps that can end, and come back where they were.
actor AppsBehindPage {
    private let loops = EventLoops(count: 2)
    private var apps: [PageServer: (app: App, address: SocketAddress)] = [:]

    init() async throws { for server in PageServer.allCases { try await start(server) } }

    func url(_ server: PageServer) -> String { apps[server].map { "ws://\($0.address)/" } ?? "" }

    private func start(_ server: PageServer) async throws {
        let app = server.app()
        let webSocket = WebSocket(path: "/", maxMessageSize: app.settings.maxPacketSize + 4)
        app.listen(webSocket.over(StreamAcceptor(apps[server]?.address ?? .loopback())))
        try await app.start(on: loops)
        apps[server] = (app, app.addresses[0])
    }

    func restart(_ server: PageServer) async throws {
        await apps[server]?.app.stop()
        try await start(server)
    }

    func stop() async {
        for server in PageServer.allCases { await apps[server]?.app.stop() }
        await loops.shutdown()
    }
}

/// What the page loads and asks for.
private enum BrowserAppSite {
    static func server(on loop: Loop, beside apps: AppsBehindPage) -> HTTPServer {
        var routes = HTTPRoutes()
        routes.get("/", Array("<!doctype html><title>A client of an app</title>".utf8), type: "text/html")
        for path in ["omniway-app.js", "test/app-checks.js", "test/expect.js"] {
            let name = path.split(separator: "/").last ?? ""
            routes.get("/\(name)", file("/Clients/javascript/\(path)"), type: "text/javascript")
        }
        for name in ["packets", "messages", "handshakes", "errors"] {
            let path = "/pitaya-\(name).json"
            routes.get("/vectors\(path)", file("/Tests/Vectors\(path)"), type: "application/json")
        }
        routes.get("/restart/:server") { exchange in
            if let server = PageServer(rawValue: exchange["server"] ?? "") { try await apps.restart(server) }
            exchange.respond(.ok, "restarted")
        }
        routes.get("/script/:steps") { exchange in
            let steps = (exchange["steps"] ?? "").split(separator: "-").map(String.init)
            exchange.upgrade(to: WebSocket(), for: ScriptIntake(steps))
        }
        // The steps of a script are in the address.
        let limits = HTTPServerLimits(message: HTTPLimits(head: 256 << 10, target: 128 << 10))
        return HTTPServer(on: loop, routes: routes, limits: limits)
    }

    private static func file(_ path: String) -> [UInt8] {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
        return FileManager.default.contents(atPath: root + path).map { Array($0) } ?? []
    }
}
