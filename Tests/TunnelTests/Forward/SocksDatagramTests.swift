import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// Visitors of SOCKS5 who send datagrams.
@Suite struct SocksDatagramTests {
    private let ask: [UInt8] = [5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0]
    private func to(_ host: UInt8, _ words: String) -> [UInt8] {
        [0, 0, 0, 1, 10, 0, 0, host, 0, 53] + Array(words.utf8)
    }

    /// Asks at a node's port, and gives the port for datagrams.
    private func associate(_ scene: ForwardScene) async throws -> (visitor: LoopBound<Recorder>, place: String) {
        let visitor = await scene.world.visitor(to: "public-0:8003", bytes: ask)
        scene.advance(.seconds(1))
        let bytes = await visitor.bytes
        #expect(bytes.prefix(6) == [5, 0, 5, 0, 0, 1])
        try #require(bytes.count == 12)
        let port = UInt16(bytes[10]) << 8 | UInt16(bytes[11])
        #expect((8000...8010).contains(port))
        return (visitor, "public-0:\(port)")
    }

    @Test(arguments: [0, 1])
    func `datagrams go to whom they name, and come back with who says it`(targetAt: Int) async throws {
        let scene = try await ForwardScene("node+socks5://:8003", to: "", nodes: 2, targetAt: targetAt)
        let one = try await scene.world.target("10.0.0.5:53", datagrams: true)
        _ = try await scene.world.target("nas:53", datagrams: true)
        let (visitor, place) = try await associate(scene)
        let named: [UInt8] = [0, 0, 0, 3, 3, 0x6e, 0x61, 0x73, 0, 53, 9]
        let flow = await scene.world.flow(to: place, to(5, "a"), to(5, "bc"), named)
        scene.advance(.seconds(1))
        let answers = await flow.messages
        #expect(answers.count == 3)
        // Pipes have no addresses of their own: the echo's is the one that all of them have.
        #expect(answers.map { $0.dropFirst(10) } == [[0x61], [0x62, 0x63], [9]])
        for answer in answers { #expect(answer.prefix(4) == [0, 0, 0, 1]) }
        // One flow for each target.
        #expect(await one.run { _, echo in echo.count } == 1)
        // Pieces, and what is no datagram of SOCKS5, go nowhere.
        await flow.send([0, 0, 1, 1, 10, 0, 0, 5, 0, 53, 1], [1, 2], [])
        scene.advance(.seconds(1))
        #expect(await flow.messages.count == 3)
        // With the connection it is over.
        await visitor.run { _, visitor in visitor.link?.close(.done) }
        scene.advance(.seconds(1))
        await flow.send(to(5, "d"))
        scene.advance(.seconds(1))
        #expect(await flow.messages.count == 3)
        #expect(await scene.world.nodes[0].run { _, node in node.transferCount } == 0)
        let again = try await associate(scene)
        #expect(await again.visitor.closeReason == nil)
    }

    @Test func `only those are reached that are allowed`() async throws {
        let scene = try await ForwardScene("node+socks5://:8003", to: "") { _ in
        } target: {
            $0.allowTargets = ["udp://10.0.0.0/24:53", "tcp://10.0.1.0/24:53"].compactMap { TargetAllowance($0) }
        }
        var counts: [LoopBound<EchoIntake>] = []
        for place in ["10.0.0.5:53", "10.0.0.5:54", "10.0.1.5:53"] {
            counts.append(try await scene.world.target(place, datagrams: true))
        }
        let (_, place) = try await associate(scene)
        let flow = await scene.world.flow(
            to: place, [0, 0, 0, 1, 10, 0, 0, 5, 0, 54, 1], [0, 0, 0, 1, 10, 0, 1, 5, 0, 53, 2], to(5, "c"))
        scene.advance(.seconds(1))
        #expect(await flow.messages.map { $0.dropFirst(10) } == [[0x63]])
        #expect(await counts[0].run { _, echo in echo.count } == 1)
        for other in counts.dropFirst() { #expect(await other.run { _, echo in echo.count } == 0) }
    }

    @Test func `of many targets those go that were used least lately`() async throws {
        let scene = try await ForwardScene("node+socks5://:8003", to: "")
        var targets: [LoopBound<EchoIntake>] = []
        for host in 0..<70 { targets.append(try await scene.world.target("10.0.0.\(host):53", datagrams: true)) }
        let (_, place) = try await associate(scene)
        let flow = await scene.world.flow(to: place, to(0, "x"))
        for host in 1..<70 {
            await flow.send(to(UInt8(host), "x"), to(0, "y"))
            scene.advance(.milliseconds(50))
        }
        #expect(await flow.messages.count == 139)
        await flow.send(to(1, "x"))
        scene.advance(.seconds(1))
        #expect(await targets[0].run { _, echo in echo.count } == 1)
        #expect(await targets[1].run { _, echo in echo.count } == 2)
    }

    @Test func `without a login nobody gets a port`() async throws {
        let scene = try await ForwardScene("node+socks5://:8003", to: "") { _ in
        } rule: { $0.options.login = TunnelLogin(user: "me", password: "open") }
        let credentials: [UInt8] = [1, 2, 0x6d, 0x65, 4]
        for (password, answer) in [
            ("shut", [5, 2, 1, 1] as [UInt8]), ("open", [5, 2, 1, 0, 5, 0, 0, 1, 0, 0, 0, 0]),
        ] {
            let visitor = await scene.world.visitor(
                to: "public-0:8003", bytes: [5, 1, 2] + credentials + Array(password.utf8) + ask.dropFirst(3))
            scene.advance(.seconds(1))
            #expect(await Array(visitor.bytes.prefix(12)) == answer)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `over sockets the listening client opens the port`() async throws {
        let world = try await SocketWorld {
            $0.allowTargets = ["udp://127.0.0.1:1-65535"].compactMap { TargetAllowance($0) }
        }
        let echo = await world.loop.own { _ in EchoIntake() }
        let target = try await DatagramAcceptor(.loopback()).open(into: [echo])
        let door = try await world.listen("socks5", to: "")
        let ask = ask
        let visitor = await world.loop.own { loop in
            let recorder = Recorder()
            StreamDialer(.loopback(port: door)).dial(on: loop, deadline: .seconds(5), handler: recorder)?.write(ask)
            return recorder
        }
        while await visitor.bytes.count < 12 { try await Task.sleep(for: .milliseconds(5)) }
        let bytes = await visitor.bytes
        #expect(bytes.prefix(10) == [5, 0, 5, 0, 0, 1, 127, 0, 0, 1])
        let port = UInt16(bytes[10]) << 8 | UInt16(bytes[11])
        let there = target.address.port
        let datagram: [UInt8] = [0, 0, 0, 1, 127, 0, 0, 1, UInt8(there >> 8), UInt8(there & 255), 1, 2, 3]
        let flow = await world.loop.own { loop in
            let recorder = Recorder()
            DatagramDialer(.loopback(port: port)).dial(on: loop, deadline: .seconds(5), handler: recorder)?
                .write(datagram)
            return recorder
        }
        while await flow.messages.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        #expect(await flow.messages == [datagram])
        await world.close()
    }
}
