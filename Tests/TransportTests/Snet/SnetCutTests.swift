import OmniwayTelemetry
import OmniwayTesting
@testable import OmniwayTransport
import OmniwayWire
import Testing

/// Streams whose connections are cut again and again, on simulated loops.
@Suite struct SnetCutTests {
    struct Kind: CustomStringConvertible, Sendable {
        let dialect: SnetDialect
        let encrypts: Bool
        let seed: UInt64
        var description: String { "\(dialect), \(encrypts ? "encrypted" : "plain"), seed \(seed)" }

        static let all = [SnetDialect.a, .b].flatMap { dialect in
            [false, true].flatMap { encrypts in
                (1...9).map { Kind(dialect: dialect, encrypts: encrypts, seed: UInt64($0)) }
            }
        }
    }

    @Test(arguments: Kind.all) func `every byte comes once and in order, wherever connections are cut`(
        _ kind: Kind
    ) async throws {
        let world = SimulatedWorld(loops: 3, seed: kind.seed)
        let score = SnetScore()
        let total = 60_000
        let ring = 2 * total
        var intakes: [LoopBound<SnetTalkers>] = []
        for loop in world.loops.dropFirst() {
            intakes.append(await loop.own { _ in SnetTalkers { SnetTalker(total, score) } })
        }
        let server = SnetServer(dialect: kind.dialect, encrypts: kind.encrypts, ring: ring)
        let stream = InProcess()
        _ = try await server.over(stream).open(into: intakes)

        var faults = SeededNetwork.Faults()
        faults.piece = 1...2_000
        // Cuts fall into handshakes too, and into what is sent again. Not into the first handshake: a stream that the
        // server does not know yet cannot be resumed.
        faults.cutAfter = 1...4_000
        let network = SeededNetwork(seed: kind.seed, faults: faults)
        let dialer = SnetSwitch(first: stream, then: network.over(stream))
        let snet = SnetClient(dialect: kind.dialect, encrypts: kind.encrypts, ring: ring).over(dialer)
        let client = await world.first.own { _ in SnetTalker(total, score) }
        await client.run { loop, client in
            client.pausesNowAndThen = kind.seed.isMultiple(of: 3)
            _ = snet.dial(on: loop, deadline: .seconds(10), handler: client)
        }
        world.advance(by: .milliseconds(25))
        await client.run { _, client in client.link?.snet?.reconnect() }
        let isDone = world.advance(until: .seconds(600)) { score.done == 2 || score.wrong > 0 }
        #expect(isDone && score.wrong == 0)
        await client.run { _, client in
            #expect(client.heard == total && client.closeReason == nil)
            #expect(client.link?.snet?.resumes ?? 0 >= 10, "seed \(kind.seed)")
        }
        var accepted = 0
        for intake in intakes {
            accepted += await intake.run { _, intake in
                #expect(intake.talkers.map(\.heard).allSatisfy { $0 == total })
                #expect(intake.talkers.compactMap(\.closeReason) == [])
                return intake.talkers.count
            }
        }
        #expect(accepted == 1 && server.streamCount == 1)
        let meters = await world.first.snapshot().prometheusText
        #expect(meters.contains("omniway_snet_resumes_total{outcome=\"done\",side=\"dialing\"}"))
        #expect(meters.contains("omniway_snet_retransmitted_bytes_total"))
    }
}
