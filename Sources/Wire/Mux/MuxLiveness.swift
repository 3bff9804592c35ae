/// Whether the peer of a carrier lives, and how far away it is. Times are counted from any moment that stays the same.
package struct MuxLiveness: Sendable {
    package enum Step: Equatable {
        case ping(UInt64)
        /// Nothing was heard since the last ping, and its time is over.
        case dead
        case wait(until: Duration)
    }

    package static let interval = Duration.seconds(10)
    package static let patience = Duration.seconds(5)

    private var lastHeard: Duration
    private var nextPing: Duration
    private var asked: (number: UInt64, at: Duration)?
    private var lastNumber: UInt64 = 0
    /// Nil until a ping was answered. It follows what gets shorter at once, and what gets longer slowly: a ping that
    /// waits behind bulk says nothing about the way.
    package private(set) var roundTrip: Duration?

    /// The first ping is due at once, because windows grow by the round trip.
    package init(at now: Duration) { (lastHeard, nextPing) = (now, now) }

    package mutating func heard(at now: Duration) { lastHeard = now }

    package mutating func step(at now: Duration) -> Step {
        if let asked {
            let since = max(asked.at, lastHeard)
            return now - since >= Self.patience ? .dead : .wait(until: since + Self.patience)
        }
        guard now >= nextPing else { return .wait(until: nextPing) }
        lastNumber += 1
        nextPing = now + Self.interval
        asked = (lastNumber, now)
        return .ping(lastNumber)
    }

    package mutating func pong(_ number: UInt64, at now: Duration) {
        guard let asked, asked.number == number else { return }
        self.asked = nil
        let time = now - asked.at
        roundTrip = roundTrip.map { min(time, $0 + $0 / 4 + .microseconds(1)) } ?? time
    }
}
