import OmniwayGateway
import OmniwayTesting
import OmniwayWire
import Testing

/// Both dialects at one gateway: ids are shared, words are each one's own.
@Suite struct DialectTests {
    static let mixtures: [(GatewayDialect, GatewayDialect)] = [(.v1, .v2), (.v2, .v1), (.v1, .v1), (.v2, .v2)]

    /// Dials, and gives the id that both have heard of. The dialler is asked for its id in v1.
    private func connect(
        _ dialler: TestPeer, to remote: EndpointID, _ other: TestPeer, _ dialect: GatewayDialect,
        _ otherDialect: GatewayDialect, as own: EndpointID
    ) async throws -> ConnectionID {
        var id: ConnectionID = 0
        if dialect == .v1 {
            await dialler.send(.new)
            guard case .said(.open(let opened)) = await dialler.heard().first else {
                Issue.record("no id")
                return 0
            }
            id = opened
        }
        await dialler.send(.dial(remote, as: id))
        let answer = await dialler.heard()
        guard case .said(.accept(let accepted, remote)) = answer.first, answer.count == 1 else {
            Issue.record("\(answer)")
            return 0
        }
        if dialect == .v1 { #expect(accepted == id) }
        #expect(
            await other.heard() == [.said(otherDialect == .v1 ? .accept(accepted, own) : .connect(accepted, own))])
        return accepted
    }

    @Test(arguments: mixtures, [1, 2])
    func `all is said in each one's own words`(
        _ dialects: (client: GatewayDialect, server: GatewayDialect), _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops, client: dialects.client, server: dialects.server)
        // Where peers land: with two loops, on the same one or on different ones.
        for round in 0..<2 {
            let name = EndpointID(rawValue: UInt32(7 + round))
            let server = await gateway.server(name)
            if round == 1 { await gateway.client().close() }
            let own = EndpointID(rawValue: UInt32(1 + 2 * round))
            let client = await gateway.client()

            let first = try await connect(client, to: name, server, dialects.client, dialects.server, as: own)
            let second = try await connect(server, to: own, client, dialects.server, dialects.client, as: name)
            #expect(first.rawValue < second.rawValue)
            await client.send("to the server", on: first)
            await server.send("to the client", on: second)
            #expect(await server.heard() == [.message(first, "to the server")])
            #expect(await client.heard() == [.message(second, "to the client")])

            await client.send(.close(first))
            #expect(await client.heard() == [.said(.close(first))])
            #expect(await server.heard() == [.said(.close(first))])
            await server.send(.close(first))  // As the original's endpoints answer.
            await server.send(.close(second))
            #expect(await client.heard() == [.said(.close(second))])
            #expect(await server.heard() == [.said(.close(second))])

            await client.send("too late", on: first)
            await server.send("too late", on: first)
            #expect(await client.heard() == [.said(.close(first))])
            #expect(await server.heard() == [.said(.close(first))])
        }
    }

    @Test(arguments: mixtures)
    func `a refusal names what the dialler has named`(
        _ dialects: (client: GatewayDialect, server: GatewayDialect)
    ) async throws {
        let gateway = try await GatewayWorld(client: dialects.client, server: dialects.server)
        let peers = [(await gateway.client(), dialects.client), (await gateway.server(7), dialects.server)]
        for (peer, dialect) in peers {
            if dialect == .v1 { await peer.send(.new) }
            var id: ConnectionID = 0
            if case .open(let opened) = await peer.nextCommand() { id = opened }
            await peer.send(.dial(99, as: id))
            #expect(await peer.heard() == [.said(dialect == .v1 ? .refuse(0, as: id) : .refuse(99, as: 0))])
            #expect(await peer.isOpen)
        }
    }

    @Test(arguments: mixtures)
    func `the other end hears of who leaves`(_ dialects: (client: GatewayDialect, server: GatewayDialect)) async throws
    {
        for clientLeaves in [true, false] {
            let gateway = try await GatewayWorld(loops: 2, client: dialects.client, server: dialects.server)
            let server = await gateway.server(7)
            let client = await gateway.client()
            let id = try await connect(client, to: 7, server, dialects.client, dialects.server, as: 1)
            await (clientLeaves ? client : server).close()
            #expect(await (clientLeaves ? server : client).heard() == [.said(.close(id))])
            await (clientLeaves ? server : client).send("late", on: id)
            #expect(await (clientLeaves ? server : client).heard() == [.said(.close(id))])
        }
    }

    @Test(arguments: [1, 2]) func `an id of v1 that was opened and not dialled is nobody's connection`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops, client: .v1)
        let opener = await gateway.client()
        let other = await gateway.client()
        let servers = [await gateway.server(7), await gateway.server(8)]
        await opener.send(.new)
        #expect(await opener.heard() == [.said(.open(1))])
        for peer in servers + [opener, other] {
            await peer.send("nowhere", on: 1)
            #expect(await peer.heard() == [.said(.close(1))])
            #expect(await peer.isOpen)
        }
        #expect(await gateway.gateway.drain(within: .zero) == 0, "nobody is cut off")
    }

    @Test func `an id of v1 that is not wanted any more is gone`() async throws {
        let gateway = try await GatewayWorld(client: .v1)
        _ = await gateway.server(7)
        let client = await gateway.client()
        await client.send(.new)
        await client.send(.close(1))
        await client.send(.dial(7, as: 1))
        #expect(await client.heard() == [.said(.open(1)), .said(.refuse(0, as: 1))])
    }

    @Test func `a peer of v1 holds a thousand unused ids at most, the newest`() async throws {
        let gateway = try await GatewayWorld(client: .v1)
        _ = await gateway.server(7)
        let client = await gateway.client()
        for _ in 0..<1030 { await client.write(.new) }
        gateway.world.settle()
        _ = await client.heard()
        await client.send(.dial(7, as: 6))
        await client.send(.dial(7, as: 7))
        #expect(await client.heard() == [.said(.refuse(0, as: 6)), .said(.accept(7, 7))])
        await client.close()
        #expect(await gateway.memories() == 1, "only the server is there")
    }
}
