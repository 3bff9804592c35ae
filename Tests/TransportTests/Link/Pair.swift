import OmniwayTesting
import OmniwayTransport

/// Two ends of an in-process link on one simulated loop, each with a recorder.
final class Pair: LinkIntake {
    let near = Recorder()
    let far = Recorder()
    private(set) var nearLink: Link?
    private(set) var farLink: Link?

    func accept(_ link: Link) -> (any LinkHandler)? {
        farLink = link
        return far
    }

    static func make(
        on world: SimulatedWorld, traits: LinkTraits = .stream, queue: QueueLimits = QueueLimits()
    ) async throws -> LoopBound<Pair> {
        let transport = InProcess(traits: traits, queue: queue)
        let pair = await world.first.own { _ in Pair() }
        _ = try await transport.open(into: [pair])
        await pair.run { loop, pair in
            pair.nearLink = transport.dial(on: loop, deadline: .seconds(1), handler: pair.near)
        }
        world.settle()
        return pair
    }
}

extension Link {
    func write(_ text: String, endOfMessage: Bool = true) { write(Array(text.utf8), endOfMessage: endOfMessage) }
}

extension Recorder {
    var text: String { String(decoding: bytes, as: UTF8.self) }
    var texts: [String] { messages.map { String(decoding: $0, as: UTF8.self) } }
}
