/// How a v2 endpoint stays known to its gateway: a ping at every interval, whatever else is said, and an answer in
/// time. Times are counted from any moment that stays the same.
package struct EndpointKeepAlive: Sendable {
    package enum Step: Equatable {
        case ping
        /// The last ping has no answer yet, and its time is over: `goOn`, or give the gateway up.
        case overdue
        case wait(until: Duration)
        /// Nothing is to be done until something happens.
        case rest
    }

    /// Zero never pings.
    private let interval: Duration
    /// Nil waits for no answer.
    private let timeout: Duration?
    private var next: Duration
    private var asked: Duration?

    package init(interval: Duration, timeout: Duration?, from now: Duration) {
        (self.interval, self.timeout, next) = (interval, timeout, now + interval)
    }

    package mutating func step(at now: Duration) -> Step {
        guard interval > .zero else { return .rest }
        if let asked, let timeout {
            return now >= asked + timeout ? .overdue : .wait(until: asked + timeout)
        }
        guard now >= next else { return .wait(until: next) }
        next = now + interval
        asked = now
        return .ping
    }

    package mutating func answered() { asked = nil }

    /// Waits as long for the answer again.
    package mutating func goOn(at now: Duration) { asked = now }
}
