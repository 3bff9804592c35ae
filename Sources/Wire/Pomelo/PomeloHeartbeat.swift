/// When one side of a connection sends heartbeats, and when it gives up the other: at the third beat in a row that
/// nothing was heard before, so after more than two intervals of silence and at most three.
///
/// A server begins when it accepts, as the reference does; a client with the interval of the answer, and then it sends
/// and listens by the same rule. Neither answers a heartbeat. Times are counted from any moment that stays the same.
package struct PomeloHeartbeat: Sendable {
    package enum Step: Equatable {
        /// Send one, and step again at that time.
        case send(next: Duration)
        /// It was too early.
        case wait(until: Duration)
        /// Close the connection. The reference sends no kick.
        case dead
    }

    private let interval: Duration
    private var next: Duration
    private var silentBeats = 0

    /// The interval must be above zero; where the answer says zero there are no heartbeats.
    package init(every interval: Duration, from now: Duration) {
        precondition(interval > .zero, "heartbeats need an interval")
        (self.interval, next) = (interval, now + interval)
    }

    /// Any packet that was taken shows that the other side lives. So does a link that is not being read: nothing can be
    /// heard from it.
    package mutating func heard() { silentBeats = 0 }

    package mutating func step(at now: Duration) -> Step {
        guard now >= next else { return .wait(until: next) }
        guard silentBeats < 2 else { return .dead }
        silentBeats += 1
        next += interval
        if next <= now { next = now + interval }  // A loop that stood still does not make peers silent.
        return .send(next: next)
    }
}
