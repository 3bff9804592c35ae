import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// The part of an app on one loop: its sessions, and what is under way for them.
final class AppShard: LinkIntake, TimerTarget {
    let loop: Loop
    let index: Int
    let plan: AppPlan
    let directory: SessionDirectory
    let app: App
    let counters: AppCounters
    /// What leads to the other loops.
    var server: AppServer?
    /// Nil for a server that is alone.
    private(set) var cluster: ClusterPart?
    var requestIDs = RequestIDs()
    /// What sends the spans of all loops, on the first one.
    var exporter: SpanExporter?
    private(set) var mailbox: Mailbox<AppMail>
    private(set) lazy var timers = ShardTimers(self)
    private let mostCalls: Int
    private var calls = 0
    /// Sessions that are read again when fewer calls are under way.
    private var waiting: ArraySlice<LinkID> = []
    private var isLettingIn = false
    private var drain: Drain?

    init(on loop: Loop, _ index: Int, of loops: Int, _ plan: AppPlan, _ directory: SessionDirectory, _ app: App) {
        (self.loop, self.index, self.plan, self.directory, self.app) = (loop, index, plan, directory, app)
        mostCalls = max(1, plan.settings.inFlight.perServer / loops)
        counters = AppCounters(loop.meters, plan)
        mailbox = loop.mailbox { _ in }
        loop.remove(mailbox)
        mailbox = loop.mailbox { [unowned self] in take($0) }
    }

    func accept(_ link: Link) -> (any LinkHandler)? {
        // Its handshake below, of TLS or WebSocket, was under way when the app stopped to listen.
        guard drain == nil else {
            link.close(.shutdown)
            return nil
        }
        guard directory.enter(most: plan.settings.maxSessions) else {
            link.close(.tooManySessions)
            return nil
        }
        counters.sessions.add(1)
        link.limits = plan.queueLimits
        return AppConnection(link, self)
    }

    func join(_ member: ClusterMember) { cluster = ClusterPart(member, self) }

    /// A session has ended.
    func left() {
        directory.leave()
        counters.sessions.add(-1)
    }

    func take(_ mail: AppMail) {
        switch mail {
        case .send(let packet, let links):
            countMissed()
            for link in links { connection(link)?.push(packet) }
        case .kick(let link, let reason): connection(link)?.kick(reason)
        case .run(let link, let body): if let connection = connection(link) { body(connection.session) }
        case .timer(let timer): timers.take(timer)
        case .servers(let servers): cluster?.servers = servers
        case .serve(let call): cluster?.serve(call)
        case .serveSession(let call, let link): cluster?.serve(call, about: connection(link)?.session)
        case .bound(let user, let server, let revision): cluster?.heard(user, at: server, revision)
        case .reviewClaims: cluster?.reviewClaims()
        case .publish(let messages):
            countMissed()
            cluster?.publish(messages)
        }
    }

    private func countMissed() { if let count = server?.takeMissed(), count > 0 { counters.lost.add(UInt64(count)) } }

    func connection(_ id: LinkID) -> AppConnection? { loop.link(id)?.handler as? AppConnection }

    /// Whoever is bound as that user, if on this loop.
    func connection(of user: String) -> AppConnection? {
        guard let place = directory.find(user), place.loop == index else { return nil }
        return connection(place.link)
    }

    // MARK: Calls

    var hasRoom: Bool { calls < mostCalls }

    /// The task of a call, or of a timer that comes like one; nil when there are too many.
    func start(_ call: any LoopTask) -> StartedTask? {
        guard hasRoom, let task = loop.start(call), callBegins() else { return nil }
        return task
    }

    /// One that is no task. False when there are too many.
    func callBegins() -> Bool {
        guard hasRoom else { return false }
        calls += 1
        counters.calls.add(1)
        return true
    }

    func callEnded() {
        calls -= 1
        counters.calls.add(-1)
        if calls == 0, let drain { drain.end(on: loop) }
        letIn()
    }

    /// As many as there is room for. Who uses none of it leaves it to the next, in the next turn.
    private func letIn() {
        guard hasRoom, !waiting.isEmpty, !isLettingIn else { return }
        let batch = waiting.prefix(mostCalls - calls)
        waiting = waiting.dropFirst(batch.count)
        for link in batch { connection(link)?.letIn() }
        isLettingIn = !waiting.isEmpty
        if isLettingIn { loop.after(.zero, self) }
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        isLettingIn = false
        letIn()
    }

    func waitForRoom(_ link: LinkID) {
        waiting.append(link)
        // Those who come, wait and leave must not be remembered for ever. Who is left is asked now and then.
        let count = waiting.count
        if count >= 64, count & (count - 1) == 0 { waiting.removeAll { loop.link($0) == nil } }
    }
    /// How many wait for room, those included that have ended meanwhile.
    var waitingCount: Int { waiting.count }

    // MARK: The end

    /// Waits until nothing is under way, or the time is over. Nothing new is begun meanwhile.
    func drain(within limit: Duration, then: @escaping @Sendable (Int) -> Void) {
        for connection in connections { connection.stopReading() }
        timers.stop()
        let drain = Drain { [unowned self] in then(calls) }
        self.drain = drain
        if calls == 0 || limit <= .zero { drain.end(on: loop) } else { drain.wait(limit, on: loop) }
    }

    /// When it returns, all sessions have ended, and who wanted to know was told.
    func closeAll() {
        for connection in connections {
            connection.link.close(.shutdown)
            connection.end(.shutdown)
        }
        timers.cancel()
        cluster?.end()
        loop.remove(mailbox)
    }

    var connections: [AppConnection] {
        var found: [AppConnection] = []
        loop.forEachLink { link in
            if let connection = link.handler as? AppConnection, connection.shard === self { found.append(connection) }
        }
        return found
    }

    private final class Drain: TimerTarget {
        private var then: (() -> Void)?
        private var timer: TimerID?
        init(_ then: @escaping () -> Void) { self.then = then }

        func wait(_ limit: Duration, on loop: Loop) { timer = loop.after(limit, self) }
        func end(on loop: Loop) {
            if let timer { loop.cancel(timer) }
            exchange(&then, with: nil)?()
        }
        func timerFired(_ token: UInt64, on loop: Loop) { exchange(&then, with: nil)?() }
    }
}

extension AppPlan {
    /// A packet that is not whole yet waits in the link.
    var queueLimits: QueueLimits {
        var limits = settings.queue
        limits.unread = max(limits.unread, framing.maxSize)
        limits.perTurn = min(limits.perTurn, 64 << 10)
        return limits
    }
}
