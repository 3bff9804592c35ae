/// Random numbers that a seed repeats (SplitMix64). Nothing secret comes from here.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// From 0 up to 1, without 1.
    package mutating func fraction() -> Double { Double(next() >> 11) / Double(1 << 53) }

    /// The duration, up to a fifth shorter or longer, so that what began together does not stay together.
    package mutating func around(_ duration: Duration) -> Duration { duration * (0.8 + 0.4 * fraction()) }
}
