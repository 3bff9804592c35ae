import OmniwayTesting
@testable import OmniwayTransport
import Testing

@Suite struct MessageFramingTests {
    let world = SimulatedWorld()

    private func open(over dialer: (InProcess) -> any Dialer = { $0 }) async throws
        -> (client: LoopBound<Recorder>, server: LoopBound<RecordingIntake>)
    {
        let stream = InProcess()
        let server = await world.first.own { _ in RecordingIntake() }
        _ = try await MessageFraming().over(stream).open(into: [server])
        let framed = Self.frame(dialer(stream))
        let client = await world.first.own { _ in Recorder() }
        await client.run { loop, client in _ = framed.dial(on: loop, deadline: .seconds(5), handler: client) }
        world.advance(by: .seconds(1))
        return (client, server)
    }

    private static func frame(_ dialer: some Dialer) -> any Dialer { MessageFraming().over(dialer) }

    @Test(arguments: 1...30) func `messages survive a stream that cuts them anywhere`(_ seed: UInt64) async throws {
        var faults = SeededNetwork.Faults()
        faults.piece = 1...3
        let network = SeededNetwork(seed: seed, faults: faults)
        let (client, server) = try await open { network.over($0) }
        let messages = ["", "a", String(repeating: "b", count: 300), "last"]
        await client.run { _, client in for message in messages { client.link?.write(message) } }
        world.advance(by: .seconds(60))
        await server.run { _, server in
            #expect(server.recorders.first?.texts == messages, "seed \(seed)")
            server.recorders.first?.link?.write("thanks")
        }
        world.advance(by: .seconds(60))
        await client.run { _, client in #expect(client.texts == ["thanks"]) }
    }

    @Test func `a message that does not fit the length ends the link with the reason`() async throws {
        let (client, server) = try await open()
        await client.run { _, client in
            client.link?.write([UInt8](repeating: 1, count: 65_535))
            client.link?.write([UInt8](repeating: 1, count: 65_536))
        }
        world.settle()
        await client.run { _, client in #expect(client.closeReason == .messageTooLarge) }
        await server.run { _, server in #expect(server.recorders.first?.closeReason == .reset) }
    }

    @Test func `pausing one message link stops it between messages`() async throws {
        let (client, server) = try await open()
        await server.run { _, server in
            server.recorders.first?.then = { event, link in if event == .message([1]) { link.pauseReading() } }
        }
        await client.run { _, client in for byte in [UInt8](1...3) { client.link?.write([byte]) } }
        world.settle()
        await server.run { _, server in
            #expect(server.recorders.first?.messages == [[1]])
            server.recorders.first?.link?.resumeReading()
        }
        world.settle()
        await server.run { _, server in #expect(server.recorders.first?.messages == [[1], [2], [3]]) }
    }

    @Test(arguments: [false, true]) func `a message that is cut off is told from an end`(
        _ hasFinished: Bool
    ) async throws {
        let (client, server) = try await open()
        await server.run { _, server in if hasFinished { server.recorders.first?.link?.finish() } }
        world.settle()
        await client.run { _, client in
            let carrier = (client.link?.driver as? LayerDriver)?.carrier
            carrier?.write([0, 5, 1, 2, 3])
            carrier?.finish()
        }
        world.settle()
        await server.run { _, server in #expect(server.recorders.first?.closeReason == .truncated) }
    }
}
