import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// Targets of a group that are looked at before visitors come.
@Suite struct RuleHealthTests {
    /// Two clients with one target each, of one group with a health check.
    private struct Scene {
        let world: TunnelWorld
        var members: [Somebody] = []

        init(_ check: String, nodes: Int = 1) async throws {
            world = try await TunnelWorld(nodes: nodes)
            for index in 0..<2 {
                let client = await world.client(at: index % nodes)
                members.append(client)
                let identity = try #require(await client.identity)
                var request = TunnelRuleRequest(
                    listen: "node+tcp://:8003", target: "tcp://10.0.0.\(index):80", of: identity.tunnel)
                request.options.group = "together"
                request.options.health = TunnelHealthCheck(check)
                #expect(await world.add(request, by: client).code == 200)
            }
            world.world.advance(by: .seconds(1))
        }

        var failures: Int {
            members.map { $0.told.all.count { if case .targetFailed = $0 { true } else { false } } }.reduce(0, +)
        }
    }

    @Test(arguments: [1, 2])
    func `a target that takes no connection gets no visitors until it does`(nodes: Int) async throws {
        let scene = try await Scene("tcp", nodes: nodes)
        // None of them is there.
        let early = await scene.world.visitor(to: "public-0:8003", "x")
        #expect(await early.closeReason == .reset)
        #expect(scene.failures == 0)
        let one = try await scene.world.target("10.0.0.1:80")
        scene.world.world.advance(by: .seconds(6))
        let looks = await one.run { _, echo in echo.count }
        for index in 0..<4 {
            let visitor = await scene.world.visitor(to: "public-0:8003", "\(index)")
            #expect(await visitor.text == "\(index)")
        }
        #expect(scene.failures == 0)
        #expect(await one.run { _, echo in echo.count } >= looks + 4)
        // The other comes, and has fewer.
        let other = try await scene.world.target("10.0.0.0:80")
        scene.world.world.advance(by: .seconds(6))
        #expect(await other.run { _, echo in echo.count } > 0)
        let before = await other.run { _, echo in echo.count }
        let late = await scene.world.visitor(to: "public-0:8003", "late")
        #expect(await late.text == "late")
        #expect(await other.run { _, echo in echo.count } > before)
    }

    @Test func `a target whose page says that it is not well gets no visitors`() async throws {
        let scene = try await Scene("/health")
        let statuses = [Lock(HTTPStatus.ok), Lock(HTTPStatus.serviceUnavailable)]
        for index in 0..<2 {
            let status = statuses[index]
            let origin = await scene.world.world.loops[3].own { loop in
                var routes = HTTPRoutes()
                routes.get("/health") { $0.respond(status.withLock { $0 }, "") }
                routes.get("/") { $0.respond(.ok, "target \(index)") }
                return HTTPServer(on: loop, routes: routes)
            }
            let pipe = scene.world.network.pipe("10.0.0.\(index):80")
            _ = try await scene.world.world.run { try await pipe.open(into: [origin]) }
        }
        scene.world.world.advance(by: .seconds(6))
        func answer() async -> String {
            let visitor = await scene.world.visitor(to: "public-0:8003", "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            return String(await visitor.text.suffix(8))
        }
        for _ in 0..<3 { #expect(await answer() == "target 0") }
        statuses[0].withLock { $0 = .internalServerError }
        statuses[1].withLock { $0 = .noContent }
        scene.world.world.advance(by: .seconds(6))
        for _ in 0..<3 { #expect(await answer() == "target 1") }
    }

    @Test func `a check is for groups, and for what it could ask`() async throws {
        let world = try await TunnelWorld()
        let client = await world.client()
        let identity = try #require(await client.identity)
        for (listen, target, group, check, code) in [
            ("node+tcp://:8003", "tcp://a:1", "", "tcp", 400), ("node+udp://:8003", "udp://a:1", "x", "tcp", 400),
            ("a.example", "https://a:1", "x", "/", 400), ("a.example", "https://a:1", "x", "tcp", 200),
        ] {
            var request = TunnelRuleRequest(listen: listen, target: target, of: identity.tunnel)
            request.options.group = group
            request.options.health = TunnelHealthCheck(check)
            #expect(await world.add(request, by: client).code == code)
        }
        for text in ["", "x", "udp", "/a b", "/a\r\nb"] { #expect(TunnelHealthCheck(text) == nil) }
    }
}
