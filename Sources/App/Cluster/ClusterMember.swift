import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// This server as one of its cluster: known to the others, and knowing them.
final class ClusterMember: Sendable {
    let cluster: AppCluster
    let own: ClusterServer
    let keys: ClusterKeys
    let hooks: [@Sendable (ClusterChange) -> Void]
    private let known = Lock(ClusterServers([]))
    private let lease = Lock<RegistryLease?>(nil)
    /// Why the bus is away, by loop.
    private let away = Lock<[Int: String]>([:])
    private let watch = Lock<LoopBound<ClusterWatch>?>(nil)

    init(_ cluster: AppCluster, _ app: App, _ plan: AppPlan) {
        (self.cluster, hooks) = (cluster, plan.serverHooks)
        own = ClusterServer(
            id: app.id, type: app.type, metadata: cluster.settings.metadata, isFrontend: plan.isFrontend,
            host: Host.name)
        keys = ClusterKeys(prefix: cluster.settings.prefix)
    }

    var servers: ClusterServers { known.withLock { $0 } }
    /// What goes when this server does; nil before it is registered.
    var currentLease: RegistryLease? { lease.withLock { $0 } }

    /// Listens for the others, then tells them. A store or a bus that is away does not keep the server from starting:
    /// it is one of the cluster as soon as they are back.
    func start(_ server: AppServer) async throws {
        for shard in server.shards { await shard.run { _, shard in shard.cluster?.begin() } }
        let shard = server.shards[0]
        try await refuseTwin(on: server.loops[0])
        try await shard.run { _, shard in
            try shard.cluster?.listen()
            try shard.cluster?.followLogins()
        }
        let watch = try await shard.map { loop, shard throws(AppError) in
            guard let part = shard.cluster else { throw .noCluster }
            return ClusterWatch(self, server, part, on: loop)
        }
        self.watch.withLock { $0 = watch }
        await watch.run { _, watch in watch.start() }
        for await refusal in await watch.run({ _, watch in watch.firstTry }) { throw refusal }
        await shard.run { _, shard in shard.cluster?.reliable.begin() }
    }

    /// Two of one type and id would both carry out each message. One that died without a word does not answer. When
    /// the bus is away nobody can say.
    func refuseTwin(on loop: EventLoop) async throws(AppStartError) {
        do throws(BusError) {
            try await cluster.bus.ready(within: .seconds(1), on: [loop])
            _ = try await cluster.bus.request(
                ClusterSubject.server(own.type, own.id), ClusterStatus.question, deadline: .seconds(1), on: loop)
        } catch {
            if case .timedOut = error {
                Log.shared.warning(
                    "somebody listens to the subject of this server and does not answer: it stands still, or watches",
                    ["type": own.type, "id": own.id])
            }
            return
        }
        throw AppStartError.taken(type: own.type, id: own.id)
    }

    func registered(_ lease: RegistryLease) { self.lease.withLock { $0 = lease } }

    /// New since the last time, and gone since.
    func know(_ servers: ClusterServers) {
        let before = known.withLock { exchange(&$0, with: servers) }
        for change in servers.changes(since: before) 
        where change.server.id != own.id || change.server.type != own.type {
            Log.shared.info(
                "cluster changed", ["server": change.server.id, "type": change.server.type, "change": change.word])
            for hook in hooks { hook(change) }
        }
    }

    /// What cannot be used now, in words.
    var troubles: [String] {
        var troubles: [String] = []
        if case .degraded(let error) = cluster.registry.health { troubles.append("registry: \(error)") }
        for (loop, words) in away.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            troubles.append("bus of loop \(loop): \(words)")
        }
        if currentLease?.isHeld != true { troubles.append("not registered: the other servers cannot find this one") }
        return troubles
    }

    func bus(of loop: Int, isAway words: String?) { away.withLock { $0[loop] = words } }

    /// The others send nothing more to this server. It still knows them, and writes down who logs in.
    func withdraw() async {
        guard let watch = watch.withLock({ $0 }) else { return }
        await watch.run { _, watch in watch.withdraw() }
        guard let lease = currentLease else { return }
        do {
            let registry = cluster.registry.within(.seconds(2))
            // Another server may have the name by now: one that took this one for dead.
            guard let entry = try await registry.get(RegistryBytes(keys.server(own))), entry.lease == lease.id else {
                return
            }
            _ = try await registry.transact(
                RegistryTransaction(if: [.unchanged(entry)], then: [.delete(entry.key)]))
        } catch {
            Log.shared.warning("the registry still knows this server until it has stopped", ["error": "\(error)"])
        }
    }

    /// Nothing of it is left.
    func leave() async {
        if let watch = watch.withLock({ exchange(&$0, with: nil) }) {
            await watch.run { _, watch in watch.stop() }
            await watch.release()
        }
        guard let lease = lease.withLock({ exchange(&$0, with: nil) }) else { return }
        do {
            try await lease.revoke()
        } catch {
            Log.shared.warning(
                "the registry still knows this server until its lease ends",
                ["error": "\(error)", "ttl": "\(lease.ttl)"])
        }
    }

    /// Where frontends are, if that is not said: here, or at those of the only type.
    func frontendType(_ named: String?) throws -> String {
        if let named {
            if let fault = ClusterSubject.fault(in: named) {
                throw AppError(AppError.badRequest, "\"\(named)\" is no type of servers: \(fault)")
            }
            return named
        }
        if own.isFrontend { return own.type }
        let types = servers.frontendTypes
        guard types.count == 1, let only = types.first else {
            throw AppError(
                AppError.badRequest,
                types.isEmpty
                    ? "no frontend is known yet; name the type: at: \"connector\""
                    : "frontends are of the types \(types.sorted().joined(separator: ", ")); name one")
        }
        return only
    }
}

extension ClusterChange {
    fileprivate var server: ClusterServer {
        switch self {
        case .came(let server), .went(let server): server
        }
    }
    fileprivate var word: String {
        switch self {
        case .came: "came"
        case .went: "went"
        }
    }
}

extension ClusterServers {
    /// Who has come and gone, in the order of types and ids.
    func changes(since before: ClusterServers) -> [ClusterChange] {
        before.all.filter { !has($0) }.map { .went($0) } + all.filter { !before.has($0) }.map { .came($0) }
    }
}
