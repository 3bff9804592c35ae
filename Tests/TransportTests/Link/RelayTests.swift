import OmniwayTesting
import OmniwayTransport
import Testing

/// Joins every link it accepts with one that it dials.
private final class RelayIntake: LinkIntake, RelayOwner {
    private let dialer: any Dialer
    private(set) var ended: [CloseReason] = []
    private(set) var bytes: (UInt64, UInt64) = (0, 0)
    init(to dialer: any Dialer) { self.dialer = dialer }

    func accept(_ link: Link) -> (any LinkHandler)? {
        guard let onward = dialer.dial(on: link.loop, deadline: .seconds(5), handler: Recorder()) else { return nil }
        do {
            try Relay(link, onward, owner: self)
        } catch {
            Issue.record(error)
        }
        return link.handler
    }

    func relayEnded(_ relay: Relay, _ reason: CloseReason) {
        ended.append(reason)
        bytes = (relay.bytesFromA, relay.bytesFromB)
    }
}

@Suite struct RelayTests {
    let world: SimulatedWorld
    let near = InProcess(queue: QueueLimits(low: 1000, high: 4000, most: QueueLimits.largest))
    let far = InProcess(queue: QueueLimits(low: 1000, high: 4000, most: QueueLimits.largest))

    init() { world = SimulatedWorld(loops: 2) }

    /// A client on loop 0, a relay on loop 1 and a server on loop 0.
    private func makeRelay(
        through dialer: (any Dialer)? = nil
    ) async throws -> (client: LoopBound<Recorder>, relay: LoopBound<RelayIntake>, server: LoopBound<RecordingIntake>) {
        let server = await world.loops[0].own { _ in RecordingIntake() }
        _ = try await far.open(into: [server])
        let onward = dialer ?? far
        let relay = await world.loops[1].own { _ in RelayIntake(to: onward) }
        _ = try await near.open(into: [relay])
        let client = await world.loops[0].own { _ in Recorder() }
        await client.run { [near] loop, client in _ = near.dial(on: loop, deadline: .seconds(1), handler: client) }
        world.settle()
        return (client, relay, server)
    }

    @Test func `bytes and ends go through both ways, and the relay counts them`() async throws {
        let (client, relay, server) = try await makeRelay()
        await client.run { _, client in
            client.link?.write("request")
            client.link?.finish()
        }
        world.settle()
        await server.run { _, server in
            #expect(server.recorders.first?.text == "request")
            #expect(server.recorders.first?.events == [.opened, .finished])
            server.recorders.first?.link?.write("response")
            server.recorders.first?.link?.finish()
        }
        world.settle()
        await client.run { _, client in
            #expect(client.text == "response")
            client.link?.close(.finished)
        }
        await server.run { _, server in server.recorders.first?.link?.close(.finished) }
        world.settle()
        await relay.run { loop, relay in
            #expect(relay.ended == [.finished])
            #expect(relay.bytes == (7, 8))
            #expect(loop.linkCount == 0)
        }
    }

    @Test func `a relay reads no faster than the other side takes`() async throws {
        let (client, relay, server) = try await makeRelay()
        await server.run { _, server in server.recorders.first?.link?.pauseReading() }
        let total = 4 << 20
        await client.run { _, client in client.link?.write([UInt8](repeating: 9, count: total)) }
        world.settle()
        await relay.run { loop, _ in
            // Both queues, the pieces under way and one batch in hand: not the four megabytes.
            #expect(loop.linkCount == 2)
            #expect(loop.queuedBytes < 600_000)
        }
        await server.run { _, server in
            #expect(server.recorders.first?.bytes.isEmpty == true)
            server.recorders.first?.link?.resumeReading()
        }
        world.settle()
        await server.run { _, server in #expect(server.recorders.first?.bytes.count == total) }
    }

    @Test func `an abrupt end on one side is one on the other`() async throws {
        let (client, relay, server) = try await makeRelay()
        await client.run { _, client in client.link?.close(.reset) }
        world.settle()
        await server.run { _, server in #expect(server.recorders.first?.closeReason == .reset) }
        await relay.run { _, relay in #expect(relay.ended == [.reset]) }
    }

    @Test func `when nobody answers behind the relay the client hears of it`() async throws {
        let nobody = InProcess()
        let (client, relay, _) = try await makeRelay(through: nobody)
        world.settle()
        await relay.run { _, relay in #expect(relay.ended == [.refused]) }
        await client.run { _, client in #expect(client.events.last == .finished || client.closeReason == .finished) }
    }

    @Test func `links of different loops, or of different kinds, are not joined`() async throws {
        let one = try await Pair.make(on: world)
        let messages = try await Pair.make(on: world, traits: LinkTraits(keepsMessages: true))
        let id = await messages.run { _, pair in pair.nearLink?.id ?? .none }
        await one.run { loop, pair in
            guard let a = pair.nearLink, let b = loop.link(id) else {
                Issue.record("no links")
                return
            }
            #expect(throws: RelayError.messagesAndStream) { try Relay(a, b) }
        }
    }

    @Test(arguments: 1...40) func `every byte arrives in order through a bad network`(_ seed: UInt64) async throws {
        let network = SeededNetwork(seed: seed)
        let (client, _, server) = try await makeRelay(through: network.over(far))
        var random = SeededRandom(seed: seed)
        var question: [UInt8] = []
        var answer: [UInt8] = []
        for _ in 0..<20 {
            let piece = (0..<Int.random(in: 0...5000, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            question += piece
            answer += piece.reversed()
            await client.run { _, client in client.link?.write(piece) }
            await server.run { _, server in server.recorders.first?.link?.write(piece.reversed()) }
            world.advance(by: .milliseconds(Int64.random(in: 0...20, using: &random)))
        }
        await client.run { _, client in client.link?.finish() }
        world.advance(by: .seconds(60))
        let (asked, answered) = (question, answer)
        await server.run { _, server in #expect(server.recorders.first?.bytes == asked, "seed \(seed)") }
        await client.run { _, client in #expect(client.bytes == answered, "seed \(seed)") }
    }
}

extension Loop {
    /// What all links of the loop have queued.
    var queuedBytes: Int {
        var sum = 0
        forEachLink { sum += $0.queued }
        return sum
    }
}
