import Synchronization

/// Seeds for many generators from one, in the order in which they are asked for.
final class SeedSource: Sendable {
    private let state: Atomic<UInt64>
    init(_ seed: UInt64) { state = Atomic(seed) }
    func next() -> UInt64 {
        var random = SeededRandom(seed: state.wrappingAdd(1, ordering: .relaxed).newValue &* 0x1000_0000_01b3)
        return random.next()
    }
}
