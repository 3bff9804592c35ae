import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// How much a rule may move, and what is written down of it.
@Suite struct RuleLimitTests {
    @Test(arguments: [("tcp://127.0.0.1:2222", "127.0.0.1:2222"), ("node+tcp://:8003", "public-0:8003")])
    func `a rule moves as many bytes in a second as it may`(listen: String, at: String) async throws {
        let scene = try await ForwardScene(listen, to: "tcp://10.0.0.5:22") { _ in
        } rule: { $0.limits.bandwidth = 100_000 }
        _ = try await scene.world.target("10.0.0.5:22")
        let visitor = await scene.world.visitor(to: at, bytes: [UInt8](repeating: 1, count: 2_000_000))
        var heard: [Int] = []
        for _ in 0..<4 {
            scene.advance(.seconds(10))
            heard.append(await visitor.bytes.count)
        }
        // Both directions count, so half of it comes back; what was under way at the beginning is paid for later.
        #expect(heard[2] > 1_000_000 && heard[2] < 2_000_000)
        #expect(heard[2] - heard[1] < 1_300_000)
        scene.advance(.seconds(20))
        #expect(await visitor.bytes.count == 2_000_000)
    }

    @Test func `two visitors of a rule share what it may move`() async throws {
        let scene = try await ForwardScene("node+tcp://:8003", to: "tcp://10.0.0.5:22") { _ in
        } rule: { $0.limits.bandwidth = 100_000 }
        _ = try await scene.world.target("10.0.0.5:22")
        let bytes = [UInt8](repeating: 1, count: 1_500_000)
        let one = await scene.world.visitor(to: "public-0:8003", bytes: bytes)
        let two = await scene.world.visitor(to: "public-0:8003", bytes: bytes)
        scene.advance(.seconds(20))
        let heard = await one.bytes.count + two.bytes.count
        #expect(heard < 2_500_000)
        scene.advance(.seconds(60))
        #expect(await one.bytes.count + two.bytes.count == 3_000_000)
    }

    @Test func `what was moved is added up in the registry, by all nodes`() async throws {
        let scene = try await ForwardScene("node+tcp://:8003", to: "tcp://10.0.0.5:22", nodes: 2, targetAt: 1) {
            $0.month = { "202611" }
        }
        _ = try await scene.world.target("10.0.0.5:22")
        let identity = try #require(await scene.listener.identity)
        let visitor = await scene.world.visitor(to: "public-0:8003", "12345")
        scene.advance(.seconds(61))
        let key = "/zhangyu/stats/\(identity.client)/202611"
        let first = try #require(try await scene.world.value(key))
        #expect(first.contains(#""Connections":1,"FromVisitors":5,"ToVisitors":5"#))
        // The same port, now at the other node.
        await visitor.write("6")
        await scene.listener.close()
        scene.advance(.seconds(2))
        let moved = await scene.world.client(at: 1, identity)
        #expect(await moved.isLoggedIn)
        _ = await scene.world.visitor(to: "public-1:8003", "78")
        scene.advance(.seconds(61))
        let second = try #require(try await scene.world.value(key))
        #expect(second.contains(#""Connections":2,"FromVisitors":8,"ToVisitors":8"#))
        let sums = Heard<[String: TunnelTraffic]>()
        await scene.world.nodes[1].run { _, node in
            node.traffic(of: identity.client, in: "202611") { sums.add((try? $0.get()) ?? [:]) }
        }
        scene.advance(.seconds(1))
        #expect(
            sums.all == [
                ["node+tcp://:8003": TunnelTraffic(connections: 2, fromVisitors: 8, toVisitors: 8)]
            ])
    }

    @Test func `a rule that has moved enough lets nobody in until the next month`() async throws {
        let month = Lock("202611")
        let scene = try await ForwardScene("tcp://127.0.0.1:2222", to: "tcp://10.0.0.5:22") {
            $0.month = { month.withLock { $0 } }
        } rule: { $0.limits.monthlyBytes = 1000 }
        _ = try await scene.world.target("10.0.0.5:22")
        let visitor = await scene.world.visitor(to: "127.0.0.1:2222", bytes: [UInt8](repeating: 1, count: 600))
        #expect(await visitor.bytes.count == 600)
        scene.advance(.seconds(61))
        #expect(await visitor.closeReason == .reset)
        let late = await scene.world.visitor(to: "127.0.0.1:2222", "x")
        #expect(await late.bytes.isEmpty)
        #expect(await late.closeReason != nil)
        month.withLock { $0 = "202612" }
        scene.advance(.seconds(61))
        let next = await scene.world.visitor(to: "127.0.0.1:2222", "x")
        #expect(await next.text == "x")
    }

    @Test func `a client has a quota for all its rules together`() async throws {
        let scene = try await ForwardScene("tcp://127.0.0.1:2222", to: "tcp://10.0.0.5:22") {
            ($0.month, $0.monthlyBytes) = ({ "202611" }, 1000)
        }
        _ = try await scene.world.target("10.0.0.5:22")
        let identity = try #require(await scene.target.identity)
        let other = TunnelRuleRequest(
            listen: "tcp://127.0.0.1:3333", target: "tcp://10.0.0.5:22", of: identity.tunnel,
            authCode: identity.authCode)
        #expect(await scene.world.add(other, by: scene.listener).code == 200)
        for port in [2222, 3333] {
            let visitor = await scene.world.visitor(
                to: "127.0.0.1:\(port)", bytes: [UInt8](repeating: 1, count: 300))
            #expect(await visitor.bytes.count == 300)
        }
        scene.advance(.seconds(61))
        let late = await scene.world.visitor(to: "127.0.0.1:3333", "x")
        #expect(await late.bytes.isEmpty)
    }

    @Test(arguments: [("udp://127.0.0.1:53", "udp://10.0.0.5:53"), ("socks5://127.0.0.1:1080", "")])
    func `addresses and connections are limited for every kind`(listen: String, target: String) async throws {
        var limits = TunnelRuleLimits()
        limits.sources = ["10.2.0.0/16"]
        let elsewhere = try await ForwardScene(listen, to: target) { _ in } rule: { $0.limits = limits }
        let refused =
            target.isEmpty
            ? await elsewhere.world.visitor(to: "127.0.0.1:1080", bytes: [5, 1, 0])
            : await elsewhere.world.flow(to: "127.0.0.1:53", [1])
        #expect(await refused.closeReason != nil)
        limits.sources = []
        limits.connections = 1
        let scene = try await ForwardScene(listen, to: target) { _ in } rule: { $0.limits = limits }
        _ = try await scene.world.target("10.0.0.5:53", datagrams: true)
        for count in 1...2 {
            let visitor =
                target.isEmpty
                ? await scene.world.visitor(to: "127.0.0.1:1080", bytes: [5, 1, 0])
                : await scene.world.flow(to: "127.0.0.1:53", [1])
            #expect(await (visitor.closeReason == nil) == (count == 1))
        }
    }
}
