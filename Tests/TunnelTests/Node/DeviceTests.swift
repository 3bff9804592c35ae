import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// What a person does at the node with the number of a device and its AuthCode.
@Suite struct DeviceTests {
    private func device(_ tunnel: String, _ code: String, at world: TunnelWorld) async -> TunnelNode.DeviceReport? {
        let report = Lock<TunnelNode.DeviceReport?>(nil)
        await world.nodes[0].run { _, node in
            node.device(tunnel, authCode: code) { result in report.withLock { $0 = try? result.get() } }
        }
        world.world.advance(by: .milliseconds(100))
        return report.withLock { $0 }
    }

    private func add(_ request: TunnelRuleRequest, at world: TunnelWorld) async -> Result<TunnelRule, TunnelRefusal>? {
        let answer = Lock<Result<TunnelRule, TunnelRefusal>?>(nil)
        await world.nodes[0].run { _, node in
            node.addRule(request) { result in answer.withLock { $0 = result } }
        }
        world.world.advance(by: .milliseconds(200))
        return answer.withLock { $0 }
    }

    private func newCode(of tunnel: String, revokes: Bool, at world: TunnelWorld) async -> String? {
        let code = Lock<String?>(nil)
        await world.nodes[0].run { _, node in
            node.changeAuthCode(of: tunnel, revokes: revokes) { result in code.withLock { $0 = try? result.get() } }
        }
        world.world.advance(by: .milliseconds(200))
        return code.withLock { $0 }
    }

    @Test func `a device is online or not, for who knows its AuthCode`() async throws {
        let world = try await TunnelWorld()
        let somebody = await world.client()
        let identity = try #require(await somebody.identity)
        #expect(await device(identity.tunnel, identity.authCode, at: world)?.login?.node == TunnelWorld.ids[0])
        #expect(await device(identity.tunnel, "wrong", at: world) == nil)
        #expect(await device("12345678", identity.authCode, at: world) == nil)
        #expect(await device("x/../y", identity.authCode, at: world) == nil)
        await somebody.close()
        world.world.advance(by: .seconds(1))
        let later = try #require(await device(identity.tunnel, identity.authCode, at: world))
        #expect(later.login == nil && later.rules.isEmpty)
    }

    @Test func `a rule of the node leads a visitor to the device`() async throws {
        let world = try await TunnelWorld()
        let identity = try #require(await world.client().identity)
        _ = try await world.target("10.0.0.5:22")
        let request = TunnelRuleRequest(
            listen: "node+tcp://:8003", target: "tcp://10.0.0.5:22", of: identity.tunnel, authCode: identity.authCode)
        let rule = try #require(await add(request, at: world)).get()
        #expect(rule.owner == TunnelWorld.ids[0])
        let visitor = await world.visitor(to: "public-0:8003", "hello")
        #expect(await visitor.text == "hello")
        #expect(await device(identity.tunnel, identity.authCode, at: world)?.rules.map(\.name) == [rule.name])
        #expect(await world.nodes[0].run { _, node in node.trouble(of: rule) } == nil)
    }

    @Test func `port 0 is any that is free, and what only clients open is refused with what to do`() async throws {
        let world = try await TunnelWorld()
        let identity = try #require(await world.client().identity)
        var request = TunnelRuleRequest(
            listen: "node+tcp://:0", target: "tcp://10.0.0.5:22", of: identity.tunnel, authCode: identity.authCode)
        let rule = try #require(await add(request, at: world)).get()
        guard case .port(.tcp, TunnelWorld.ids[0], 8000...8010) = rule.listenAddress else {
            Issue.record("it listens at \(rule.listenAddress.text)")
            return
        }
        for listen in ["tcp://127.0.0.1:22", "unix:///run/a.sock"] {
            request.listenAddress = listen
            guard case .failure(let refusal)? = await add(request, at: world) else {
                Issue.record("\(listen) was taken")
                continue
            }
            #expect(refusal.words.contains("omniway tunnel add"))
        }
    }

    @Test func `people at the node may not go on guessing either`() async throws {
        let world = try await TunnelWorld()
        let identity = try #require(await world.client().identity)
        for _ in 0..<5 { #expect(await device(identity.tunnel, "wrong", at: world) == nil) }
        #expect(await device(identity.tunnel, identity.authCode, at: world) == nil)
        world.world.advance(by: .seconds(16 * 60))
        #expect(await device(identity.tunnel, identity.authCode, at: world) != nil)
    }

    @Test func `another AuthCode is good at once, and takes the node's rules away where it is to`() async throws {
        let world = try await TunnelWorld()
        let identity = try #require(await world.client().identity)
        let request = TunnelRuleRequest(
            listen: "node+tcp://:8003", target: "tcp://10.0.0.5:22", of: identity.tunnel, authCode: identity.authCode)
        _ = try #require(await add(request, at: world)).get()
        let second = try #require(await newCode(of: identity.tunnel, revokes: false, at: world))
        #expect(await device(identity.tunnel, identity.authCode, at: world) == nil)
        #expect(await device(identity.tunnel, second, at: world)?.rules.count == 1)
        let third = try #require(await newCode(of: identity.tunnel, revokes: true, at: world))
        #expect(await device(identity.tunnel, third, at: world)?.rules.isEmpty == true)
        #expect(await world.nodes[0].run { _, node in node.openPorts } == [])
        #expect(await newCode(of: "12345678", revokes: true, at: world) == nil)
    }
}
