import OmniwayCrypto
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// An app that runs: its parts on the loops, and what they share.
final class AppServer: Sendable {
    let plan: AppPlan
    let directory = SessionDirectory()
    private let app: App
    let shards: [LoopBound<AppShard>]
    private let mailboxes: [Mailbox<AppMail>]
    private let modules: AppModules
    private let listening = Lock<[Listening]>([])

    init(
        _ plan: AppPlan, _ app: App, _ modules: [(name: String, module: any Module)], on loops: [EventLoop]
    ) async {
        (self.plan, self.app, self.modules) = (plan, app, AppModules(modules))
        var (shards, mailboxes): ([LoopBound<AppShard>], [Mailbox<AppMail>]) = ([], [])
        for (index, loop) in loops.enumerated() {
            let directory = directory
            let shard = await loop.own { AppShard(on: $0, index, of: loops.count, plan, directory, app) }
            shards.append(shard)
            mailboxes.append(await shard.run { _, shard in shard.mailbox })
        }
        (self.shards, self.mailboxes) = (shards, mailboxes)
        for shard in shards { await shard.run { _, shard in shard.server = self } }
    }

    var addresses: [SocketAddress] { listening.withLock { $0.map(\.address) } }

    func open(_ acceptors: [any Acceptor]) async throws {
        try await modules.start(app)
        for acceptor in acceptors {
            let opened = try await acceptor.open(into: shards)
            listening.withLock { $0.append(opened) }
        }
        app.timers.begin(self)
    }

    // MARK: The end

    /// Returns how many messages were still under way when their time was over.
    func close(drains: Bool) async -> Int {
        for listening in listening.withLock({ exchange(&$0, with: []) }) { await listening.stop() }
        if drains, let drain = plan.settings.drain { await letLeave(drain) }
        app.timers.end()
        let limit = plan.settings.drainLimit
        var waits: [AsyncStream<Int>] = []
        for shard in shards { waits.append(await begin(shard) { $0.drain(within: limit, then: $1) }) }
        var cutOff = 0
        for wait in waits { for await count in wait { cutOff += count } }
        await modules.beforeStop(app)
        for shard in shards { await shard.run { _, shard in shard.closeAll() } }
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
    func release() async { for shard in shards { await shard.release() } }

    // MARK: To users, from anywhere

    func push(_ route: String, _ body: [UInt8], to users: some Collection<String>) throws -> [String] {
        let packet = SharedBytes(try push(route, body))
        let (places, absent) = directory.find(users, loops: mailboxes.count)
        for (loop, links) in places.enumerated() where !links.isEmpty { tell(loop, .send(packet, links)) }
        return absent
    }

    private func push(_ route: String, _ body: [UInt8]) throws -> [UInt8] {
        for shard in shards {
            let packet = shard.ifHere { loop, shard in
                Result { try shard.plan.push(route, body, compressedBy: loop.deflatePool) }
            }
            if let packet { return try packet.get() }
        }
        return try plan.push(route, body, compressedBy: DeflatePool())  // Not on a loop of the app.
    }

    func kick(_ users: some Collection<String>) -> [String] {
        let (places, absent) = directory.find(users, loops: mailboxes.count)
        for (loop, links) in places.enumerated() { for link in links { tell(loop, .kick(link, .kicked)) } }
        return absent
    }

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
        // Safe because bytes have no padding.
        let short = compression?.compressed(unsafe body.span.bytes, by: pool)
        var packet: [UInt8] = []
        try PomeloMessageHead.push(dictionary.head(for: route))
            .append(to: &packet, body: (short ?? body).count, isCompressed: short != nil)
        packet += short ?? body
        return packet
    }
}

/// What other loops and tasks ask a part of an app to do.
enum AppMail: Sendable {
    case send(SharedBytes, [LinkID])
    case kick(LinkID, CloseReason)
    case run(LinkID, @Sendable (Session) -> Void)
    /// It begins, or has been stopped.
    case timer(AppTimer)
}
