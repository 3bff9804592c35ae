/// Durations in buckets that double, four to each doubling: any percentile within 13 %.
/// From one microsecond (and below) to 4.5 minutes (and above).
public final class Histogram {
    private static let first = 10  // 2^10 ns
    static let steps = 4
    /// 28 doublings. The last bucket takes what is beyond them, so that every bound is true.
    static let bucketCount = 28 * steps + 1
    private var counts = InlineArray<113, UInt64>(repeating: 0)
    private var sum: UInt64 = 0

    init() {}

    /// Counts one duration; a negative one, from a clock that was set back, counts as none.
    public func record(nanoseconds: Int64) {
        let value = UInt64(max(0, nanoseconds))
        sum &+= value
        counts[Self.index(value)] &+= 1
    }

    static func index(_ nanoseconds: UInt64) -> Int {
        guard nanoseconds >= 1 << first else { return 0 }
        let exponent = 63 - nanoseconds.leadingZeroBitCount
        let step = Int(nanoseconds >> (exponent - 2)) & (steps - 1)
        return min((exponent - first) * steps + step, bucketCount - 1)
    }

    /// The first value, in nanoseconds, that is beyond the bucket.
    static func upperBound(_ index: Int) -> UInt64 {
        guard index < bucketCount - 1 else { return .max }
        let (doubling, step) = index.quotientAndRemainder(dividingBy: steps)
        return UInt64(steps + step + 1) << UInt64(first + doubling - 2)
    }

    /// What stands for the values of a bucket: its middle, for then none is further off than half a bucket, an eighth.
    static func typicalValue(_ index: Int) -> UInt64 {
        let lowerBound = index == 0 ? 1 << first : upperBound(index - 1)
        guard index < bucketCount - 1 else { return lowerBound }
        return (lowerBound + upperBound(index)) / 2
    }

    /// All durations so far, to be carried away.
    package var snapshot: HistogramSnapshot { HistogramSnapshot(counts: counts.indices.map { counts[$0] }, sum: sum) }
}

/// A histogram that can be carried away and added to others.
public struct HistogramSnapshot: Sendable, Equatable {
    /// How many durations fell into each bucket, the shortest first.
    public private(set) var counts: [UInt64]
    /// All durations together, in nanoseconds.
    public private(set) var sum: UInt64

    /// How many durations there are.
    public var count: UInt64 { counts.reduce(0, &+) }

    /// Adds what another loop recorded.
    public mutating func add(_ other: HistogramSnapshot) {
        for index in counts.indices { counts[index] &+= other.counts[index] }
        sum &+= other.sum
    }

    /// The value that the fraction `rank` of all records does not exceed, in nanoseconds and within 13 %; zero when
    /// there are none. What is beyond the buckets counts as 4.5 minutes.
    public func percentile(_ rank: Double) -> UInt64 {
        let wanted = Double(count) * rank
        var seen: UInt64 = 0
        for index in counts.indices where counts[index] > 0 {
            seen += counts[index]
            if Double(seen) >= wanted { return Histogram.typicalValue(index) }
        }
        return 0
    }
}
