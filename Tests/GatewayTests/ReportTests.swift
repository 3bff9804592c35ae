import OmniwayGateway
import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct ReportTests {
    @Test(arguments: [1, 3]) func `a report says who is there and what they moved`(_ loops: Int) async throws {
        let gateway = try await GatewayWorld(loops: loops)
        let server = await gateway.server(7)
        let clients = [await gateway.client(), await gateway.client(), await gateway.client()]
        for client in clients { await client.send(.dial(7, as: 0)) }
        for (index, client) in clients.enumerated() {
            let id = ConnectionID(rawValue: UInt32(index + 1))
            await client.send(String(repeating: "x", count: 10 * (index + 1)), on: id)
            await server.send("answer", on: id)
        }
        gateway.world.advance(by: .seconds(3))

        let report = await gateway.gateway.report(topClients: 2)
        #expect(report.clients == 3)
        #expect(report.connections == 3)
        #expect(report.silentLoops.isEmpty)
        #expect(report.topClients.map(\.id) == [3, 2])
        let top = try #require(report.topClients.first)
        #expect(top.sent.frames == 2)
        #expect(top.sent.bytes == 13 + 38)
        #expect(top.received.frames == 1)
        #expect(top.received.bytes == 14)
        #expect(top.connections == 1)
        #expect(top.silence == .seconds(3))
        #expect(top.queued == 0)
        let only = try #require(report.servers.first)
        #expect(report.servers.count == 1)
        #expect(only.id == 7)
        #expect(only.received.frames == 3)
        #expect(only.received.bytes == 18 + 28 + 38)
        #expect(only.mostQueued == 0)  // It took everything at once.
        #expect(!only.isHeldBack)
    }

    @Test func `what ended connections have brought still counts`() async throws {
        let gateway = try await GatewayWorld()
        let server = await gateway.server(7)
        let client = await gateway.client()
        await client.send(.dial(7, as: 0))
        await client.send("hello", on: 1)
        await client.send(.close(1))
        let report = await gateway.gateway.report()
        #expect(report.servers.first?.received.bytes == 13)
        #expect(report.connections == 0)
        _ = server
    }

    @Test func `dials and ends are counted by their reasons`() async throws {
        let gateway = try await GatewayWorld { $0.connectionsPerClient = 1 }
        let server = await gateway.server(7)
        let client = await gateway.client()
        await client.send(.dial(9, as: 0))
        await client.send(.dial(7, as: 0))
        await client.send(.dial(7, as: 0))
        #expect(await gateway.meter("omniway_gateway_peers", ("side", "client")) == 1)
        #expect(await gateway.meter("omniway_gateway_connections") == 1)
        let refused = "omniway_gateway_refused_dials_total"
        #expect(await gateway.meter(refused, ("side", "client"), ("reason", "unknown-remote")) == 1)
        #expect(await gateway.meter(refused, ("side", "client"), ("reason", "too-many-connections")) == 1)
        #expect(await gateway.meter("omniway_gateway_frames_total", ("side", "client")) == 3)
        #expect(await gateway.meter("omniway_gateway_bytes_total", ("side", "client")) == 39)
        await client.send([0, 0, 0, 0])
        #expect(await gateway.meter("omniway_gateway_peers", ("side", "client")) == 0)
        #expect(await gateway.meter("omniway_gateway_connections") == 0)
        let closed = "omniway_gateway_closed_total"
        #expect(await gateway.meter(closed, ("side", "client"), ("reason", "protocol-error")) == 1)
        _ = server
    }
}
