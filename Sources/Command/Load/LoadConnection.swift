import Omniway

/// One connection of a load, and those that take its place: what it owes, and what is under way. A kind of server adds
/// how it connects and sends.
class LoadConnection {
    unowned let shard: LoadShard
    /// When the messages were due that are not sent yet; only with a rate.
    private var owed: ArraySlice<Moment> = []
    private(set) var underWay = 0
    private var answersHere = 0
    private var failures = 0
    private(set) var phase = Phase.away
    private var began = Moment(nanoseconds: 0)
    private var isClosed = false

    enum Phase { case away, connecting, open }
    static let connectToken: UInt64 = 0
    /// Most messages that a server may be behind, on one connection.
    private static let mostOwed = 65_536
    private static let pause = Reconnecting(first: .milliseconds(5), longest: .seconds(1))

    init(_ shard: LoadShard) { self.shard = shard }

    // MARK: For each kind

    func connect() {}
    /// False when it takes nothing now; `fill` is called again when it does.
    func send(due: Moment) -> Bool { false }
    func hangUp() {}
    /// Looks for answers that are too late.
    func look() {}

    // MARK: Sending

    func owe(_ due: Moment) {
        if owed.count >= Self.mostOwed { return shard.failed("too far behind") }
        owed.append(due)
        fill()
    }

    func forgetOwed() {
        shard.failed("not sent", count: owed.count)
        owed = []
    }

    final func fill() {
        let plan = shard.plan
        guard phase == .open, shard.isSending, plan.renew == 0 || answersHere + underWay < plan.renew else { return }
        var left = plan.inFlight - underWay
        if plan.renew > 0 { left = min(left, plan.renew - answersHere - underWay) }
        let now = shard.loop.clockTime
        while left > 0 {
            let due: Moment
            if !shard.hasRate { due = now } else if let first = owed.first { due = first } else { return }
            guard send(due: due) else { return }
            if shard.hasRate { owed.removeFirst() }
            underWay += 1
            left -= 1
        }
    }

    // MARK: What became of it

    final func opened() {
        phase = .open
        (failures, answersHere) = (0, 0)
        shard.connected(since: began)
        fill()
    }

    final func answered(_ due: Moment, at now: Moment, bytes: Int) {
        underWay -= 1
        answersHere += 1
        shard.answered(due, at: now, bytes: bytes)
    }

    /// An answer that says no, or none in time.
    final func failed(_ what: String) {
        underWay -= 1
        answersHere += 1
        shard.failed(what)
    }

    /// After answers have come: sends the next, or gives way to a new connection when this one has had its share.
    final func goOn() {
        let renew = shard.plan.renew
        if renew > 0, phase == .open, underWay == 0, answersHere >= renew, shard.isSending {
            phase = .away
            hangUp()
            connectSoon(.zero)
        } else {
            fill()
        }
        shard.endIfAnswered()
    }

    /// The connection is gone, with all that was under way.
    final func lost(_ what: String) {
        let wasOpen = phase == .open
        guard phase != .away else { return }
        phase = .away
        if !wasOpen {
            shard.failed("connect: \(what)")
        } else if underWay > 0 {
            shard.failed("lost: \(what)", count: underWay)
        } else {
            shard.failed("closed: \(what)")
        }
        underWay = 0
        failures += 1
        connectSoon(Self.pause.pause(after: failures, chance: shard.loop.random.next()))
        shard.endIfAnswered()
    }

    private func connectSoon(_ pause: Duration) {
        if !isClosed, shard.isSending { shard.loop.after(pause, self, token: Self.connectToken) }
    }

    final func close() {
        isClosed = true
        phase = .away
        hangUp()
    }
}

extension LoadConnection: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard phase == .away, !isClosed, shard.isSending else { return }
        phase = .connecting
        began = loop.clockTime
        connect()
    }
}
