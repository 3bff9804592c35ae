import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// What targets hear of visitors, where a rule says so.
@Suite struct ProxyHeaderForwardingTests {
    @Test(arguments: [("tcp://127.0.0.1:2222", "127.0.0.1:2222"), ("node+tcp://:8003", "public-0:8003")])
    func `a target hears first who comes`(listen: String, at: String) async throws {
        for version in [ProxyAnnouncement.Version.v1, .v2] {
            let scene = try await ForwardScene(listen, to: "tcp://10.0.0.5:22", nodes: 2, targetAt: 1) { _ in
            } rule: { $0.options.proxyHeader = version }
            let (intake, pipe) = (
                await scene.world.world.loops[3].own { _ in RecordingIntake() }, scene.world.network.pipe("10.0.0.5:22")
            )
            _ = try await scene.world.world.run { try await pipe.open(into: [intake]) }
            _ = await scene.world.visitor(to: at, "hello")
            scene.advance(.seconds(1))
            let heard = await intake.run { _, intake in intake.recorders.first?.bytes ?? [] }
            let line = Array("PROXY TCP4 10.1.2.3 0.0.0.0 4000 0\r\nhello".utf8)
            let binary: [UInt8] =
                [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0, 12]
                + [10, 1, 2, 3, 0, 0, 0, 0, 0x0f, 0xa0, 0, 0] + Array("hello".utf8)
            #expect(heard == (version == .v1 ? line : binary))
        }
    }

    @Test func `options that a rule has no use for are refused`() async throws {
        let world = try await TunnelWorld()
        let client = await world.client()
        let identity = try #require(await client.identity)
        let login = TunnelLogin(user: "a", password: "b")
        let cases: [(String, String, (inout TunnelRuleOptions) -> Void)] = [
            ("udp://:53", "udp://a:53", { $0.proxyHeader = .v2 }), ("socks5://:1", "", { $0.proxyHeader = .v2 }),
            ("shop.example", "http://a", { $0.proxyHeader = .v2 }), ("tcp://:1", "tcp://a:1", { $0.login = login }),
            ("tcp://:1", "tcp://a:1", { $0.passesTLS = true }), ("tcp://:1", "tcp://a:1", { $0.host = "*" }),
            ("shop.example", "http://a", { ($0.passesTLS, $0.login) = (true, login) }),
            ("shop.example", "http://a", { $0.host = "a b" }),
        ]
        for (listen, target, change) in cases {
            var request = TunnelRuleRequest(listen: listen, target: target, of: identity.tunnel)
            change(&request.options)
            #expect(await world.add(request, by: client).code == 400)
        }
        var good = TunnelRuleRequest(listen: "shop.example", target: "https://a", of: identity.tunnel)
        (good.options.passesTLS, good.options.proxyHeader) = (true, .v1)
        let rule = try #require(await world.add(good, by: client).rule)
        #expect(rule.options == good.options)
        var other = TunnelRuleRequest(listen: "other.example", target: "https://a", of: identity.tunnel)
        (other.options.login, other.options.host, other.options.trustsAnyCertificate) = (login, "b.example:8", true)
        (other.limits.bandwidth, other.limits.monthlyBytes) = (1, 2)
        let second = try #require(await world.add(other, by: client).rule)
        #expect(second.options == other.options)
        #expect(second.limits == other.limits)
    }
}
