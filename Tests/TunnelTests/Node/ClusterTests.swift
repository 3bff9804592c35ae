import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// Two nodes that share a registry.
@Suite struct TunnelClusterTests {
    @Test func `a login on another node ends the one here`() async throws {
        let world = try await TunnelWorld(nodes: 2)
        let first = await world.client(at: 0)
        let identity = try #require(await first.identity)
        let second = await world.client(at: 1, identity)
        #expect(await second.isLoggedIn)
        #expect(await !first.isLoggedIn)
        #expect(first.told.kicks == 1)
        let record = try #require(try await world.value("/zhangyu/client/online/\(identity.client)"))
        #expect(record.contains(TunnelWorld.ids[1]))
        // What the first leaves behind does not take the second's record away.
        world.world.advance(by: .seconds(30))
        #expect(try await world.value("/zhangyu/client/online/\(identity.client)") == record)
    }

    @Test func `of a hundred logins by turns on two nodes one is left, and the registry knows which`() async throws {
        let world = try await TunnelWorld(nodes: 2, seed: 9)
        let owner = await world.client()
        let identity = try #require(await owner.identity)
        await owner.close()
        var attackers: [LoopBound<Attacker>] = []
        for turn in 0..<100 {
            let pipe = world.network.pipe("node-\(turn % 2):1")
            let attacker = await world.world.loops[3].own { loop in
                Attacker(on: loop, pipe, terminal: identity.client)
            }
            attackers.append(attacker)
            // Some come while the one before is still on its way.
            if turn % 3 == 0 { world.world.advance(by: .milliseconds(1)) } else { world.world.settle() }
            await attacker.run { _, attacker in attacker.login(identity) }
        }
        world.world.advance(by: .seconds(2))
        var alive: [Int] = []
        for (index, attacker) in attackers.enumerated() where await attacker.lost.isEmpty { alive.append(index) }
        #expect(alive.count == 1)
        var here: [String] = []
        for node in world.nodes { here += await node.run { _, node in node.clients.map { _ in node.id } } }
        #expect(here.count == 1)
        let record = try #require(try await world.value("/zhangyu/client/online/\(identity.client)"))
        #expect(record.contains(try #require(here.first)))
    }

    @Test(arguments: 1...3)
    func `of many logins by turns on two nodes that hear of each other late one is left as well`(seed: UInt64)
        async throws
    {
        let world = try await TunnelWorld(nodes: 2, seed: seed)
        let owner = await world.client()
        let identity = try #require(await owner.identity)
        await owner.close()
        var attackers: [LoopBound<Attacker>] = []
        for turn in 0..<50 {
            let attacker = await world.attacker(at: turn % 2, terminal: identity.client)
            attackers.append(attacker)
            // The other node is cut off, and this one hears only now what has come since its own turn.
            world.registries[turn % 2].simulateOutage(false)
            world.registries[1 - turn % 2].simulateOutage(true)
            await attacker.run { _, attacker in attacker.login(identity) }
            if turn % 3 == 0 { world.world.advance(by: .milliseconds(300)) } else { world.world.settle() }
        }
        for registry in world.registries { registry.simulateOutage(false) }
        world.world.advance(by: .seconds(20))
        var (logins, alive) = (0, 0)
        for attacker in attackers {
            if await attacker.codes == [200] { logins += 1 }
            if await attacker.lost.isEmpty { alive += 1 }
        }
        #expect(logins == 50 && alive == 1)
        var here: [String] = []
        for node in world.nodes { here += await node.run { _, node in node.clients.map { _ in node.id } } }
        #expect(here.count == 1)
        let record = try #require(try await world.value("/zhangyu/client/online/\(identity.client)"))
        #expect(record.contains(try #require(here.first)))
    }

    @Test(arguments: [(0, 0), (0, 1), (1, 0), (1, 1)])
    func `a visitor meets the target wherever the two clients are`(listener: Int, target: Int) async throws {
        let scene = try await ForwardingTests.Scene(nodes: 2, listenerAt: listener, targetAt: target)
        let visitor = await scene.world.visitor(to: "127.0.0.1:2222", "a question", finishes: true)
        scene.world.world.advance(by: .seconds(1))
        #expect(await visitor.text == "a question")
        #expect(await visitor.closeReason == .finished)
        let there = await scene.world.nodes[listener].run { [name = scene.name] _, node in node.traffic(of: name) }
        #expect(there == TunnelTraffic(connections: 1, fromVisitors: 10, toVisitors: 10))
    }

    @Test func `a target on another node that refuses is told as well`() async throws {
        let scene = try await ForwardingTests.Scene(nodes: 2, targetAt: 1) {
            $0.allowTargets = []
        }
        let visitor = await scene.world.visitor(to: "127.0.0.1:2222", "x")
        scene.world.world.advance(by: .seconds(1))
        #expect(await visitor.closeReason == .reset)
    }

    @Test func `who does not know the cluster's key is no node`() async throws {
        let world = try await TunnelWorld(nodes: 2)
        let stranger = await world.attacker(terminal: "0c000000-0000-4000-8000-000000000003")
        await stranger.run { _, stranger in
            let headers: InvokeHeaders = [
                "NodeId": "0c000000-0000-4000-8000-000000000003", "Nonce": "00", "Mac": "00",
            ]
            stranger.say("/node/hello", headers: headers)
        }
        world.world.advance(by: .seconds(1))
        #expect(await stranger.codes == [401])
        #expect(await stranger.lost.count == 1)
        // And a client is none either, logged in or not.
        let owner = await world.client()
        let identity = try #require(await owner.identity)
        await owner.close()
        let client = await world.attacker(terminal: identity.client)
        await client.run { _, client in client.login(identity) }
        world.world.advance(by: .seconds(1))
        await client.run { _, client in
            client.say("/node/invoke", #"{"TerminalId":"x","Path":"/transfer/fail"}"#)
            client.stream("/node/relay/open", headers: ["TransferId": "x", "TerminalId": "x"], "x")
        }
        world.world.advance(by: .seconds(1))
        #expect(await client.codes == [200, 403])
        #expect(await client.run { _, client in client.recorders[0].closeReason } != nil)
    }

    @Test func `a node that goes away breaks its own streams, and no others`() async throws {
        let scene = try await ForwardingTests.Scene(nodes: 2, targetAt: 1)
        let relayed = await scene.world.visitor(to: "127.0.0.1:2222", "x")
        #expect(await relayed.text == "x")
        let local = await scene.world.client()
        let identity = try #require(await local.identity)
        let request = TunnelRuleRequest(
            listen: "tcp://127.0.0.1:3333", target: "tcp://10.0.0.5:22", of: identity.tunnel)
        #expect(await scene.world.add(request, by: local).code == 200)
        let other = await scene.world.visitor(to: "127.0.0.1:3333", "y")
        await scene.world.nodes[1].run { _, node in node.close() }
        scene.world.world.advance(by: .seconds(3))
        #expect(await relayed.closeReason == .reset)
        await other.write("z")
        scene.world.world.advance(by: .seconds(1))
        #expect(await other.text == "yz")
    }
}
