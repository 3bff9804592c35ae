import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// From a visitor to a target and back.
@Suite struct ForwardingTests {
    /// A listener, a target's client, and a rule between them.
    struct Scene {
        let world: TunnelWorld
        let listener: Somebody
        let target: Somebody
        let echo: LoopBound<EchoIntake>
        let name: String

        init(
            nodes: Int = 1, listenerAt: Int = 0, targetAt: Int = 0, listen: String = "tcp://127.0.0.1:2222",
            limits: TunnelRuleLimits = TunnelRuleLimits(),
            target prepare: @escaping @Sendable (inout TunnelClientSettings) -> Void = { _ in }
        ) async throws {
            world = try await TunnelWorld(nodes: nodes)
            listener = await world.client(at: listenerAt)
            target = await world.client(at: targetAt, prepare: prepare)
            echo = try await world.target("10.0.0.5:22")
            let identity = try #require(await target.identity)
            var request = TunnelRuleRequest(
                listen: listen, target: "tcp://10.0.0.5:22", of: identity.tunnel, authCode: identity.authCode)
            request.limits = limits
            let added = await world.add(request, by: listener)
            name = try #require(added.rule).name
            world.world.advance(by: .milliseconds(100))
        }
    }

    @Test func `what a visitor says reaches the target, and the answer comes back`() async throws {
        let scene = try await Scene()
        let visitor = await scene.world.visitor(to: "127.0.0.1:2222", "early ")
        await visitor.write("and late")
        scene.world.world.advance(by: .seconds(1))
        #expect(await visitor.text == "early and late")
        #expect(
            await scene.world.traffic(scene.name)
                == TunnelTraffic(connections: 1, fromVisitors: 14, toVisitors: 14))
    }

    @Test func `a visitor who has said all still hears the answer`() async throws {
        let scene = try await Scene()
        let visitor = await scene.world.visitor(to: "127.0.0.1:2222", "question", finishes: true)
        scene.world.world.advance(by: .seconds(1))
        #expect(await visitor.text == "question")
        #expect(await visitor.closeReason == .finished)
        #expect(await scene.world.nodes[0].run { _, node in node.transferCount } == 0)
        #expect(await scene.world.traffic(scene.name).toVisitors == 8)
    }

    @Test func `much goes both ways unharmed`() async throws {
        let scene = try await Scene()
        let text = String((0..<300_000).flatMap { "\($0) " })
        let visitor = await scene.world.visitor(to: "127.0.0.1:2222", text, finishes: true)
        scene.world.world.advance(by: .seconds(20))
        #expect(await visitor.text == text)
    }

    @Test func `a target that refuses is no empty answer`() async throws {
        let scene = try await Scene()
        let identity = try #require(await scene.target.identity)
        let request = TunnelRuleRequest(
            listen: "tcp://127.0.0.1:3333", target: "tcp://10.0.0.6:22", of: identity.tunnel,
            authCode: identity.authCode)
        #expect(await scene.world.add(request, by: scene.listener).code == 200)
        let visitor = await scene.world.visitor(to: "127.0.0.1:3333", "x")
        #expect(await visitor.closeReason == .reset)
    }

    @Test func `a target whose client is offline is no empty answer`() async throws {
        let scene = try await Scene()
        await scene.target.close()
        scene.world.world.advance(by: .seconds(1))
        let visitor = await scene.world.visitor(to: "127.0.0.1:2222", "x")
        #expect(await visitor.closeReason == .reset)
    }

    @Test func `a client reaches nothing that it does not allow`() async throws {
        for (allowed, isReached) in [("tcp://10.0.0.0/24:22", true), ("tcp://10.0.0.0/24:23", false)] {
            let scene = try await Scene { $0.allowTargets = [TargetAllowance(allowed)].compactMap { $0 } }
            let visitor = await scene.world.visitor(to: "127.0.0.1:2222", "x")
            #expect(await visitor.text == (isReached ? "x" : ""))
            #expect(await scene.echo.run { _, echo in echo.count } == (isReached ? 1 : 0))
        }
    }

    @Test func `a rule lets in as many as it may, and from where it may`() async throws {
        var limits = TunnelRuleLimits()
        limits.connections = 2
        limits.sources = ["10.1.0.0/16"]
        let scene = try await Scene(limits: limits)
        let (one, two) = (
            await scene.world.visitor(to: "127.0.0.1:2222", "1"), await scene.world.visitor(to: "127.0.0.1:2222", "2")
        )
        let three = await scene.world.visitor(to: "127.0.0.1:2222", "3")
        #expect(await [one.text, two.text, three.text] == ["1", "2", ""])
        #expect(await three.closeReason == .reset)
        await one.run { _, recorder in recorder.link?.close(.done) }
        scene.world.world.advance(by: .seconds(6))
        let four = await scene.world.visitor(to: "127.0.0.1:2222", "4")
        #expect(await four.text == "4")

        limits.sources = ["10.2.0.0/16"]
        let elsewhere = try await Scene(limits: limits)
        let refused = await elsewhere.world.visitor(to: "127.0.0.1:2222", "x")
        #expect(await refused.text == "")
        #expect(await refused.closeReason != nil)
    }

    @Test func `a port of the node leads to the target while its owner is there`() async throws {
        var limits = TunnelRuleLimits()
        limits.sources = ["10.1.0.0/16"]
        let scene = try await Scene(listen: "node+tcp://:8003", limits: limits)
        let visitor = await scene.world.visitor(to: "public-0:8003", "hello", finishes: true)
        scene.world.world.advance(by: .seconds(1))
        #expect(await visitor.text == "hello")
        #expect(await visitor.closeReason == .finished)
        #expect(await scene.world.traffic(scene.name).fromVisitors == 5)
        await scene.listener.close()
        scene.world.world.advance(by: .seconds(1))
        #expect(await scene.world.nodes[0].run { _, node in node.openPorts } == [])
        let late = await scene.world.visitor(to: "public-0:8003", "x")
        #expect(await late.closeReason == .refused)
    }

    @Test func `with a rule goes what it let in`() async throws {
        let scene = try await Scene()
        let visitor = await scene.world.visitor(to: "127.0.0.1:2222", "x")
        #expect(await visitor.text == "x")
        #expect(await scene.world.remove("tcp://127.0.0.1:2222", by: scene.listener))
        scene.world.world.advance(by: .seconds(1))
        #expect(await visitor.closeReason == .reset)
        let late = await scene.world.visitor(to: "127.0.0.1:2222", "x")
        #expect(await late.closeReason == .refused)
    }

    @Test func `streams outlive a kick for a while`() async throws {
        let scene = try await Scene()
        let visitor = await scene.world.visitor(to: "127.0.0.1:2222", "a")
        let identity = await scene.target.identity
        let other = await scene.world.client(identity)
        #expect(await other.isLoggedIn)
        await visitor.write("b")
        scene.world.world.advance(by: .seconds(10))
        #expect(await visitor.text == "ab")
        scene.world.world.advance(by: .seconds(30))
        #expect(await visitor.closeReason != nil)
    }

    // MARK: Attacks

    @Test func `a stream reaches what its owner's rule says, whatever it says itself`() async throws {
        let scene = try await Scene()
        let victim = try #require(await scene.target.identity)
        let (listener, other) = (try #require(await scene.listener.identity), await scene.world.client())
        let secret = try await scene.world.target("10.0.0.9:80")
        await scene.listener.close()
        await other.close()
        let lie =
            #"{"ListenAddr":"tcp://127.0.0.1:2222","TargetTunnelId":"\#(victim.tunnel)","#
            + #""TargetClientId":"\#(victim.client)","TargetAddr":"tcp://10.0.0.9:80"}"#
        var heard: [String] = []
        for identity in [try #require(await other.identity), listener] {
            let attacker = await scene.world.attacker(terminal: identity.client)
            await attacker.run { _, attacker in attacker.login(identity) }
            scene.world.world.advance(by: .seconds(1))
            await attacker.run { _, attacker in attacker.stream("/transfer/listen/in", body: lie, "x") }
            scene.world.world.advance(by: .seconds(1))
            heard.append(await attacker.run { _, attacker in attacker.recorders[0].text })
        }
        // Who has the rule comes where it leads, and nobody comes anywhere else.
        #expect(heard == ["", "x"])
        #expect(await secret.run { _, secret in secret.count } == 0)
        #expect(await scene.echo.run { _, echo in echo.count } == 1)
    }

    @Test func `a ticket is for the target alone, and once`() async throws {
        let world = try await TunnelWorld()
        let (listener, stranger) = (await world.client(), await world.client())
        let owner = await world.client()
        let identity = try #require(await owner.identity)
        let request = TunnelRuleRequest(
            listen: "tcp://127.0.0.1:2222", target: "tcp://10.0.0.5:22", of: identity.tunnel,
            authCode: identity.authCode)
        #expect(await world.add(request, by: listener).code == 200)
        let other = try #require(await stranger.identity)
        await owner.close()
        await stranger.close()
        // The target's client is one that does nothing but tell what it was asked.
        let target = await world.attacker(terminal: identity.client)
        let thief = await world.attacker(terminal: other.client)
        let tickets = Heard<String>()
        await target.run { _, target in
            target.client?.routes.oneWay("/transfer/target/out") { request, _ in
                tickets.add(request.headers["TransferId"] ?? "")
            }
            target.login(identity)
        }
        await thief.run { _, thief in thief.login(other) }
        world.world.advance(by: .seconds(1))
        let visitor = await world.visitor(to: "127.0.0.1:2222", "for the target")
        let ticket = try #require(tickets.all.first)
        for (somebody, hears) in [(thief, ""), (target, "for the target"), (target, "")] {
            await somebody.run { _, somebody in
                somebody.stream("/transfer/go", headers: ["TransferId": ticket], "from a target")
            }
            world.world.advance(by: .milliseconds(500))
            #expect(await somebody.run { _, somebody in somebody.recorders.last?.text } == hears)
        }
        #expect(await visitor.text == "from a target")
    }

    @Test func `a target that never comes is given up after ten seconds`() async throws {
        let world = try await TunnelWorld()
        let (listener, owner) = (await world.client(), await world.client())
        let identity = try #require(await owner.identity)
        let request = TunnelRuleRequest(
            listen: "tcp://127.0.0.1:2222", target: "tcp://10.0.0.5:22", of: identity.tunnel,
            authCode: identity.authCode)
        #expect(await world.add(request, by: listener).code == 200)
        await owner.close()
        let target = await world.attacker(terminal: identity.client)
        await target.run { _, target in target.login(identity) }
        world.world.advance(by: .seconds(1))
        let visitor = await world.visitor(to: "127.0.0.1:2222", String(repeating: "x", count: 1 << 20))
        world.world.advance(by: .seconds(9))
        #expect(await visitor.closeReason == nil)
        world.world.advance(by: .seconds(2))
        #expect(await visitor.closeReason == .reset)
        #expect(await world.nodes[0].run { _, node in node.transferCount } == 0)
    }
}
