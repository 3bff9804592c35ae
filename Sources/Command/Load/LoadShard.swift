import Omniway

/// The load of one loop: its connections, when each message is due, and what became of it.
final class LoadShard {
    let plan: LoadPlan
    let loop: Loop
    let home: EventLoop
    /// Ends when nothing more is counted.
    let over: AsyncStream<Void>
    private let tellOver: AsyncStream<Void>.Continuation
    private var connections: [LoadConnection] = []
    private let count: Int
    private let latency: Histogram
    private let connecting: Histogram
    private var numbers = LoadCounts()
    private var measured = Moment(nanoseconds: .max)
    private var ends = Moment(nanoseconds: .max)
    private var phase = Phase.sending
    private enum Phase { case sending, waiting, over }
    /// With a rate: the number of the next message, and since when they are counted.
    private var next = 0
    private var began = Moment(nanoseconds: 0)
    private let gap: Double

    private enum Token { static let tick: UInt64 = 0, end: UInt64 = 1, look: UInt64 = 2 }
    private static let tick = Duration.milliseconds(1)

    init(_ plan: LoadPlan, connections count: Int, on loop: Loop, _ home: EventLoop) {
        (self.plan, self.loop, self.home, self.count) = (plan, loop, home, count)
        gap = plan.rate > 0 ? 1e9 * Double(plan.connections) / (plan.rate * Double(count)) : 0
        latency = loop.meters.histogram("load_latency_seconds", "From when a message was due to its answer.")
        connecting = loop.meters.histogram("load_connecting_seconds", "How long connections took to come about.")
        (over, tellOver) = AsyncStream.makeStream()
    }

    func begin() {
        began = loop.clockTime
        measured = began + plan.warmUp
        ends = measured + plan.duration
        for number in 0..<count {
            let connection: LoadConnection =
                switch plan.kind {
                case .echo, .gateway: LoadLink(self)
                case .udp: LoadDatagrams(self)
                case .app: LoadApp(self)
                }
            connections.append(connection)
            loop.after(.microseconds(50 * number), connection, token: LoadConnection.connectToken)
        }
        loop.after(ends - loop.now, self, token: Token.end)
        loop.after(.milliseconds(250), self, token: Token.look)
        if plan.rate > 0 { loop.after(Self.tick, self, token: Token.tick) }
    }

    var isSending: Bool { phase == .sending }
    var hasRate: Bool { plan.rate > 0 }

    var counts: LoadCounts {
        var all = numbers
        (all.latency, all.connecting) = (latency.snapshot, connecting.snapshot)
        return all
    }

    // MARK: What connections tell

    func connected(since start: Moment) {
        numbers.connects += 1
        let time = loop.clockTime - start
        connecting.record(nanoseconds: time.nanoseconds)
        numbers.longestConnect = max(numbers.longestConnect, time)
    }

    func answered(_ due: Moment, at now: Moment, bytes: Int) {
        guard phase != .over, due >= measured else { return }
        numbers.answers += 1
        numbers.bytes += bytes
        latency.record(nanoseconds: (now - due).nanoseconds)
        numbers.longest = max(numbers.longest, now - due)
    }

    func failed(_ what: String, count: Int = 1) {
        if phase != .over, count > 0 { numbers.errors[what, default: 0] += count }
    }

    // MARK: Time

    /// What has become due since the last look goes to one connection after the other.
    private func sendDue() {
        let now = min(loop.clockTime, ends)
        while case let due = began + .nanoseconds(Int64(Double(next) * gap)), due <= now {
            connections[next % connections.count].owe(due)
            next += 1
        }
    }

    /// What is under way may still be answered.
    private func stopSending() {
        phase = .waiting
        for connection in connections { connection.forgetOwed() }
        loop.after(plan.patience, self, token: Token.end)
        endIfAnswered()
    }

    func endIfAnswered() {
        if phase == .waiting, connections.allSatisfy({ $0.underWay == 0 }) { end() }
    }

    private func end() {
        guard phase != .over else { return }
        failed(plan.kind == .udp ? "lost" : "no answer", count: connections.reduce(0) { $0 + $1.underWay })
        phase = .over
        for connection in connections { connection.close() }
        tellOver.finish()
    }
}

extension LoadShard: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        switch (token, phase) {
        case (_, .over): break
        case (Token.tick, .sending):
            sendDue()
            loop.after(Self.tick, self, token: Token.tick)
        case (Token.look, _):
            for connection in connections { connection.look() }
            loop.after(.milliseconds(250), self, token: Token.look)
        case (Token.end, .sending): stopSending()
        case (Token.end, .waiting): end()
        default: break
        }
    }
}
