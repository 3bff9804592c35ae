/// Durations in buckets that double, four to each doubling: any percentile within 12 %.
/// From one microsecond (and below) to about four minutes (and above).
public final class Histogram {
    private static let first = 10  // 2^10 ns
    private static let doublings = 28
    private static let steps = 4
    static let bucketCount = doublings * steps
    private var counts = [UInt64](repeating: 0, count: bucketCount)
    private var sum: UInt64 = 0

    init() {}

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
        let (doubling, step) = index.quotientAndRemainder(dividingBy: steps)
        return UInt64(steps + step + 1) << UInt64(first + doubling - 2)
    }

    var snapshot: HistogramSnapshot { HistogramSnapshot(counts: counts, sum: sum) }
}

/// A histogram that can be carried away and added to others.
public struct HistogramSnapshot: Sendable, Equatable {
    public private(set) var counts: [UInt64]
    public private(set) var sum: UInt64

    public var count: UInt64 { counts.reduce(0, &+) }

    public mutating func add(_ other: HistogramSnapshot) {
        for index in counts.indices { counts[index] &+= other.counts[index] }
        sum &+= other.sum
    }

    /// The value below which the fraction `rank` of all records lies, in nanoseconds; zero when there are none.
    public func percentile(_ rank: Double) -> UInt64 {
        let wanted = Double(count) * rank
        var seen: UInt64 = 0
        for index in counts.indices where counts[index] > 0 {
            seen += counts[index]
            if Double(seen) >= wanted { return Histogram.upperBound(index) }
        }
        return 0
    }
}
