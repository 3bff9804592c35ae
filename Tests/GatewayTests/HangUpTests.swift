import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayGateway

/// How virtual connections end.
@Suite struct HangUpTests {
    @Test(arguments: [1, 2, 3]) func `only an end may close, on whatever loop a stranger is`(_ loops: Int) async throws
    {
        let gateway = try await GatewayWorld(loops: loops)
        let (client, server) = await gateway.pair()
        for index in 0..<loops {
            for stranger in [await gateway.client(), await gateway.server(EndpointID(rawValue: UInt32(20 + index)))] {
                await stranger.send(.close(1))
                #expect(await stranger.heard() == [])
                #expect(await stranger.isOpen)
            }
        }
        await client.send("still here", on: 1)
        #expect(await server.heard() == [.message(1, "still here")])
    }

    @Test(arguments: [1, 2, 3]) func `a message into a connection of others costs its sender the connection`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops)
        let (client, server) = await gateway.pair()
        for index in 0..<loops {
            for stranger in [await gateway.client(), await gateway.server(EndpointID(rawValue: UInt32(20 + index)))] {
                await stranger.send("mine?", on: 1)
                #expect(await !stranger.isOpen)
            }
        }
        await client.send("still here", on: 1)
        #expect(await server.heard() == [.message(1, "still here")])
        #expect(await client.isOpen)
    }

    @Test(arguments: [1, 2, 3]) func `both ends may close at the same time, and each hears it once`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops)
        for round in 0..<loops {
            if round > 0 { _ = await gateway.client() }
            let (client, server) = await gateway.pair(EndpointID(rawValue: UInt32(7 + round)))
            let id = ConnectionID(rawValue: UInt32(round + 1))
            await client.write(.close(id))
            await server.write(.close(id))
            gateway.world.settle()
            #expect(await client.heard() == [.said(.close(id))])
            #expect(await server.heard() == [.said(.close(id))])
            #expect(await gateway.meter("omniway_gateway_connections") == 0)
        }
    }

    @Test(arguments: [1, 2, 3]) func `who sends behind its own close hears a close, and stays`(_ loops: Int)
        async throws
    {
        let gateway = try await GatewayWorld(loops: loops)
        for round in 0..<(2 * loops) {
            if round % 2 == 1 { _ = await gateway.client() }
            let (client, server) = await gateway.pair(EndpointID(rawValue: UInt32(7 + round)))
            let id = ConnectionID(rawValue: UInt32(round + 1))
            let closer = round % 2 == 0 ? server : client
            await closer.write(.close(id))
            await closer.write("from another thread of mine", on: id)
            gateway.world.settle()
            #expect(await closer.heard() == [.said(.close(id)), .said(.close(id))])
            #expect(await closer.isOpen)
        }
    }

    @Test(arguments: [1, 2, 3]) func `messages are delivered before the close that follows them`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops)
        for round in 0..<loops {
            if round > 0 { _ = await gateway.client() }
            let (client, server) = await gateway.pair(EndpointID(rawValue: UInt32(7 + round)))
            let id = ConnectionID(rawValue: UInt32(round + 1))
            for number in 0..<50 { await client.write("\(number)", on: id) }
            await client.leave()
            gateway.world.settle()
            #expect(
                await server.heard() == (0..<50).map { .message(id, "\($0)") } + [.said(.close(id))])
        }
    }

    @Test(arguments: [1, 2, 3]) func `who leaves takes all its connections along, and nothing is remembered`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops) { $0.connectionsPerClient = 0 }
        var servers: [TestPeer] = []
        for name in 0..<3 as Range<UInt32> { servers.append(await gateway.server(EndpointID(rawValue: name))) }
        var clients: [TestPeer] = []
        for _ in 0..<6 { clients.append(await gateway.client()) }
        for client in clients {
            for name in 0..<12 as Range<UInt32> { await client.send(.dial(EndpointID(rawValue: name % 3), as: 0)) }
        }
        #expect(await gateway.meter("omniway_gateway_connections") == 72)
        await servers[1].close()
        for client in clients {
            let closes = await client.heard().filter { if case .said(.close) = $0 { true } else { false } }
            #expect(closes.count == 4)
        }
        for client in clients.dropFirst() { await client.close() }
        #expect(await gateway.meter("omniway_gateway_connections") == 8)
        for peer in [clients[0], servers[0], servers[2]] { await peer.close() }
        #expect(await gateway.memories() == 0)
        #expect(await gateway.meter("omniway_gateway_connections") == 0)
        #expect(await gateway.meter("omniway_gateway_peers", ("side", "client")) == 0)
        #expect(await gateway.meter("omniway_gateway_peers", ("side", "server")) == 0)
    }

    @Test(arguments: [1, 2]) func `whoever does not go by itself is closed when the gateway has drained`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops)
        let (client, server) = await gateway.pair()
        let silent = await TestPeer(dials: gateway.servers, in: gateway.world, .v2)
        #expect(await gateway.gateway.drain(within: .zero) == 1)
        gateway.world.settle()
        for peer in [client, server, silent] { #expect(await !peer.isOpen) }
        #expect(await gateway.memories() == 0)
    }

    @Test(arguments: [1, 2]) func `draining refuses dials and waits until the last connection is gone`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops)
        let (client, server) = await gateway.pair()
        let core = gateway.gateway
        async let cutOff = core.drain(within: .seconds(60))
        while !core.directory.isDraining { await Task.yield() }
        await client.send(.dial(7, as: 0))
        await client.send("still served", on: 1)
        #expect(await client.heard() == [.said(.refuse(7, as: 0))])
        #expect(await server.heard() == [.message(1, "still served")])
        gateway.world.advance(by: .seconds(20))
        #expect(await client.isOpen)
        await client.send(.close(1))
        #expect(await client.heard() == [.said(.close(1))])
        gateway.world.advance(by: .seconds(1))
        #expect(await cutOff == 0)
        gateway.world.settle()
        #expect(await !client.isOpen)
        #expect(await !server.isOpen)
    }

    @Test func `draining takes no longer than it may`() async throws {
        let gateway = try await GatewayWorld(loops: 2) {
            ($0.clients.idleLimit, $0.servers.idleLimit) = (.zero, .zero)
        }
        let (client, _) = await gateway.pair()
        let core = gateway.gateway
        async let cutOff = core.drain(within: .seconds(60))
        while !core.directory.isDraining { await Task.yield() }
        gateway.world.advance(by: .seconds(61))
        #expect(await cutOff == 1)
        gateway.world.settle()
        #expect(await !client.isOpen)
    }
}
