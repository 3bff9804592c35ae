/// How many packets a connection may send within an interval: a log of when the last ones were accepted. What is above
/// is dropped without a word, takes no place in the log, and shows no sign of life.
package struct PomeloRateLimit: Sendable {
    private let limit: Int
    private let interval: Duration
    /// The last `limit` times, as a ring. It grows as packets come, so quiet connections own none.
    private var accepted: [Duration] = []
    private var oldest = 0

    package init(limit: Int, interval: Duration) {
        precondition(limit > 0 && interval > .zero, "a rate needs a limit and an interval above zero")
        (self.limit, self.interval) = (limit, interval)
    }

    /// Whether the packet of this moment is accepted. Times are counted from any moment that stays the same.
    package mutating func accepts(at now: Duration) -> Bool {
        if accepted.count < limit {
            accepted.append(now)
            return true
        }
        guard now - accepted[oldest] >= interval else { return false }
        accepted[oldest] = now
        oldest = oldest + 1 == limit ? 0 : oldest + 1
        return true
    }
}
