/// How long to wait before the next attempt: twice as long each time, and some chance in it, so that a thousand
/// peers of a server that restarts do not come back at once.
public struct Reconnecting: Sendable {
    public var first: Duration
    public var longest: Duration

    public init(first: Duration = .milliseconds(100), longest: Duration = .seconds(30)) {
        precondition(first > .zero && first <= longest, "0 < first <= longest")
        (self.first, self.longest) = (first, longest)
    }

    /// After so many failures in a row. The chance is any number.
    package func pause(after failures: Int, chance: UInt64) -> Duration {
        let whole = min(longest, first * (1 << min(failures, 30)))
        return whole / 2 + whole / 2 * (Double(chance >> 11) / Double(1 << 53))
    }
}
