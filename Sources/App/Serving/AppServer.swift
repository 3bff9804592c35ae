import OmniwayCrypto
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire
import Synchronization

/// An app that runs: its parts on the loops, and what they share.
final class AppServer: Sendable {
    let plan: AppPlan
    let directory: SessionDirectory
    private let app: App
    let loops: [EventLoop]
    let shards: [LoopBound<AppShard>]
    private let mailboxes: [Mailbox<AppMail>]
    private let modules: AppModules
    /// Nil for a server that is alone.
    let member: ClusterMember?
    private let listening = Lock<[Listening]>([])
    let door = ServerDoor()
    /// Pushes that found no room on their way to a loop, and were not counted yet.
    private let missed = Atomic<Int>(0)

    init(
        _ plan: AppPlan, _ app: App, _ modules: [(name: String, module: any Module)], on loops: [EventLoop]
    ) async {
        (self.plan, self.app, self.modules, self.loops) = (plan, app, AppModules(modules), loops)
        let isAlone = plan.cluster == nil
        directory = SessionDirectory(
            after: isAlone ? 0 : await loops[0].run { Int64.random(in: 0..<1 << 52, using: &$0.random) })
        var (shards, mailboxes): ([LoopBound<AppShard>], [Mailbox<AppMail>]) = ([], [])
        for (index, loop) in loops.enumerated() {
            let directory = directory
            let shard = await loop.own { AppShard(on: $0, index, of: loops.count, plan, directory, app) }
            shards.append(shard)
            mailboxes.append(await shard.run { _, shard in shard.mailbox })
        }
        (self.shards, self.mailboxes) = (shards, mailboxes)
        let member = plan.cluster.map { ClusterMember($0, app, plan) }
        self.member = member
        for shard in shards {
            await shard.run { _, shard in
                shard.server = self
                if let member { shard.join(member) }
            }
        }
    }

    var addresses: [SocketAddress] { listening.withLock { $0.map(\.address) } }

    func open(_ acceptors: [any Acceptor]) async throws {
        try await modules.start(app)
        for acceptor in acceptors {
            let opened = try await acceptor.open(into: shards)
            listening.withLock { $0.append(opened) }
        }
        try await member?.start(self)
        app.timers.begin(self)
        guard let tracer = plan.tracer else { return }
        let resource = ["service.name": app.type, "service.instance.id": app.id, "service.version": Version.current]
        await shards[0].run { loop, shard in
            shard.exporter = SpanExporter(on: loop, tracer.queue, tracer.settings, resource: resource)
            shard.exporter?.begin()
        }
    }

    // MARK: The end

    /// Returns how many messages were still under way when their time was over. Nil leaves sessions no time.
    func close(drainingWithin most: Duration?) async -> Int {
        let limit = most ?? plan.settings.drainLimit
        for await _ in await begin(
            shards[0],
            { shard, then in
                guard let calls = shard.cluster?.reliable else { return then(0) }
                calls.end(within: limit, then: then)
            })
        {}
        await member?.withdraw()
        for listening in listening.withLock({ exchange(&$0, with: []) }) { await listening.stop() }
        if most != nil, let drain = plan.settings.drain { await letLeave(drain) }
        app.timers.end()
        for await _ in await begin(
            shards[0],
            { shard, then in
                guard let cluster = shard.cluster else { return then(0) }
                cluster.takeNoMore(within: min(limit, .seconds(1)), then: then)
            })
        {}
        var waits: [AsyncStream<Int>] = []
        for shard in shards { waits.append(await begin(shard) { $0.drain(within: limit, then: $1) }) }
        var cutOff = 0
        for wait in waits { for await count in wait { cutOff += count } }
        await member?.leave()
        await modules.beforeStop(app)
        for shard in shards { await shard.run { _, shard in shard.closeAll() } }
        for await _ in await begin(
            shards[0],
            { shard, then in
                guard let exporter = shard.exporter else { return then(0) }
                exporter.end(within: min(limit, .seconds(2))) { then(0) }
            })
        {}
        await modules.stop(app)
        return cutOff
    }

    /// Sessions leave by themselves; those that have not in time are closed one after the other, while the others are
    /// still served.
    private func letLeave(_ drain: AppSettings.SessionDrain) async {
        modules.startDraining(app)
        let (modules, directory) = (modules, directory)
        let wait = await begin(shards[0]) { shard, then in
            SessionWait(drain, { directory.count == 0 && modules.areEmpty }, then).check(on: shard.loop)
        }
        for await _ in wait {}
        var closings: [AsyncStream<Int>] = []
        for shard in shards {
            closings.append(await begin(shard) { SessionClosing($0, over: drain.spread, $1).step(on: $0.loop) })
        }
        for closing in closings { for await _ in closing {} }
    }

    /// Begins something on a loop that says a number when it is over.
    private func begin(
        _ shard: LoopBound<AppShard>, _ body: @Sendable (AppShard, @escaping @Sendable (Int) -> Void) -> Void
    ) async -> AsyncStream<Int> {
        let (answer, waiter) = AsyncStream.makeStream(of: Int.self)
        await shard.run { _, shard in
            body(shard) { count in
                waiter.yield(count)
                waiter.finish()
            }
        }
        return answer
    }

    /// Lets go of the loops. Nobody may reach for them any more.
    func release() async {
        await door.shut()
        for shard in shards { await shard.release() }
    }

    // MARK: To users, from anywhere

    /// Returns those that are certainly nowhere. Of a user that should be at another server nobody knows.
    func push(_ route: String, _ body: [UInt8], to users: some Collection<String>, at type: String?) throws -> [String]
    {
        let type = try member?.frontendType(type) ?? plan.type
        var absent = Array(users)
        if type == plan.type { absent = try pushHere(route, body, to: users) }
        return publish(to: absent) { user in
            (ClusterSubject.push(user, at: type), PomeloProtos.Push(route: route, uid: user, data: body).protobuf)
        }
    }

    /// To those who are here; returns the others.
    func pushHere(_ route: String, _ body: [UInt8], to users: some Collection<String>) throws -> [String] {
        let packet = SharedBytes(try push(route, body))
        let (places, absent) = directory.find(users, loops: mailboxes.count)
        for (loop, links) in places.enumerated() where !links.isEmpty {
            if !tell(loop, .send(packet, links)) { missed.add(links.count, ordering: .relaxed) }
        }
        return absent
    }

    private func push(_ route: String, _ body: [UInt8]) throws -> [UInt8] {
        let packet = here.flatMap { index in
            shards[index].ifHere { loop, shard in
                Result { try shard.plan.push(route, body, compressedBy: loop.deflatePool) }
            }
        }
        if let packet { return try packet.get() }
        return try plan.push(route, body, compressedBy: DeflatePool())  // Not on a loop of the app.
    }

    func kick(_ users: some Collection<String>, at type: String?) throws -> [String] {
        let (places, absent) = directory.find(users, loops: mailboxes.count)
        for (loop, links) in places.enumerated() { for link in links { tell(loop, .kick(link, .kicked)) } }
        guard !absent.isEmpty, let type = try member?.frontendType(type) else { return absent }
        return publish(to: absent) { user in
            (ClusterSubject.kick(user, at: type), PomeloProtos.KickMsg(userId: user).protobuf)
        }
    }

    private func publish(
        to users: [String], _ message: (String) -> (subject: String, body: [UInt8])
    ) -> [String] {
        guard member != nil else { return users }
        var messages: [(subject: String, body: [UInt8])] = []
        var unreachable: [String] = []
        for user in users {
            if ClusterSubject.fault(in: user) == nil {
                messages.append(message(user))
            } else {
                unreachable.append(user)
            }
        }
        if !messages.isEmpty, !tell(here ?? 0, .publish(messages)) { missed.add(messages.count, ordering: .relaxed) }
        return unreachable
    }

    /// How many were missed since the last time.
    func takeMissed() -> Int {
        missed.load(ordering: .relaxed) == 0 ? 0 : missed.exchange(0, ordering: .relaxed)
    }

    /// The loop of the app on which the caller is.
    var here: Int? { shards.firstIndex { $0.ifHere { _, _ in true } ?? false } }

    func kick(_ place: SessionPlace, _ reason: CloseReason) { tell(place.loop, .kick(place.link, reason)) }

    /// At once on the caller's own loop: what a handler says to others comes before its answer.
    /// False when that is far behind.
    @discardableResult
    func tell(_ loop: Int, _ mail: AppMail) -> Bool {
        shards[loop].ifHere { _, shard in shard.take(mail) } != nil || mailboxes[loop].post(mail)
    }

    func player(_ user: String) -> Player? {
        directory.find(user).map { Player(id: $0.id, uid: user, place: $0, mailbox: mailboxes[$0.loop]) }
    }
}

extension AppPlan {
    /// A push as the bytes of its packet, the same for all clients.
    func push(_ route: String, _ body: [UInt8], compressedBy pool: DeflatePool) throws -> [UInt8] {
        try framing.packet(.push(dictionary.head(for: route)), body, by: pool)
    }
}

/// What other loops and tasks ask a part of an app to do.
enum AppMail: Sendable {
    case send(SharedBytes, [LinkID])
    case kick(LinkID, CloseReason)
    case run(LinkID, @Sendable (Session) -> Void)
    /// It begins, or has been stopped.
    case timer(AppTimer)
    /// Who is in the cluster now.
    case servers(ClusterServers)
    /// A call of another server.
    case serve(IncomingCall)
    /// One that is about a session here.
    case serveSession(IncomingCall, LinkID)
    /// A user has logged in at a server. Who has claimed the user before, by the registry's count, is the older one;
    /// servers that do not count are always right.
    case bound(user: String, at: String, revision: Int64?)
    /// Logins elsewhere may not have been heard of.
    case reviewClaims
    /// Something for other servers.
    case publish([(subject: String, body: [UInt8])])
}
