import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// Rules whose visitors have connections of their own.
@Suite struct BulkForwardingTests {
    /// Counts the connections that a client makes.
    private struct CountingDialer: Dialer {
        let base: InProcess
        let count: Lock<Int>
        func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
            count.withLock { $0 += 1 }
            return base.dial(on: loop, deadline: deadline, handler: handler)
        }
    }

    @Test(arguments: [(true, 3), (false, 0)])
    func `each visitor of a bulk rule has a connection of its own, on both sides`(isBulk: Bool, more: Int) async throws
    {
        let world = try await TunnelWorld()
        _ = try await world.target("10.0.0.5:22")
        let (near, far) = (Lock(0), Lock(0))
        let listener = await world.client(over: { CountingDialer(base: $0, count: near) })
        let target = await world.client(over: { CountingDialer(base: $0, count: far) })
        let identity = try #require(await target.identity)
        var request = TunnelRuleRequest(
            listen: "tcp://127.0.0.1:2222", target: "tcp://10.0.0.5:22", of: identity.tunnel,
            authCode: identity.authCode)
        request.options.isBulk = isBulk
        #expect(await world.add(request, by: listener).code == 200)
        let before = (near.withLock { $0 }, far.withLock { $0 })
        for index in 0..<3 {
            let visitor = await world.visitor(to: "127.0.0.1:2222", "visitor \(index)", finishes: true)
            world.world.advance(by: .seconds(1))
            #expect(await visitor.text == "visitor \(index)")
            #expect(await visitor.closeReason == .finished)
        }
        #expect(near.withLock { $0 } == before.0 + more)
        #expect(far.withLock { $0 } == before.1 + more)
        #expect(await world.nodes[0].run { _, node in node.transferCount } == 0)
    }

    /// Where the listener and the target are, and how many connections the nodes make for three visitors.
    @Test(arguments: [(0, 0, 0), (0, 1, 3), (1, 0, 3), (1, 1, 0)])
    func `between two nodes each visitor of a bulk rule has a connection of its own too`(
        listener: Int, target: Int, between: Int
    ) async throws {
        let dialled = Lock(0)
        let scene = try await ForwardScene(
            "tcp://127.0.0.1:2222", to: "tcp://10.0.0.5:22", nodes: 2, listenerAt: listener, targetAt: target
        ) {
            count(dialled, of: &$0)
        } rule: {
            $0.options.isBulk = true
        }
        _ = try await scene.world.target("10.0.0.5:22")
        func visit(_ text: String) async {
            let visitor = await scene.world.visitor(to: "127.0.0.1:2222", text, finishes: true)
            scene.advance(.seconds(1))
            #expect(await visitor.text == text)
            #expect(await visitor.closeReason == .finished)
        }
        // The first one makes the carriers of the nodes to each other.
        await visit("first")
        let before = dialled.withLock { $0 }
        for index in 0..<3 { await visit("visitor \(index)") }
        #expect(dialled.withLock { $0 } == before + between)
        for node in scene.world.nodes { #expect(await node.run { _, node in node.transferCount } == 0) }
    }

    /// How often nodes dial each other.
    private func count(_ dialled: Lock<Int>, of settings: inout TunnelNodeSettings) {
        let dial = settings.dialNode
        settings.dialNode = {
            dialled.withLock { $0 += 1 }
            return dial($0)
        }
    }

    @Test(arguments: 0..<8)
    func `wherever owner, target and port of a bulk rule are, its visitors meet the target alone`(placement: Int)
        async throws
    {
        let (owner, target, node) = (placement & 1, placement >> 1 & 1, placement >> 2)
        let dialled = Lock(0)
        let scene = try await ForwardScene(
            "node+tcp://\(TunnelWorld.ids[node]):8003", to: "tcp://10.0.0.5:22", nodes: 2, listenerAt: owner,
            targetAt: target
        ) {
            count(dialled, of: &$0)
        } rule: {
            $0.options.isBulk = true
        }
        _ = try await scene.world.target("10.0.0.5:22")
        var counts: [Int] = []
        for text in ["one", "two", "three"] {
            let visitor = await scene.world.visitor(to: "public-\(node):8003", text, finishes: true)
            scene.advance(.seconds(1))
            #expect(await visitor.text == text)
            #expect(await visitor.closeReason == .finished)
            counts.append(dialled.withLock { $0 })
        }
        // The first one makes the carriers of the nodes to each other.
        let between = target == node ? 0 : 1
        #expect([counts[1] - counts[0], counts[2] - counts[1]] == [between, between])
    }

    @Test func `of very many visitors at once those go with the others that come last`() async throws {
        let dialled = Lock(0)
        let world = try await TunnelWorld()
        _ = try await world.target("10.0.0.5:22")
        let client = await world.client(over: { CountingDialer(base: $0, count: dialled) })
        let identity = try #require(await client.identity)
        var request = TunnelRuleRequest(
            listen: "node+tcp://:8003", target: "tcp://10.0.0.5:22", of: identity.tunnel)
        request.options.isBulk = true
        #expect(await world.add(request, by: client).code == 200)
        world.world.advance(by: .milliseconds(100))
        let before = dialled.withLock { $0 }
        var visitors: [LoopBound<Recorder>] = []
        for _ in 0..<260 { visitors.append(await world.visitor(to: "public-0:8003", "x")) }
        for visitor in visitors { #expect(await visitor.text == "x") }
        #expect(dialled.withLock { $0 } == before + 256)
        // Who leaves makes room.
        await visitors[0].run { _, recorder in recorder.link?.close(.done) }
        world.world.advance(by: .seconds(1))
        let next = await world.visitor(to: "public-0:8003", "y")
        #expect(await next.text == "y")
        #expect(dialled.withLock { $0 } == before + 257)
    }

    /// A visitor of a bulk rule who has heard an answer, with clients and nodes apart.
    private func visited() async throws -> (ForwardScene, LoopBound<Recorder>) {
        let scene = try await ForwardScene(
            "tcp://127.0.0.1:2222", to: "tcp://10.0.0.5:22", nodes: 2, targetAt: 1, rule: { $0.options.isBulk = true })
        _ = try await scene.world.target("10.0.0.5:22")
        let visitor = await scene.world.visitor(to: "127.0.0.1:2222", "a")
        #expect(await visitor.text == "a")
        return (scene, visitor)
    }

    @Test(arguments: ["listener", "target", "node 0", "node 1"])
    func `who closes everything closes bulk too, and it looks broken`(who: String) async throws {
        let (scene, visitor) = try await visited()
        switch who {
        case "listener": await scene.listener.close()
        case "target": await scene.target.close()
        default: await scene.world.nodes[who == "node 0" ? 0 : 1].run { _, node in node.close() }
        }
        scene.advance(.seconds(1))
        #expect(await visitor.closeReason == .reset)
        for node in scene.world.nodes { #expect(await node.run { _, node in node.transferCount } == 0) }
    }

    @Test func `bulk outlives a kick for a while`() async throws {
        let (scene, visitor) = try await visited()
        let taken = await scene.world.client(at: 1, scene.target.identity)
        #expect(await taken.isLoggedIn)
        await visitor.write("b")
        scene.advance(.seconds(10))
        #expect(await visitor.text == "ab")
        scene.advance(.seconds(30))
        #expect(await visitor.closeReason == .reset)
    }

    @Test func `a target that is not there breaks a bulk visitor off, and bandwidth holds for it too`() async throws {
        let scene = try await ForwardScene("node+tcp://:8003", to: "tcp://10.0.0.5:22") { _ in
        } rule: {
            $0.options.isBulk = true
            $0.limits.bandwidth = 100_000
        }
        let nobody = await scene.world.visitor(to: "public-0:8003", "x")
        #expect(await nobody.closeReason == .reset)
        _ = try await scene.world.target("10.0.0.5:22")
        let visitor = await scene.world.visitor(
            to: "public-0:8003", bytes: [UInt8](repeating: 1, count: 1_000_000))
        scene.advance(.seconds(5))
        #expect(await visitor.bytes.count < 1_000_000)
        scene.advance(.seconds(30))
        #expect(await visitor.bytes.count == 1_000_000)
    }

    @Test func `datagrams and what several visitors share is no bulk`() async throws {
        let world = try await TunnelWorld()
        let client = await world.client()
        let identity = try #require(await client.identity)
        for (listen, target) in [("udp://:1", "udp://a:1"), ("a.example", "http://a:1"), ("socks5://:1", "")] {
            var request = TunnelRuleRequest(listen: listen, target: target, of: identity.tunnel)
            request.options.isBulk = true
            #expect(await world.add(request, by: client).code == 400)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `megabytes come back through the kernel, with their end`() async throws {
        let world = try await SocketWorld()
        let echo = await world.loop.own { _ in EchoIntake() }
        let target = try await StreamAcceptor(.loopback()).open(into: [echo])
        let port = try await world.listen("tcp", to: "tcp://\(target.address)") { $0.options.isBulk = true }
        let message = (0..<4 << 20).map { UInt8(truncatingIfNeeded: $0 >> 5 &+ $0) }
        let recorder = await world.loop.own { loop in
            let recorder = Recorder()
            let link = StreamDialer(.loopback(port: port)).dial(on: loop, deadline: .seconds(5), handler: recorder)
            link?.write(message)
            link?.finish()
            return recorder
        }
        while await recorder.closeReason == nil { try await Task.sleep(for: .milliseconds(5)) }
        #expect(await recorder.bytes == message)
        #expect(await recorder.closeReason == .finished)
        let identity = try #require(await world.client.run { _, client in client.identity })
        let rule = "\(identity.client)=>tcp://127.0.0.1:\(port)"
        let moved = await world.node.run { _, node in node.traffic(of: rule) }
        #expect(moved == TunnelTraffic(connections: 1, fromVisitors: 4 << 20, toVisitors: 4 << 20))
        await world.close()
    }
}
