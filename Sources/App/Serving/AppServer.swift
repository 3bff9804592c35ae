import OmniwayCrypto
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// An app that runs: its parts on the loops, and what they share.
final class AppServer: Sendable {
    let plan: AppPlan
    let directory = SessionDirectory()
    private let app: App
    private let shards: [LoopBound<AppShard>]
    private let mailboxes: [Mailbox<AppMail>]
    private let opened = Lock(Opened())

    private struct Opened {
        var listening: [Listening] = []
        var services: [any Service] = []
    }

    init(_ plan: AppPlan, _ app: App, on loops: [EventLoop]) async {
        (self.plan, self.app) = (plan, app)
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

    var addresses: [SocketAddress] { opened.withLock { $0.listening.map(\.address) } }

    func open(_ blueprint: AppBlueprint) async throws {
        do {
            for service in blueprint.services {
                try await service.start(app)
                opened.withLock { $0.services.append(service) }
            }
            for acceptor in blueprint.acceptors {
                let listening = try await acceptor.open(into: shards)
                opened.withLock { $0.listening.append(listening) }
            }
        } catch {
            _ = await close()
            throw error
        }
    }

    func close() async -> Int {
        for listening in opened.withLock({ exchange(&$0.listening, with: []) }) { await listening.stop() }
        var cutOff = 0
        for shard in shards { cutOff += await drain(shard) }
        for service in opened.withLock({ exchange(&$0.services, with: []) }).reversed() { await service.stop(app) }
        for shard in shards {
            await shard.run { _, shard in shard.closeAll() }
            await shard.release()
        }
        return cutOff
    }

    /// How many messages were still under way when the time was over.
    private func drain(_ shard: LoopBound<AppShard>) async -> Int {
        let (answer, waiter) = AsyncStream.makeStream(of: Int.self)
        let limit = plan.settings.drainLimit
        await shard.run { _, shard in
            shard.drain(within: limit) { count in
                waiter.yield(count)
                waiter.finish()
            }
        }
        for await count in answer { return count }
        return 0
    }

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
    private func tell(_ loop: Int, _ mail: AppMail) {
        if shards[loop].ifHere({ _, shard in shard.take(mail) }) == nil { mailboxes[loop].post(mail) }
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
}
