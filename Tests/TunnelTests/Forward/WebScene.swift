import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// A name that leads to a server of HTTP, and an entrance for visitors.
struct WebScene {
    let scene: ForwardScene
    let origin: LoopBound<HTTPServer>
    var world: TunnelWorld { scene.world }

    init(
        to targetAddress: String = "http://10.0.0.5:8080", serves: Bool = true, secured: TunnelWeb.Security = .plain,
        node: @escaping @Sendable (inout TunnelNodeSettings) -> Void = { _ in },
        target: @escaping @Sendable (inout TunnelClientSettings) -> Void = { _ in },
        rule: (inout TunnelRuleRequest) -> Void = { _ in }
    ) async throws {
        scene = try await ForwardScene("shop.example", to: targetAddress, node: node, target: target, rule: rule)
        let world = scene.world
        origin = await world.world.loops[3].own { loop in HTTPServer(on: loop, routes: Self.routes) }
        if serves {
            let (pipe, origin) = (world.network.pipe("10.0.0.5:8080"), origin)
            _ = try await world.world.run { try await pipe.open(into: [origin]) }
        }
        let (entrance, node) = (world.network.pipe("web"), world.nodes[0])
        _ = try await world.world.run {
            let web = await TunnelWeb.open(for: node, secured: secured)
            return try await entrance.open(into: [web])
        }
    }

    /// Says what it was asked, line by line.
    private static var routes: HTTPRoutes {
        var routes = HTTPRoutes()
        routes.get("/told/*rest") { exchange in
            let request = exchange.request
            let fields = request.headers.map { "\($0.name.lowercased()): \($0.value)" }
            exchange.respond(
                .ok, ([request.target] + fields).joined(separator: "\n"),
                ["Set-Cookie": "a=1", "Set-Cookie": "b=2", "Connection": "X-Private", "X-Private": "1"])
        }
        routes.post("/count", body: .whole(upTo: 8 << 20)) { exchange in
            exchange.respond(.ok, "\(exchange.body.count)")
        }
        routes.get("/events") { exchange in
            exchange.begin(.ok, ["Content-Type": "text/event-stream"])
            exchange.write("data: 1\n\n")
            exchange.loop.after(.seconds(120), Later { exchange.write("data: 2\n\n"); exchange.finish() })
        }
        routes.get("/cut") { exchange in
            exchange.begin(.ok, length: 10)
            exchange.write("12345")
            exchange.loop.after(.seconds(1), Later { exchange.breakOff("on purpose") })
        }
        routes.get("/socket") { exchange in
            exchange.upgrade(to: Echo(), ["Connection": "Upgrade", "Upgrade": "echo"])
        }
        return routes
    }

    /// What comes back when this was said.
    func ask(_ text: String, finishes: Bool = false) async -> LoopBound<Recorder> {
        let visitor = await world.visitor(to: "web", text.replacing("\n", with: "\r\n"), finishes: finishes)
        world.world.advance(by: .milliseconds(500))
        return visitor
    }

    func advance(_ duration: Duration) { world.world.advance(by: duration) }
}

final class Later: TimerTarget {
    private let work: () -> Void
    init(_ work: @escaping () -> Void) { self.work = work }
    func timerFired(_ token: UInt64, on loop: Loop) { work() }
}

extension TunnelWorld {
    /// Somebody who speaks TLS.
    func visitor(
        over tls: TLSClient, to address: String, _ text: String, finishes: Bool = false
    ) async -> LoopBound<Recorder> {
        let dialer = tls.over(network.pipe(address))
        let recorder = await world.loops[3].own { loop in
            let recorder = Recorder()
            let link = dialer.dial(on: loop, deadline: .seconds(5), handler: recorder)
            link?.write(Array(text.utf8))
            if finishes { link?.finish() }
            return recorder
        }
        world.advance(by: .seconds(1))
        return recorder
    }
}
