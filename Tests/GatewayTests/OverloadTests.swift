import OmniwayGateway
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// What happens to whoever does not read, and to the others.
@Suite struct OverloadTests {
    private static let big = [UInt8](repeating: 0x7a, count: 60_000)

    /// A client that is connected to server 7, and does not read.
    private func deafClient(_ gateway: GatewayWorld) async throws -> (TestPeer, server: TestPeer) {
        let server = await gateway.server(7)
        let client = await gateway.client()
        await client.send(.dial(7, as: 0))
        #expect(await server.nextCommand() == .connect(1, 1))
        await client.recorder.run { _, recorder in recorder.link?.pauseReading() }
        return (client, server)
    }

    @Test(arguments: [1, 2])
    func `a client that does not read is closed at its limit, and its server is told`(_ loops: Int) async throws {
        let gateway = try await GatewayWorld(loops: loops) {
            ($0.clients.most, $0.maxPacketSize) = (300_000, 70_000)
        }
        let (client, server) = try await deafClient(gateway)
        var sent = 0
        while await gateway.meter("omniway_gateway_peers", ("side", "client")) > 0, sent < 100 {
            await server.send(TestPeer.frame(1, Self.big))
            sent += 1
        }
        #expect((6..<20).contains(sent))
        #expect(await server.nextCommand() == .close(1))
        #expect(await server.isOpen)
        #expect(
            await gateway.meter("omniway_gateway_closed_total", ("side", "client"), ("reason", "slow-reader")) == 1)
        _ = client
    }

    @Test func `so is one for which more messages wait than may`() async throws {
        let gateway = try await GatewayWorld { $0.clients.mostMessages = 16 }
        let (_, server) = try await deafClient(gateway)
        await server.send(TestPeer.frame(1, Self.big))
        await server.send(TestPeer.frame(1, Self.big))  // The connection takes no more.
        for _ in 0..<15 { await server.send("x", on: 1) }
        #expect(await gateway.meter("omniway_gateway_peers", ("side", "client")) == 1)
        for _ in 0..<5 { await server.send("x", on: 1) }
        #expect(await gateway.meter("omniway_gateway_peers", ("side", "client")) == 0)
        #expect(await server.nextCommand() == .close(1))
    }

    @Test func `a burst within one turn is no overload`() async throws {
        let gateway = try await GatewayWorld { $0.clients.mostMessages = 16 }
        let server = await gateway.server(7)
        let client = await gateway.client()
        await client.send(.dial(7, as: 0))
        _ = await (client.next(), server.next())
        await server.send((0..<1000).flatMap { TestPeer.frame(1, [UInt8($0 & 255)]) })
        for number in 0..<1000 { #expect(await client.next() == TestPeer.frame(1, [UInt8(number & 255)])) }
    }

    @Test(arguments: [1, 2, 3])
    func `a server that does not read holds up its own clients, and nobody else`(_ loops: Int) async throws {
        let gateway = try await GatewayWorld(loops: loops) { $0.servers.most = 4 << 20 }
        let slow = await gateway.server(7)
        let quick = await gateway.server(8)
        let feeder = await gateway.client()
        let other = await gateway.client()
        await feeder.send(.dial(7, as: 0))
        await other.send(.dial(8, as: 0))
        await slow.recorder.run { _, recorder in recorder.link?.pauseReading() }
        let sent = 200
        for _ in 0..<sent { await feeder.send(TestPeer.frame(1, Self.big)) }
        #expect(await gateway.meter("omniway_gateway_held_back_total") > 0)
        #expect(await slow.isOpen)

        await other.send("still quick", on: 2)
        _ = await quick.next()
        #expect(await quick.nextText() == "still quick")

        await slow.recorder.run { _, recorder in recorder.link?.resumeReading() }
        gateway.world.settle()
        _ = await slow.next()
        for _ in 0..<sent { #expect(await slow.next() == TestPeer.frame(1, Self.big)) }
        await slow.send("and back", on: 1)
        _ = await feeder.next()
        #expect(await feeder.nextText() == "and back")
    }

    @Test(arguments: [1, 2]) func `who waits for a server is let go when it leaves`(_ loops: Int) async throws {
        let gateway = try await GatewayWorld(loops: loops) { $0.servers.most = 4 << 20 }
        let slow = await gateway.server(7)
        let feeder = await gateway.client()
        await feeder.send(.dial(7, as: 0))
        await slow.recorder.run { _, recorder in recorder.link?.pauseReading() }
        for _ in 0..<100 { await feeder.send(TestPeer.frame(1, Self.big)) }
        await slow.close()
        await feeder.send(.ping)
        var commands: [GatewayCommand] = []
        while let command = await feeder.nextCommand() { commands.append(command) }
        #expect(commands.first == .accept(1, 7))
        #expect(commands.dropFirst().first == .close(1))
        #expect(commands.last == .ping)
    }

    @Test func `a client that is held back is not closed for its silence`() async throws {
        let gateway = try await GatewayWorld {
            $0.servers.most = 4 << 20
            $0.servers.idleLimit = .zero
        }
        let slow = await gateway.server(7)
        let feeder = await gateway.client()
        await feeder.send(.dial(7, as: 0))
        await slow.recorder.run { _, recorder in recorder.link?.pauseReading() }
        for _ in 0..<100 { await feeder.send(TestPeer.frame(1, Self.big)) }
        gateway.world.advance(by: .seconds(120))
        #expect(await feeder.isOpen)
    }
}
