import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// A client that finds its way back, and what may be reached through it.
@Suite struct ClientLifeTests {
    @Test func `with several nodes a client goes to the next when one has gone`() async throws {
        let world = try await TunnelWorld(nodes: 2)
        let told = Told()
        let dialers: [any Dialer] = [world.network.pipe("node-0:1"), world.network.pipe("node-1:1")]
        let client = await TunnelClient.start(on: world.world.loops[2], nodes: dialers) { event, _ in told.add(event) }
        world.world.advance(by: .seconds(1))
        #expect(await client.run { _, client in client.node } == TunnelWorld.ids[0])
        await world.nodes[0].run { _, node in node.close() }
        world.world.advance(by: .seconds(5))
        #expect(await client.run { _, client in client.node } == TunnelWorld.ids[1])
        #expect(told.registrations == 1)
    }

    @Test func `a hundred clients of a node that was away do not come back together`() async throws {
        let world = try await TunnelWorld { $0.registrations = RateLimit(1000, in: .seconds(60)) }
        var clients: [Somebody] = []
        for _ in 0..<100 { clients.append(await world.client()) }
        let before = world.world.clock.now
        // Connections end, and the node is there: each comes after a pause of its own.
        let moments = Heard<Duration>()
        await world.world.loops[2].run { loop in loop.forEachLink { $0.close(.reset) } }
        for _ in 0..<50 {
            world.world.advance(by: .milliseconds(10))
            let now = world.world.clock.now - before
            var count = 0
            for somebody in clients where await somebody.isLoggedIn { count += 1 }
            for _ in moments.all.count..<max(count, moments.all.count) { moments.add(now) }
        }
        world.world.advance(by: .seconds(1))
        for somebody in clients { #expect(await somebody.isLoggedIn) }
        #expect(Set(moments.all).count > 20)
    }

    @Test(arguments: [
        ("tcp://10.0.0.0/8:22", "tcp://10.1.2.3:22", true), ("tcp://10.0.0.0/8:22", "tcp://11.1.2.3:22", false),
        ("tcp://10.0.0.0/8:22", "tcp://10.1.2.3:23", false), ("tcp://10.0.0.0/8:22", "http://10.1.2.3:22", false),
        ("tcp://10.0.0.0/8:22", "tcp://ten.example:22", false), ("tcp://NAS:80-89", "tcp://nas:85", true),
        ("tcp://nas:80-89", "tcp://nas:90", false), ("tcp://*:1-65535", "tcp://anything:1", true),
        ("tcp://[fd00::]/8:22", "tcp://[fd00::1]:22", false), ("tcp://fd00::/8:22", "tcp://[fd00::1]:22", true),
    ])
    func `what may be reached is what the list says`(allowed: String, target: String, isReached: Bool) throws {
        let target = try #require(TargetAddress(target))
        #expect((TargetAllowance(allowed)?.allows(target) ?? false) == isReached)
    }

    @Test(arguments: [
        "", "tcp://", "tcp://a", "tcp://a:", "tcp://a:9-8", "ftp://a:1", "tcp://a b:1", "tcp://:1", "a:1",
    ])
    func `a list that cannot be read allows nothing`(text: String) {
        #expect(TargetAllowance(text) == nil)
    }
}
