import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// Datagrams from a visitor to a target and back.
@Suite struct DatagramForwardingTests {
    @Test(arguments: [("udp://127.0.0.1:53", "127.0.0.1:53"), ("node+udp://:8003", "public-0:8003")])
    func `datagrams of any size arrive as they were sent`(listen: String, at: String) async throws {
        let scene = try await ForwardScene(listen, to: "udp://10.0.0.5:53")
        let echo = try await scene.world.target("10.0.0.5:53", datagrams: true)
        // The first ones come before there is anybody who could take them.
        let sizes = [1, 0, 1472, 9000]
        let visitor = await scene.world.flow(to: at, sized(1), sized(0), sized(1472), sized(9000))
        #expect(await visitor.messages.map(\.count) == sizes)
        await visitor.send(sized(65_507))
        scene.advance(.milliseconds(200))
        await visitor.send(sized(0))
        scene.advance(.milliseconds(200))
        let messages = await visitor.messages
        #expect(messages.map(\.count) == sizes + [65_507, 0])
        #expect(messages == (sizes + [65_507, 0]).map { sized($0) })
        #expect(await echo.run { _, echo in echo.count } == 1)
        #expect(await scene.world.traffic(scene.name).connections == 1)
    }

    @Test func `two visitors of datagrams do not mix`() async throws {
        let scene = try await ForwardScene("udp://127.0.0.1:53", to: "udp://10.0.0.5:53")
        let echo = try await scene.world.target("10.0.0.5:53", datagrams: true)
        let (one, two) = (
            await scene.world.flow(to: "127.0.0.1:53", [1]), await scene.world.flow(to: "127.0.0.1:53", [2])
        )
        await one.send([1, 1])
        await two.send([2, 2])
        scene.advance(.seconds(1))
        #expect(await one.messages == [[1], [1, 1]])
        #expect(await two.messages == [[2], [2, 2]])
        #expect(await echo.run { _, echo in echo.count } == 2)
    }

    @Test func `a flow without datagrams ends after a minute`() async throws {
        let scene = try await ForwardScene("udp://127.0.0.1:53", to: "udp://10.0.0.5:53")
        _ = try await scene.world.target("10.0.0.5:53", datagrams: true)
        let visitor = await scene.world.flow(to: "127.0.0.1:53", [1])
        scene.advance(.seconds(50))
        await visitor.send([2])
        scene.advance(.seconds(50))
        #expect(await visitor.closeReason == nil)
        #expect(await scene.world.nodes[0].run { _, node in node.transferCount } == 1)
        scene.advance(.seconds(30))
        #expect(await visitor.hasEnded)
        #expect(await scene.world.nodes[0].run { _, node in node.transferCount } == 0)
    }

    @Test func `a target that is offline is not asked for with every datagram`() async throws {
        let scene = try await ForwardScene("udp://127.0.0.1:53", to: "udp://10.0.0.5:53")
        await scene.target.close()
        scene.advance(.seconds(1))
        let visitor = await scene.world.flow(to: "127.0.0.1:53", [1])
        for _ in 0..<20 {
            await visitor.send([1])
            scene.advance(.milliseconds(20))
        }
        #expect(await visitor.closeReason == nil)
        scene.advance(.seconds(1))
        #expect(await visitor.closeReason == .reset)
        #expect(await scene.world.traffic(scene.name).connections == 1)
        #expect(await scene.world.nodes[0].run { _, node in node.transferCount } == 0)
    }

    @Test func `a flow comes over another node too`() async throws {
        let scene = try await ForwardScene("udp://127.0.0.1:53", to: "udp://10.0.0.5:53", nodes: 2, targetAt: 1)
        _ = try await scene.world.target("10.0.0.5:53", datagrams: true)
        let visitor = await scene.world.flow(to: "127.0.0.1:53", [1], [2, 2])
        await visitor.send([3, 3, 3])
        scene.advance(.seconds(1))
        #expect(await visitor.messages == [[1], [2, 2], [3, 3, 3]])
    }

    @Test func `what comes while the target is dialled is kept up to a bound`() async throws {
        let scene = try await ForwardScene("node+udp://:8003", to: "udp://10.0.0.5:53")
        await scene.target.close()
        let identity = try #require(await scene.target.identity)
        let target = await scene.world.attacker(terminal: identity.client)
        let tickets = Heard<String>()
        await target.run { _, target in
            target.client?.routes.oneWay("/transfer/target/out") { request, _ in
                tickets.add(request.headers["TransferId"] ?? "")
            }
            target.login(identity)
        }
        scene.advance(.seconds(1))
        let visitor = await scene.world.flow(to: "public-0:8003")
        for index in 0..<80 { await visitor.send([UInt8](repeating: UInt8(index), count: 1000)) }
        scene.advance(.milliseconds(500))
        let ticket = try #require(tickets.all.first)
        await target.run { _, target in target.flow("/transfer/go", headers: ["TransferId": ticket]) }
        scene.advance(.seconds(1))
        let messages = await target.run { _, target in target.recorders.first?.messages ?? [] }
        #expect(messages.map { Int($0[0]) } == Array(0..<65))
    }

    @Test func `a stream is no answer to a flow`() async throws {
        let scene = try await ForwardScene("node+udp://:8003", to: "udp://10.0.0.5:53")
        await scene.target.close()
        let identity = try #require(await scene.target.identity)
        let target = await scene.world.attacker(terminal: identity.client)
        let tickets = Heard<String>()
        await target.run { _, target in
            target.client?.routes.oneWay("/transfer/target/out") { request, _ in
                tickets.add(request.headers["TransferId"] ?? "")
            }
            target.login(identity)
        }
        scene.advance(.seconds(1))
        _ = await scene.world.flow(to: "public-0:8003", [1])
        let ticket = try #require(tickets.all.first)
        await target.run { _, target in target.stream("/transfer/go", headers: ["TransferId": ticket], "no") }
        scene.advance(.seconds(1))
        #expect(await target.run { _, target in target.recorders[0].closeReason } == .refused)
        #expect(await scene.world.nodes[0].run { _, node in node.transferCount } == 1)
    }

    @Test func `UDP and TCP have ports of their own, each for one owner`() async throws {
        let scene = try await ForwardScene("node+udp://:8003", to: "udp://10.0.0.5:53")
        let identity = try #require(await scene.target.identity)
        let tcp = TunnelRuleRequest(
            listen: "node+tcp://:8003", target: "tcp://10.0.0.5:53", of: identity.tunnel, authCode: identity.authCode)
        #expect(await scene.world.add(tcp, by: scene.target).code == 200)
        var udp = tcp
        (udp.listenAddress, udp.targetAddress) = ("node+udp://:8003", "udp://10.0.0.5:53")
        #expect(await scene.world.add(udp, by: scene.target).code == 403)
        #expect(await scene.world.nodes[0].run { _, node in node.openPorts } == [8003, 8003])
    }

    @Test(.timeLimit(.minutes(1))) func `datagrams come through over sockets`() async throws {
        let world = try await SocketWorld()
        let echo = await world.loop.own { _ in EchoIntake() }
        let target = try await DatagramAcceptor(.loopback()).open(into: [echo])
        let port = try await world.listen("udp", to: "udp://localhost:\(target.address.port)")
        let recorder = await world.loop.own { loop in
            let recorder = Recorder()
            let link = DatagramDialer(.loopback(port: port)).dial(
                on: loop, deadline: .seconds(5), handler: recorder)
            link?.write([1, 2, 3])
            return recorder
        }
        while await recorder.messages.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        #expect(await recorder.messages == [[1, 2, 3]])
        await world.close()
    }

    private func sized(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) } }
}
