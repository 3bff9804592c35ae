import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayGateway

/// How servers say who they are, and who may take part.
@Suite struct LoginTests {
    private func newcomer(_ gateway: GatewayWorld) async -> (TestPeer, challenge: [UInt8]) {
        let server = await TestPeer(dials: gateway.servers, in: gateway.world, .v2)
        return (server, await server.read(8))
    }

    private func closed(_ gateway: GatewayWorld, _ reason: String, _ side: String = "server") async -> Double {
        await gateway.meter("omniway_gateway_closed_total", ("side", side), ("reason", reason))
    }

    @Test func `each of two keys is good, and no other`() async throws {
        let gateway = try await GatewayWorld { $0.keys = [Secret("old"), Secret("new")] }
        for key in ["old", "new"] { #expect(await gateway.server(7, key: key).isOpen) }
        for key in ["", "old\n", "other"] { #expect(await !gateway.server(7, key: key).isOpen) }
        #expect(await closed(gateway, "wrong-key") == 3)
    }

    @Test func `without a key, only the empty one is good`() async throws {
        let gateway = try await GatewayWorld { $0.keys = [] }
        #expect(await gateway.server(7, key: "").isOpen)
        #expect(await !gateway.server(7, key: "guess").isOpen)
    }

    @Test func `every challenge is another`() async throws {
        let gateway = try await GatewayWorld()
        var challenges: Set<[UInt8]> = []
        for _ in 0..<20 { challenges.insert(await newcomer(gateway).challenge) }
        #expect(challenges.count == 20)
    }

    @Test func `who says nothing is closed after the limit, and not before`() async throws {
        let gateway = try await GatewayWorld { $0.loginTimeout = .seconds(5) }
        let (server, _) = await newcomer(gateway)
        await server.send([UInt8](repeating: 0, count: 19))
        gateway.world.advance(by: .milliseconds(4_999))
        #expect(await server.isOpen)
        gateway.world.advance(by: .milliseconds(1))
        #expect(await !server.isOpen)
        #expect(await closed(gateway, "login-timeout") == 1)
        #expect(await gateway.meter("omniway_gateway_peers", ("side", "server")) == 0)
    }

    @Test(arguments: [13, 512 << 10]) func `a login in pieces is one, and frames may follow at once`(
        _ maxPacketSize: Int
    ) async throws {
        let gateway = try await GatewayWorld { $0.maxPacketSize = maxPacketSize }
        for cut in 1..<46 {
            let (server, challenge) = await newcomer(gateway)
            let bytes =
                GatewayLogin.answer(to: challenge, key: Array("gateway-key".utf8), as: 7)
                + server.bytes(of: .ping) + server.bytes(of: .dial(99, as: 0)) + TestPeer.frame(5, [])
            await server.send(Array(bytes[..<min(cut, bytes.count)]))
            await server.send(Array(bytes[min(cut, bytes.count)...]))
            #expect(
                await server.heard() == [.said(.ping), .said(.refuse(99, as: 0)), .said(.close(5))], "cut at \(cut)")
        }
    }

    @Test func `a server that has not logged in cannot be dialled`() async throws {
        let gateway = try await GatewayWorld()
        let (server, challenge) = await newcomer(gateway)
        let client = await gateway.client()
        await client.send(.dial(7, as: 0))
        #expect(await client.heard() == [.said(.refuse(7, as: 0))])
        await server.send(GatewayLogin.answer(to: challenge, key: Array("gateway-key".utf8), as: 7))
        await client.send(.dial(7, as: 0))
        #expect(await client.heard() == [.said(.accept(1, 7))])
    }

    @Test func `a server that leaves in its login leaves nothing behind`() async throws {
        let gateway = try await GatewayWorld()
        let (server, _) = await newcomer(gateway)
        await server.close()
        #expect(await gateway.memories() == 0)
        #expect(await gateway.meter("omniway_gateway_peers", ("side", "server")) == 0)
        gateway.world.advance(by: .seconds(60))
    }

    // MARK: The hook

    /// Answers when it is told to.
    private actor Door: GatewayAdmission {
        private(set) var asked: [GatewayNewcomer] = []
        private var waiting: [CheckedContinuation<Bool, Never>] = []

        func admit(_ newcomer: GatewayNewcomer) async -> Bool {
            asked.append(newcomer)
            return await withCheckedContinuation { waiting.append($0) }
        }

        func answer(_ isWelcome: Bool) { waiting.removeFirst().resume(returning: isWelcome) }
        var count: Int { waiting.count }
    }

    /// The hook is an actor of its own, so its questions and answers take real turns.
    private func settle(_ world: SimulatedWorld, until condition: () async -> Bool) async {
        for _ in 0..<10_000 {
            world.settle()
            if await condition() { return }
            await Task.yield()
        }
        Issue.record("it did not happen")
    }

    @Test func `nothing of a newcomer is read before the hook has answered, and all of it then`() async throws {
        let door = Door()
        let gateway = try await GatewayWorld(loops: 2) { $0.admission = door }
        let client = await gateway.client()
        await client.send(.ping)
        await client.send(.dial(7, as: 0))
        let (server, challenge) = await newcomer(gateway)
        await server.send(
            GatewayLogin.answer(to: challenge, key: Array("gateway-key".utf8), as: 7) + server.bytes(of: .ping))
        await settle(gateway.world) { await door.count == 2 }
        #expect(await door.asked.map(\.side) == [.client, .server])
        #expect(await door.asked.map(\.server) == [nil, 7])
        #expect(await server.heard() == [])
        #expect(await client.heard() == [])

        await door.answer(true)
        await settle(gateway.world) { await client.heard() == [.said(.ping), .said(.refuse(7, as: 0))] }
        await door.answer(true)
        await settle(gateway.world) { await server.heard() == [.said(.ping)] }
        await client.send(.dial(7, as: 0))
        #expect(await client.heard() == [.said(.accept(1, 7))])
    }

    @Test func `who is not welcome is closed`() async throws {
        let door = Door()
        let gateway = try await GatewayWorld { $0.admission = door }
        let client = await gateway.client()
        let server = await gateway.server(7)
        await settle(gateway.world) { await door.count == 2 }
        await door.answer(false)
        await door.answer(false)
        await settle(gateway.world) { await !client.isOpen }
        await settle(gateway.world) { await !server.isOpen }
        #expect(await closed(gateway, "not-admitted", "client") == 1)
        #expect(await closed(gateway, "not-admitted") == 1)
        #expect(await gateway.memories() == 0)
    }

    @Test(arguments: [true, false]) func `who leaves before the answer is not missed`(_ answer: Bool) async throws {
        let door = Door()
        let gateway = try await GatewayWorld { $0.admission = door }
        let client = await gateway.client()
        let server = await gateway.server(7)
        await settle(gateway.world) { await door.count == 2 }
        await client.close()
        await server.close()
        await door.answer(answer)
        await door.answer(answer)
        await settle(gateway.world) {
            let clients = await gateway.meter("omniway_gateway_peers", ("side", "client"))
            let servers = await gateway.meter("omniway_gateway_peers", ("side", "server"))
            return clients + servers == 0
        }
        #expect(await gateway.memories() == 0)
    }

    @Test func `a hook that does not answer costs the newcomer its connection, not the gateway a waiter for ever`()
        async throws
    {
        let door = Door()
        let gateway = try await GatewayWorld { $0.admission = door }
        let client = await gateway.client()
        await settle(gateway.world) { await door.count == 1 }
        gateway.world.advance(by: .seconds(61))
        #expect(await !client.isOpen)
        #expect(await closed(gateway, "login-timeout", "client") == 1)
        await door.answer(true)
        await settle(gateway.world) { await gateway.memories() == 0 }
    }
}
