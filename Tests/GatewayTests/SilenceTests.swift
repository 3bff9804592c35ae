import OmniwayGateway
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// Who counts as alive, and for how long.
@Suite struct SilenceTests {
    @Test(arguments: [1, 2]) func `a v2 peer is closed exactly when the limit is over`(_ loops: Int) async throws {
        let gateway = try await GatewayWorld(loops: loops) {
            ($0.clients.idleLimit, $0.servers.idleLimit) = (.seconds(30), .seconds(40))
        }
        let (client, server) = await gateway.pair()
        gateway.world.advance(by: .milliseconds(29_999))
        #expect(await client.isOpen)
        gateway.world.advance(by: .milliseconds(1))
        #expect(await !client.isOpen)
        #expect(await server.heard() == [.said(.close(1))])
        gateway.world.advance(by: .milliseconds(9_999))
        #expect(await server.isOpen)
        gateway.world.advance(by: .milliseconds(1))
        #expect(await !server.isOpen)
        #expect(await gateway.meter("omniway_gateway_closed_total", ("side", "client"), ("reason", "idle")) == 1)
    }

    @Test func `every whole packet begins the limit anew, whatever it is`() async throws {
        let gateway = try await GatewayWorld {
            ($0.clients.idleLimit, $0.servers.idleLimit) = (.seconds(10), .zero)
        }
        let (client, _) = await gateway.pair()
        let packets = [
            client.bytes(of: .ping), client.bytes(of: .dial(99, as: 0)), client.bytes(of: .close(77)),
            TestPeer.frame(1, []), TestPeer.frame(1, [1]), TestPeer.frame(99, []),
        ]
        for packet in packets {
            gateway.world.advance(by: .milliseconds(9_999))
            await client.send(packet)
            #expect(await client.isOpen)
        }
        gateway.world.advance(by: .milliseconds(9_999))
        #expect(await client.isOpen)
        gateway.world.advance(by: .milliseconds(1))
        #expect(await !client.isOpen)
    }

    @Test func `parts of packets do not count, nor what the peer is sent`() async throws {
        let gateway = try await GatewayWorld {
            ($0.clients.idleLimit, $0.servers.idleLimit) = (.seconds(10), .zero)
        }
        let (client, server) = await gateway.pair()
        let frame = TestPeer.frame(1, Array("never whole".utf8))
        for byte in frame.dropLast().prefix(9) {
            gateway.world.advance(by: .seconds(1))
            await client.send([byte])
            await server.send("news", on: 1)
        }
        #expect(await client.isOpen)
        gateway.world.advance(by: .seconds(1))
        #expect(await !client.isOpen)
    }

    @Test func `zero never closes, and nobody wakes for it`() async throws {
        let gateway = try await GatewayWorld { ($0.clients.idleLimit, $0.servers.idleLimit) = (.zero, .zero) }
        let (client, server) = await gateway.pair()
        #expect(gateway.world.loops.allSatisfy { $0.simulatedDeadline == nil })
        gateway.world.advance(by: .seconds(100_000))
        #expect(await client.isOpen)
        #expect(await server.isOpen)
    }

    @Test func `a gateway of v2 never pings by itself, and answers every ping`() async throws {
        let gateway = try await GatewayWorld {
            ($0.clients.idleLimit, $0.servers.idleLimit) = (.seconds(100), .seconds(100))
            ($0.clients.pingInterval, $0.servers.pingInterval) = (.seconds(1), .seconds(1))
        }
        let (client, server) = await gateway.pair()
        gateway.world.advance(by: .seconds(99))
        #expect(await client.heard() == [])
        #expect(await server.heard() == [])
        for _ in 0..<3 { await client.write(.ping) }
        await server.send(.ping)
        #expect(await client.heard() == [.said(.ping), .said(.ping), .said(.ping)])
        #expect(await server.heard() == [.said(.ping)])
    }

    @Test func `a v1 peer is pinged when it is silent, and only a ping answers that`() async throws {
        let gateway = try await GatewayWorld(client: .v1, server: .v1) {
            ($0.clients.pingInterval, $0.servers.pingInterval) = (.seconds(10), .zero)
        }
        _ = await gateway.server(7)
        let client = await gateway.client()
        gateway.world.advance(by: .seconds(6))
        await client.send(.new)
        gateway.world.advance(by: .milliseconds(9_999))
        #expect(await client.heard() == [.said(.open(1))])
        gateway.world.advance(by: .milliseconds(1))
        #expect(await client.heard() == [.said(.ping)])
        gateway.world.advance(by: .milliseconds(9_999))
        await client.send(.ping)
        #expect(await client.heard() == [], "a ping of v1 is not answered")
        gateway.world.advance(by: .milliseconds(9_999))
        #expect(await client.heard() == [])
        gateway.world.advance(by: .milliseconds(1))
        #expect(await client.heard() == [.said(.ping)])
        gateway.world.advance(by: .seconds(9))
        await client.send(.new)
        gateway.world.advance(by: .seconds(1))
        #expect(await !client.isOpen)
        #expect(
            await gateway.meter("omniway_gateway_closed_total", ("side", "client"), ("reason", "ping-timeout")) == 1)
    }

    @Test func `a ping of v1 that nobody asked for is a sign of life`() async throws {
        let gateway = try await GatewayWorld(client: .v1) { $0.clients.pingInterval = .seconds(10) }
        let client = await gateway.client()
        for _ in 0..<5 {
            gateway.world.advance(by: .seconds(9))
            await client.send(.ping)
        }
        #expect(await client.heard() == [])
    }

    @Test(arguments: [1, 2, 3]) func `a v1 client that is held back is not closed for the answer it could not give`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops, client: .v1) {
            ($0.clients.pingInterval, $0.servers.idleLimit, $0.servers.most) = (.seconds(10), .zero, 4 << 20)
        }
        let server = await gateway.server(7)
        let client = await gateway.client()
        await client.send(.new)
        await client.send(.dial(7, as: 1))
        await server.pause()
        gateway.world.advance(by: .seconds(10))
        #expect(await client.heard().last == .said(.ping))
        // The answer stands behind messages that the server does not take.
        let message = TestPeer.frame(1, [UInt8](repeating: 7, count: 60_000))
        for _ in 0..<100 { await client.write(message) }
        await client.send(.ping)
        gateway.world.advance(by: .seconds(100))
        #expect(await client.isOpen)
        await server.resume()
        gateway.world.advance(by: .milliseconds(9_999))
        #expect(await client.heard() == [])
        gateway.world.advance(by: .milliseconds(1))
        #expect(await client.heard() == [.said(.ping)])
        gateway.world.advance(by: .seconds(10))
        #expect(await !client.isOpen, "now it could answer")
    }

    @Test(arguments: [1, 2, 3]) func `a v2 client that was held back has its whole limit again`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops) {
            ($0.clients.idleLimit, $0.servers.idleLimit, $0.servers.most) = (.seconds(10), .zero, 4 << 20)
        }
        let (client, server) = await gateway.pair()
        await server.pause()
        let message = TestPeer.frame(1, [UInt8](repeating: 7, count: 60_000))
        for _ in 0..<100 { await client.send(message) }
        gateway.world.advance(by: .milliseconds(99_999))
        await server.recorder.run { _, recorder in recorder.link?.resumeReading() }
        gateway.world.advance(by: .milliseconds(9_990))
        #expect(await client.isOpen)
        gateway.world.advance(by: .milliseconds(20))
        #expect(await !client.isOpen)
    }
}
