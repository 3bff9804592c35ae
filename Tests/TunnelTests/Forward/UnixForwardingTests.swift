import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// Sockets that have a path and no port.
@Suite struct UnixForwardingTests {
    @Test func `a path leads to a path, and each direction ends by itself`() async throws {
        let scene = try await ForwardScene("unix:///run/in.sock", to: "unix:///run/out.sock") { _ in
        } target: { $0.allowTargets = ["unix:///run/out.sock"].compactMap { TargetAllowance($0) } }
        _ = try await scene.world.target("unix:/run/out.sock")
        let visitor = await scene.world.visitor(to: "unix:/run/in.sock", "question", finishes: true)
        scene.advance(.seconds(1))
        #expect(await visitor.text == "question")
        #expect(await visitor.closeReason == .finished)
    }

    @Test func `a socket of the target's machine is for its own rules until somebody allows it`() async throws {
        let scene = try await ForwardScene("tcp://127.0.0.1:2222", to: "unix:///run/out.sock")
        let echo = try await scene.world.target("unix:/run/out.sock")
        let visitor = await scene.world.visitor(to: "127.0.0.1:2222", "x")
        #expect(await visitor.closeReason == .reset)
        let identity = try #require(await scene.target.identity)
        let own = TunnelRuleRequest(
            listen: "tcp://127.0.0.1:3333", target: "unix:///run/out.sock", of: identity.tunnel)
        #expect(await scene.world.add(own, by: scene.target).code == 200)
        let itself = await scene.world.visitor(to: "127.0.0.1:3333", "x")
        #expect(await itself.text == "x")
        #expect(await echo.run { _, echo in echo.count } == 1)
    }

    @Test(arguments: [
        ("unix://run/a", "tcp://10.0.0.5:22"), ("unix:///run/../a", "tcp://10.0.0.5:22"),
        ("unix:///", "tcp://10.0.0.5:22"), ("unix:///" + String(repeating: "a", count: 120), "tcp://10.0.0.5:22"),
        ("unix:///run/a", "udp://10.0.0.5:22"), ("udp://:53", "tcp://10.0.0.5:53"), ("tcp://:53", "udp://10.0.0.5:53"),
        ("tcp://:53", ""), ("socks5://:1080", "tcp://10.0.0.5:22"), ("shop.example", "unix://run/a"),
    ])
    func `what does not go together is no rule`(listen: String, target: String) async throws {
        let world = try await TunnelWorld()
        let client = await world.client()
        let identity = try #require(await client.identity)
        let request = TunnelRuleRequest(listen: listen, target: target, of: identity.tunnel)
        #expect(await world.add(request, by: client).code == 400)
    }

    @Test(.timeLimit(.minutes(1))) func `paths of the file system are reached over sockets`() async throws {
        let (folder, world) = (try TemporaryFolder(), try await SocketWorld())
        let echo = await world.loop.own { _ in EchoIntake() }
        let target = try await StreamAcceptor(.unix(folder.file("out.sock"))).open(into: [echo])
        try await world.add("unix://\(folder.file("in.sock"))", to: "unix://\(folder.file("out.sock"))")
        let path = folder.file("in.sock")
        let recorder = await world.loop.own { loop in
            let recorder = Recorder()
            let link = StreamDialer(.unix(path)).dial(on: loop, deadline: .seconds(5), handler: recorder)
            link?.write(Array("by path".utf8))
            link?.finish()
            return recorder
        }
        while await recorder.closeReason == nil { try await Task.sleep(for: .milliseconds(5)) }
        #expect(await recorder.text == "by path")
        await target.stop()
        await world.close()
    }
}
