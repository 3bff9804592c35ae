import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayGateway

/// Who waits for whom, and that it is always counted back.
@Suite struct HoldingTests {
    private static let big = TestPeer.frame(1, [UInt8](repeating: 0x7a, count: 60_000))

    @Test(arguments: [1, 2, 3])
    func `a flood of tiny messages holds the client back, and costs no server its connection`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops) {
            ($0.servers.mostMessages, $0.clients.idleLimit, $0.servers.idleLimit) = (1000, .zero, .zero)
        }
        let (client, server) = await gateway.pair()
        await server.pause()
        let flood = (0..<1000).flatMap { TestPeer.frame(1, [UInt8($0 & 255)]) }
        for _ in 0..<100 { await client.send(flood) }
        #expect(await server.isOpen)
        #expect(await gateway.meter("omniway_gateway_held_back_total") > 0)
        await server.resume()
        let heard = await server.read(100 * flood.count + 1)
        #expect(heard.count == 100 * flood.count)
        let isWhole = heard.elementsEqual((0..<100).lazy.flatMap { _ in flood })
        #expect(isWhole)  // Without a picture of the difference, which takes minutes.
    }

    @Test(arguments: [1, 2, 3]) func `dials and closes without end do not fill a server that takes no more`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops) {
            ($0.servers.mostMessages, $0.clients.idleLimit, $0.servers.idleLimit) = (1000, .zero, .zero)
        }
        let server = await gateway.server(7)
        let other = await gateway.server(8)
        let client = await gateway.client()
        await server.pause()
        for id in 1...4000 as ClosedRange<UInt32> {
            await client.write(.dial(7, as: 0))
            await client.write(.close(ConnectionID(rawValue: id)))
            if id % 100 == 0 { gateway.world.settle() }
        }
        #expect(await server.isOpen)
        #expect(await other.isOpen)
        await server.resume()
        let heard = await server.heard()
        #expect(heard.count == 8000)
        #expect(heard.last == .said(.close(4000)))
        #expect(await client.heard().count == 8000)
    }

    @Test(arguments: [1, 2, 3]) func `servers that are full, empty and full again lose nobody who waits`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops) {
            $0.servers.most = 2 << 20
            $0.maxPacketSize = 100_000
        }
        let server = await gateway.server(7)
        var clients: [TestPeer] = []
        for _ in 0..<9 { clients.append(await gateway.client()) }
        for client in clients { await client.send(.dial(7, as: 0)) }
        var expected: [ConnectionID: Int] = [:]
        for round in 0..<12 {
            await server.pause()
            for (index, client) in clients.enumerated() {
                let id = ConnectionID(rawValue: UInt32(index + 1))
                for _ in 0..<8 { await client.write(TestPeer.frame(id, [UInt8](repeating: 1, count: 50_000))) }
                expected[id, default: 0] += 8
            }
            gateway.world.settle()
            if round == 5 { await clients[4].leave() }  // Somebody who waits goes.
            // Read a little, so that it becomes writable and full again in quick succession.
            for _ in 0..<round {
                await server.recorder.run { _, recorder in recorder.link?.resumeReading() }
                for loop in gateway.world.loops { _ = loop.simulateTurn() }
                await server.pause()
            }
            await server.resume()
        }
        gateway.world.advance(by: .seconds(1))
        #expect(await server.isOpen)
        var counts: [ConnectionID: Int] = [:]
        for case .message(let id, let text) in await server.heard() where text.utf8.count == 50_000 {
            counts[id, default: 0] += 1
        }
        for (id, count) in expected where id != 5 { #expect(counts[id] == count, "\(id)") }
        for peer in clients + [server] { await peer.close() }
        #expect(await gateway.memories() == 0)
    }

    @Test(arguments: [1, 2]) func `those who leave while they wait are not remembered for ever`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops) {
            ($0.servers.most, $0.servers.idleLimit, $0.maxPacketSize) = (2 << 20, .zero, 100_000)
        }
        let server = await gateway.server(7)
        await server.pause()
        for round in 0..<1000 as Range<UInt32> {
            let client = await gateway.client()
            await client.write(.dial(7, as: 0))
            gateway.world.settle()
            let id = ConnectionID(rawValue: round + 1)
            let message = TestPeer.frame(id, [UInt8](repeating: 1, count: 60_000))
            for _ in 0..<(round < 60 ? 20 : 1) { await client.write(message) }
            gateway.world.settle()
            await client.recorder.run { _, recorder in recorder.link?.close(.reset) }
            gateway.world.settle()
        }
        var waiting = 0
        for shard in gateway.gateway.shards { waiting += await shard.run { _, shard in shard.waitingCount } }
        #expect(waiting < 200)
        #expect(await server.isOpen)
    }

    @Test(arguments: [1, 2]) func `a burst of bytes that the connection takes is no overload`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops) {
            ($0.clients.most, $0.maxPacketSize) = (200_000, 70_000)
        }
        let (client, server) = await gateway.pair()
        // More than may wait, in one turn; a pipe takes as much at once.
        await server.send(Self.big + Self.big + Self.big + Self.big)
        #expect(await client.isOpen)
        #expect(await client.heard().count == 4)
    }

    @Test func `a packet as large as allowed is never too much for a queue by itself`() async throws {
        let gateway = try await GatewayWorld {
            $0.maxPacketSize = 900_000
            ($0.clients.most, $0.servers.most) = (1000, 1000)
        }
        let (client, server) = await gateway.pair()
        let packet = TestPeer.frame(1, [UInt8](repeating: 3, count: 899_000))
        await client.send(packet)
        await server.send(packet)
        #expect(await server.next() == packet)
        #expect(await client.next() == packet)
    }

    @Test func `limits beyond what a queue can hold are taken as the largest`() {
        var settings = GatewaySettings()
        settings.servers.most = .max
        let limits = settings.servers.queue(.server, maxPacketSize: .max / 4)
        #expect(limits.most == QueueLimits.largest)
        #expect(limits.unread == QueueLimits.largest / 4)
    }

    // MARK: Nothing stays

    private final class Watched {
        weak var first: AnyObject?
        weak var second: AnyObject?
        weak var third: AnyObject?
    }

    @Test func `peers that have left are freed, in whatever state they were`() async throws {
        let gateway = try await GatewayWorld()
        let (client, server) = await gateway.pair()
        let newcomer = await TestPeer(dials: gateway.servers, in: gateway.world, .v2)
        let watched = await gateway.world.first.own { loop in
            let watched = Watched()
            loop.forEachLink { link in
                if let peer = link.handler as? GatewayPeer {
                    if peer.side == .client { watched.first = peer } else { watched.second = peer }
                } else if let login = link.handler as? ServerLogin {
                    watched.third = login
                }
            }
            return watched
        }
        let before = await watched.run { _, watched in
            [watched.first, watched.second, watched.third].allSatisfy { $0 != nil }
        }
        #expect(before)
        for peer in [client, server, newcomer] { await peer.close() }
        gateway.world.advance(by: .seconds(60))
        let after = await watched.run { _, watched in
            [watched.first, watched.second, watched.third].allSatisfy { $0 == nil }
        }
        #expect(after)
    }
}
