import Testing

@testable import OmniwayTelemetry

struct HistogramTests {
    /// Values at, around and between all powers of two.
    private static let values: [UInt64] = (0..<63).flatMap { exponent -> [UInt64] in
        let power: UInt64 = 1 << exponent
        let half = power + power / 2
        return [power - 1, power, power + 1, power + power / 4, half - 1, half, half + power / 4]
    }

    private static let first: UInt64 = 1 << 10
    private static let reach: UInt64 = 1 << 38

    @Test func `a value lies below its bucket's upper bound and not below the one before`() {
        var random = SeededGenerator(seed: 1)
        let scattered = (0..<10_000).map { _ in random.next() >> UInt64.random(in: 1...63, using: &random) }
        for value in Self.values + scattered {
            let index = Histogram.index(value)
            #expect(value < Histogram.upperBound(index))
            if index > 0 { #expect(value >= Histogram.upperBound(index - 1)) }
        }
    }

    @Test func `the bounds grow, and the last has everything below it`() {
        let bounds = (0..<Histogram.bucketCount).map(Histogram.upperBound)
        #expect(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 })
        #expect(bounds.first == 1280)
        #expect(bounds.dropLast().last == Self.reach)
        #expect(bounds.last == .max)
    }

    @Test func `a percentile is off by at most 13 per cent`() throws {
        for value in Self.values where value >= Self.first && value < Self.reach {
            let histogram = Meters().histogram("h_seconds", "H.")
            histogram.record(nanoseconds: Int64(value))
            let found = Double(histogram.snapshot.percentile(0.5))
            #expect(abs(found - Double(value)) <= 0.13 * Double(value), "\(value) became \(found)")
        }
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `percentiles of many values are off by at most 13 per cent`(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let histogram = Meters().histogram("h_seconds", "H.")
        var values: [Int64] = []
        for _ in 0..<5000 {
            let limit: Int64 = 1 << Int64.random(in: 11...38, using: &random)
            values.append(.random(in: 1024..<limit, using: &random))
        }
        values.sort()
        for value in values { histogram.record(nanoseconds: value) }
        let snapshot = histogram.snapshot
        for rank in [0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1] {
            let exact = Double(values[max(0, Int((5000 * rank).rounded(.up)) - 1)])
            #expect(abs(Double(snapshot.percentile(rank)) - exact) <= 0.13 * exact, "seed \(seed), rank \(rank)")
        }
        #expect(snapshot.count == 5000)
        #expect(snapshot.sum == UInt64(values.reduce(0, +)))
    }

    @Test func `what is beyond the buckets counts as their end, what is before as their beginning`() {
        let histogram = Meters().histogram("h_seconds", "H.")
        #expect(histogram.snapshot.percentile(0.5) == 0)
        histogram.record(nanoseconds: .max)
        #expect(histogram.snapshot.percentile(0.5) == Self.reach)
        histogram.record(nanoseconds: -1)
        histogram.record(nanoseconds: 0)
        #expect(histogram.snapshot.percentile(0.5) == 1152)
        #expect(histogram.snapshot.sum == UInt64(Int64.max))
    }
}
