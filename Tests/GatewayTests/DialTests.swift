import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayGateway

@Suite struct DialTests {
    // MARK: Ids

    @Test(arguments: [1, 2]) func `ids go round without zero and without those in use`(_ loops: Int) async throws {
        let gateway = try await GatewayWorld(loops: loops, lastConnection: .max - 1)
        let (client, server) = await gateway.pair()
        await client.send("last", on: ConnectionID(rawValue: .max))
        #expect(await server.heard() == [.message(ConnectionID(rawValue: .max), "last")])
        await client.send(.dial(7, as: 0))
        #expect(await client.heard() == [.said(.accept(1, 7))])
    }

    @Test func `ids that are in use are passed over`() {
        let directory = GatewayDirectory(lastConnection: .max - 2)
        #expect(directory.newConnection() == ConnectionID(rawValue: .max - 1))
        #expect(directory.newConnection() == ConnectionID(rawValue: .max))
        let first = directory.newConnection()
        #expect(first == 1)
        directory.release(first)
        let around = GatewayDirectory(lastConnection: 0)
        for _ in 0..<5 { _ = around.newConnection() }
        around.release(3)
        let again = GatewayDirectory(lastConnection: .max - 1)
        #expect(again.newConnection() == ConnectionID(rawValue: .max))
        #expect(again.newConnection() == 1)
        #expect(directory.newConnection() == 2)
    }

    @Test func `a refused dial uses up an id only if the remote end was there`() async throws {
        let gateway = try await GatewayWorld { $0.connectionsPerClient = 1 }
        let (client, _) = await gateway.pair()
        await client.send(.dial(99, as: 0))
        await client.send(.dial(7, as: 0))
        await client.send(.close(1))
        await client.send(.dial(7, as: 0))
        #expect(
            await client.heard() == [
                .said(.refuse(99, as: 0)), .said(.refuse(7, as: 0)), .said(.close(1)), .said(.accept(3, 7)),
            ])
    }

    // MARK: Races

    @Test(arguments: [2, 3]) func `a dial that crosses the other end's going ends in a refusal or a close`(
        _ loops: Int
    ) async throws {
        for serverDials in [true, false] {
            let gateway = try await GatewayWorld(loops: loops)
            // Every pair of loops once.
            for round in 0..<(loops * loops) {
                let name = EndpointID(rawValue: UInt32(100 + round))
                if round % loops == 0, round > 0 { await gateway.client().close() }
                let client = await gateway.client()
                let own = EndpointID(rawValue: UInt32(1 + round + round / loops))
                let server = await gateway.server(name)
                if serverDials {
                    await client.leave()
                    await server.write(.dial(own, as: 0))
                } else {
                    await server.leave()
                    await client.write(.dial(name, as: 0))
                }
                gateway.world.settle()
                let survivor = serverDials ? server : client
                let remote = serverDials ? own : name
                let heard = await survivor.heard()
                if heard != [.said(.refuse(remote, as: 0))] {
                    guard case .said(.accept(let id, remote)) = heard.first else {
                        Issue.record("\(heard)")
                        continue
                    }
                    #expect(heard.dropFirst() == [.said(.close(id))])
                }
                await survivor.close()
                #expect(await gateway.memories() == 0, "round \(round), the server dials: \(serverDials)")
                #expect(await gateway.meter("omniway_gateway_connections") == 0)
            }
        }
    }

    @Test(arguments: [1, 2, 3]) func `answers come in the order of the dials`(_ loops: Int) async throws {
        let gateway = try await GatewayWorld(loops: loops)
        for name in 1...3 as ClosedRange<UInt32> { _ = await gateway.server(EndpointID(rawValue: name)) }
        let client = await gateway.client()
        for name in [3, 9, 1, 8, 2, 1] as [EndpointID] { await client.write(.dial(name, as: 0)) }
        gateway.world.settle()
        #expect(
            await client.heard() == [
                .said(.accept(1, 3)), .said(.refuse(9, as: 0)), .said(.accept(2, 1)), .said(.refuse(8, as: 0)),
                .said(.accept(3, 2)), .said(.accept(4, 1)),
            ])
    }

    @Test(arguments: [1, 2]) func `messages right behind the dial of v1 arrive behind the news of it`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops, client: .v1)
        for name in [7, 8] as [EndpointID] {
            let server = await gateway.server(name)
            let client = await gateway.client()
            await client.send(.new)
            guard case .said(.open(let id)) = await client.heard().first else {
                Issue.record("no id")
                return
            }
            await client.write(.dial(name, as: id))
            await client.write("at once", on: id)
            await client.write(.close(id))
            gateway.world.settle()
            let own = EndpointID(rawValue: name == 7 ? 1 : 2)
            #expect(
                await server.heard() == [.said(.connect(id, own)), .message(id, "at once"), .said(.close(id))])
        }
    }

    // MARK: The limit of a client

    @Test(arguments: [1, 2], [0, 1, 2])
    func `the limit refuses a client's own dials, and counts those of servers`(_ loops: Int, _ most: Int) async throws {
        let gateway = try await GatewayWorld(loops: loops) { $0.connectionsPerClient = most }
        let server = await gateway.server(7)
        let client = await gateway.client()
        let other = await gateway.client()
        await server.send(.dial(1, as: 0))
        #expect(await client.heard() == [.said(.connect(1, 7))])
        await client.send(.dial(7, as: 0))
        #expect(await client.heard() == [.said(most == 1 ? .refuse(7, as: 0) : .accept(2, 7))])
        await server.send(.dial(1, as: 0))  // A server may go beyond it.
        #expect(await client.heard() == [.said(.connect(3, 7))])
        await client.send(.dial(7, as: 0))
        #expect(await client.heard() == [.said(most > 0 ? .refuse(7, as: 0) : .accept(4, 7))])
        await other.send(.dial(7, as: 0))
        #expect(await other.heard() == [.said(.accept(5, 7))], "each client is counted alone")

        for id in [1, 2, 3, 4] as [ConnectionID] { await client.send(.close(id)) }
        _ = await client.heard()
        await client.send(.dial(7, as: 0))
        #expect(await client.heard() == [.said(.accept(6, 7))], "what was closed counts no more")
    }

    @Test func `a refused id of v1 may dial again`() async throws {
        let gateway = try await GatewayWorld(client: .v1) { $0.connectionsPerClient = 1 }
        _ = await gateway.server(7)
        let client = await gateway.client()
        for _ in 0..<2 { await client.send(.new) }
        await client.send(.dial(7, as: 1))
        await client.send(.dial(7, as: 2))
        await client.send(.close(1))
        await client.send(.dial(7, as: 2))
        #expect(
            await client.heard().dropFirst(2) == [
                .said(.accept(1, 7)), .said(.refuse(0, as: 2)), .said(.close(1)), .said(.accept(2, 7)),
            ])
    }

    // MARK: Servers with one id

    @Test(arguments: [1, 2, 3]) func `the newest server gets the dials, and the one before it when it leaves`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops)
        let servers = [await gateway.server(7), await gateway.server(7), await gateway.server(7)]
        let client = await gateway.client()
        func expectDial(_ id: ConnectionID, reaches expected: Int) async {
            await client.send(.dial(7, as: 0))
            for index in servers.indices {
                #expect(await servers[index].heard() == (index == expected ? [.said(.connect(id, 1))] : []))
            }
            #expect(await client.heard().first == .said(.accept(id, 7)))
        }
        await expectDial(1, reaches: 2)
        await servers[1].close()
        await expectDial(2, reaches: 2)
        await servers[2].close()
        #expect(await client.heard() == [.said(.close(1)), .said(.close(2))])
        await expectDial(3, reaches: 0)
        // Whoever was replaced may still dial.
        await servers[0].send(.dial(1, as: 0))
        #expect(await servers[0].heard() == [.said(.accept(4, 1))])
        await servers[0].close()
        _ = await client.heard()
        await client.send(.dial(7, as: 0))
        #expect(await client.heard() == [.said(.refuse(7, as: 0))])
    }

    @Test(arguments: [1, 2]) func `with reject, the first server keeps its id`(_ loops: Int) async throws {
        let gateway = try await GatewayWorld(loops: loops) { $0.duplicateServers = .reject }
        let first = await gateway.server(7)
        let second = await gateway.server(7)
        #expect(await first.isOpen)
        #expect(await !second.isOpen)
        #expect(
            await gateway.meter("omniway_gateway_closed_total", ("side", "server"), ("reason", "duplicate-server")) == 1
        )
        await first.close()
        let third = await gateway.server(7)
        #expect(await third.isOpen)
        await third.close()
        #expect(await gateway.memories() == 0)
    }

    @Test func `zero is an id like others for a server`() async throws {
        let gateway = try await GatewayWorld()
        let (client, server) = await gateway.pair(0)
        await client.send("hi", on: 1)
        #expect(await server.heard() == [.message(1, "hi")])
    }
}
