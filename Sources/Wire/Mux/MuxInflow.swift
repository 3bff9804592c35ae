/// The receiving side of one stream: how much its peer may send, and when it is told that it may send more.
/// The window doubles while a reader empties it within two round trips, so that one stream can fill a long way, and a
/// reader that has stopped holds no more than it was granted before.
package struct MuxInflow: Sendable {
    /// The window of a stream that begins, and of one that has rested. Larger ones are multiples of it: the longest
    /// frame, and as many turns of a stream among others.
    package static let first = 4 * (MuxScheduler.quantum - MuxFrame.headerSize)
    /// The same when the budget is half used; windows fall to this too.
    package static let pressed = 16 << 10
    /// The same when it is nearly used.
    package static let least = 4 << 10
    package static let most = 16 << 20
    package static let restLimit = Duration.seconds(10)

    package private(set) var window: Int
    /// What the peer may send and this side has not read: granted minus read.
    package private(set) var granted: Int
    /// The part of it that has not arrived.
    package private(set) var expected: Int
    private var sinceEpoch = 0
    private var epoch: Duration
    private var lastRead: Duration

    /// The budget has given the window already.
    package init(window: Int, at now: Duration) {
        (self.window, granted, expected) = (window, window, window)
        (epoch, lastRead) = (now, now)
    }

    /// Bytes that have arrived and were not read.
    package var unread: Int { granted - expected }

    /// False when the peer had no credit for them.
    package mutating func receive(_ count: Int) -> Bool {
        guard count <= expected else { return false }
        expected -= count
        return true
    }

    /// Somebody has read bytes that had arrived. How much credit the peer is to be given for it; often none, because
    /// credit goes back a longest frame at a time: half of a small window, a quarter of a large one.
    package mutating func read(_ count: Int, at now: Duration, roundTrip: Duration?, from budget: MuxBudget) -> Int {
        granted -= count
        budget.give(count)
        if now - lastRead >= Self.restLimit { (window, sinceEpoch, epoch) = (min(window, Self.first), 0, now) }
        lastRead = now
        sinceEpoch += count
        if sinceEpoch >= window { endEpoch(at: now, roundTrip, budget) }
        // Asked when its own bytes are back: a stream alone, with the largest window, holds just the half that is
        // asked for, and would otherwise fall to the smallest one by itself.
        let target = budget.mayGrow ? window : min(window, Self.pressed)
        let missing = target - granted
        guard missing >= max(1, min(target / 2, max(target / 4, Self.first))) else { return 0 }
        // What was read just now is free at least, so a peer never waits for ever.
        let credit = min(missing, budget.room)
        guard credit > 0, budget.take(credit) else { return 0 }
        granted += credit
        expected += credit
        return credit
    }

    private mutating func endEpoch(at now: Duration, _ roundTrip: Duration?, _ budget: MuxBudget) {
        defer { (sinceEpoch, epoch) = (0, now) }
        let time = now - epoch
        guard let roundTrip, time <= roundTrip * 2, budget.mayGrow else { return }
        // Twice what the way holds at this rate is enough for it to go on while credit travels.
        let useful = 2 * Double(sinceEpoch) * (roundTrip / max(time, .nanoseconds(1)))
        let wanted = min(window * 2, Int(min(useful, Double(Self.most))), Self.most)
        window = max(window, wanted, min(Self.first, window * 2))
        if window > Self.first { window = min((window + Self.first - 1) / Self.first * Self.first, Self.most) }
    }

    /// The peer gives back credit that it has not used. False when it never had so much.
    package mutating func unused(_ count: UInt64, to budget: MuxBudget) -> Bool {
        guard count <= UInt64(expected) else { return false }
        granted -= Int(count)
        expected -= Int(count)
        window = min(window, max(granted, Self.least))
        budget.give(Int(count))
        return true
    }

    /// The stream has ended.
    package mutating func end(_ budget: MuxBudget) {
        budget.give(granted)
        (granted, expected) = (0, 0)
    }
}

/// The sending side of one stream.
package struct MuxOutflow: Sendable {
    package private(set) var credit: Int
    /// Sent, and not known to have been read.
    package private(set) var unconfirmed = 0
    private var lastSent: Duration

    package init(credit: Int, at now: Duration) { (self.credit, lastSent) = (credit, now) }

    package mutating func sent(_ count: Int, at now: Duration) {
        credit -= count
        unconfirmed += count
        lastSent = now
    }

    /// False when that is more than any window.
    package mutating func receive(_ credit: UInt64) -> Bool {
        guard credit <= UInt64(MuxInflow.most), self.credit + Int(credit) <= MuxInflow.most else { return false }
        self.credit += Int(credit)
        unconfirmed = max(0, unconfirmed - Int(credit))
        return true
    }

    /// Of a stream that has sent nothing for a while, what it gives back: the receiver must keep room for it.
    package mutating func rest(at now: Duration) -> Int {
        let unused = credit - MuxInflow.first
        guard now - lastSent >= MuxInflow.restLimit, unused > 0 else { return 0 }
        credit -= unused
        return unused
    }
}
