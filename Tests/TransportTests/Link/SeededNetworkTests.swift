import OmniwayTesting
import OmniwayTransport
import Testing

@Suite struct SeededNetworkTests {
    /// Sends numbered pieces through a bad network; what arrived and when, and how it ended.
    private func run(
        _ seed: UInt64, traits: LinkTraits = .stream, _ change: (inout SeededNetwork.Faults) -> Void = { _ in }
    ) async throws -> (arrivals: [Arrival], reason: CloseReason?) {
        let world = SimulatedWorld()
        var faults = SeededNetwork.Faults()
        change(&faults)
        let transport = InProcess(traits: traits)
        let server = await world.first.own { _ in Arrivals() }
        _ = try await transport.open(into: [server])
        let dialer: any Dialer = SeededNetwork(seed: seed, faults: faults).over(transport)
        let client = await world.first.own { _ in Recorder() }
        await client.run { loop, client in _ = dialer.dial(on: loop, deadline: .seconds(5), handler: client) }
        world.settle()
        for number in 0..<100 {
            await client.run { _, client in client.link?.write([UInt8](repeating: UInt8(number), count: 50)) }
        }
        world.advance(by: .seconds(30))
        return await server.run { _, server in (server.arrivals, server.reason) }
    }

    private static let all = (0..<100).flatMap { [UInt8](repeating: $0, count: 50) }

    @Test(arguments: 1...5) func `a seed repeats a run`(_ seed: UInt64) async throws {
        let (first, second) = (try await run(seed).arrivals, try await run(seed).arrivals)
        #expect(first == second)
        #expect(first.flatMap(\.bytes) == Self.all)
        #expect(try await run(seed + 100).arrivals != first)
    }

    @Test(arguments: 1...5) func `a cut ends the link as a broken one, with some of the bytes`(_ seed: UInt64)
        async throws
    {
        let result = try await run(seed) { $0.cutAfter = 1000...2000 }
        let bytes = result.arrivals.flatMap(\.bytes)
        #expect(result.reason == .reset)
        #expect(bytes.count < Self.all.count)
        #expect(bytes == Array(Self.all.prefix(bytes.count)))
    }

    @Test(arguments: 1...5) func `loss takes whole messages and leaves the others in order`(_ seed: UInt64) async throws
    {
        let traits = LinkTraits(keepsMessages: true, isReliable: false)
        let messages = try await run(seed, traits: traits) { $0.loss = 0.3 }.arrivals.map(\.bytes)
        let numbers = messages.compactMap(\.first)
        #expect(messages.allSatisfy { $0.count == 50 })
        #expect(numbers == numbers.sorted())
        #expect((40...95).contains(numbers.count), "seed \(seed)")
    }
}

private struct Arrival: Equatable, Sendable {
    let at: Moment
    let bytes: [UInt8]
}

private final class Arrivals: LinkIntake, LinkHandler {
    private(set) var arrivals: [Arrival] = []
    private(set) var reason: CloseReason?

    func accept(_ link: Link) -> (any LinkHandler)? { self }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        arrivals.append(Arrival(at: link.loop.now, bytes: unsafe bytes.withUnsafeBytes { unsafe Array($0) }))
        return bytes.byteCount
    }
    func closed(_ link: Link, _ reason: CloseReason) { self.reason = reason }
}
