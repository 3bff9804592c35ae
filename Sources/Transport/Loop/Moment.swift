import OmniwayTelemetry

/// A point on a loop's clock. It says nothing about the time of day.
public struct Moment: Comparable, Hashable, Sendable {
    public let nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static func < (a: Moment, b: Moment) -> Bool { a.nanoseconds < b.nanoseconds }
    public static func + (a: Moment, b: Duration) -> Moment {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(b.nanoseconds)
        return Moment(nanoseconds: overflow ? (b < .zero ? .min : .max) : sum)
    }
    public static func - (a: Moment, b: Moment) -> Duration { .nanoseconds(a.nanoseconds &- b.nanoseconds) }
}

extension Histogram {
    /// Counts the time between two moments.
    package func record(from start: Moment, to end: Moment) {
        record(nanoseconds: end.nanoseconds &- start.nanoseconds)
    }
}

extension Duration {
    /// Rounded towards zero, and held within 64 bits (292 years).
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflow2) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || overflow2 ? (seconds < 0 ? .min : .max) : sum
    }
}
