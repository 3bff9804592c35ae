import OmniwayGateway
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// What peers may send, and what costs them the connection.
@Suite struct InputTests {
    @Test(arguments: [1, 2]) func `a packet of exactly the limit is passed on, a larger one is not waited for`(
        _ loops: Int
    ) async throws {
        let gateway = try await GatewayWorld(loops: loops) { $0.maxPacketSize = 100_000 }
        let (client, server) = await gateway.pair()
        let most = TestPeer.frame(1, (0..<99_996).map { UInt8(truncatingIfNeeded: $0) })
        await client.send(most)
        await server.send(most)
        #expect(await server.next() == most)
        #expect(await client.next() == most)
        // Its header is enough to know.
        await client.send(Array(TestPeer.frame(1, [UInt8](repeating: 0, count: 99_997)).prefix(4)))
        #expect(await !client.isOpen)
        #expect(await server.heard() == [.said(.close(1))])
        #expect(
            await gateway.meter("omniway_gateway_closed_total", ("side", "client"), ("reason", "protocol-error")) == 1)
    }

    @Test(arguments: [20, 100_000]) func `a packet that was cut may be followed by others at once`(
        _ most: Int
    ) async throws {
        let gateway = try await GatewayWorld { $0.maxPacketSize = most }
        let (client, server) = await gateway.pair()
        let packet = TestPeer.frame(1, [UInt8](repeating: 1, count: most - 4))
        for cut in [1, 4, 9, packet.count - 1] {
            await client.send(Array(packet[..<cut]))
            await client.send(Array(packet[cut...]) + packet + packet)
            for _ in 0..<3 { #expect(await server.next() == packet) }
        }
        #expect(await client.isOpen)
    }

    @Test(arguments: [GatewayDialect.v1, .v2], [GatewaySide.client, .server])
    func `what is no frame, or no command of a peer, costs its sender the connection`(
        _ dialect: GatewayDialect, _ side: GatewaySide
    ) async throws {
        let gateway = try await GatewayWorld(loops: 2, client: dialect, server: dialect)
        let witness = await gateway.client()
        let wrongTypes: [UInt8] = dialect == .v1 ? [1, 3, 4, 7, 8, 255] : [1, 2, 3, 6, 7, 255]
        var bad: [[UInt8]] = [[0, 0, 0, 0], [3, 0, 0, 0], [4, 0, 0, 0, 0, 0, 0, 0], [255, 255, 255, 255]]
        bad += wrongTypes.map { [13, 0, 0, 0, 0, 0, 0, 0, $0, 1, 0, 0, 0, 1, 0, 0, 0] }
        let short: [(UInt8, Int)] = dialect == .v1 ? [(2, 7), (5, 3)] : [(0, 3), (4, 3)]
        for (type, most) in short {
            for count in 0...most {
                bad.append([UInt8(5 + count), 0, 0, 0, 0, 0, 0, 0, type] + [UInt8](repeating: 1, count: count))
            }
        }
        for bytes in bad {
            let peer = side == .client ? await gateway.client() : await gateway.server(7)
            await peer.send(peer.bytes(of: .ping) + bytes + peer.bytes(of: .ping))
            #expect(await !peer.isOpen, "\(bytes)")
        }
        #expect(
            await gateway.meter("omniway_gateway_closed_total", ("side", side.rawValue), ("reason", "protocol-error"))
                == Double(bad.count))
        #expect(await witness.isOpen)
    }

    @Test func `surplus bytes behind a command mean nothing`() async throws {
        let gateway = try await GatewayWorld()
        let (client, _) = await gateway.pair()
        for command in [GatewayCommand.ping, .dial(99, as: 0), .close(1)] {
            var bytes = client.bytes(of: command) + [1, 2, 3, 4, 5, 6, 7, 8, 9]
            bytes[0] += 9
            await client.send(bytes)
        }
        #expect(await client.heard() == [.said(.ping), .said(.refuse(99, as: 0)), .said(.close(1))])
    }

    @Test(arguments: [GatewayDialect.v1, .v2], [1, 2])
    func `frames cut at every byte are the same frames`(_ dialect: GatewayDialect, _ loops: Int) async throws {
        var expected: ([TestPeer.Heard], [TestPeer.Heard])?
        for cut in 0..<200 {
            let gateway = try await GatewayWorld(loops: loops, client: dialect)
            let server = await gateway.server(7)
            let client = await gateway.client()
            var bytes: [UInt8] = []
            if dialect == .v1 { bytes += client.bytes(of: .new) }
            bytes += client.bytes(of: .dial(7, as: 1)) + TestPeer.frame(1, []) + TestPeer.frame(1, [104, 105])
            bytes += client.bytes(of: .ping) + client.bytes(of: .dial(99, as: 1)) + TestPeer.frame(77, [1])
            bytes += client.bytes(of: .close(55)) + client.bytes(of: .close(1)) + TestPeer.frame(1, [1])
            if cut > bytes.count { break }
            await client.send(Array(bytes[..<cut]))
            await client.send(Array(bytes[cut...]))
            let heard = (await client.heard(), await server.heard())
            #expect(heard.1 == [.said(.connect(1, 1)), .message(1, ""), .message(1, "hi"), .said(.close(1))])
            if let expected { #expect(expected == heard, "cut at \(cut)") }
            expected = expected ?? heard
        }
        #expect(expected?.0.last == .said(.close(1)))
    }

    @Test(arguments: [1, 2]) func `a peer that is closed is not obeyed any more`(_ loops: Int) async throws {
        let gateway = try await GatewayWorld(loops: loops)
        let (client, server) = await gateway.pair()
        await client.send(
            TestPeer.frame(1, [97]) + [0, 0, 0, 0] + TestPeer.frame(1, [98]) + client.bytes(of: .dial(7, as: 0)))
        #expect(await server.heard() == [.message(1, "a"), .said(.close(1))])
        #expect(await gateway.meter("omniway_gateway_connections") == 0)
    }
}
