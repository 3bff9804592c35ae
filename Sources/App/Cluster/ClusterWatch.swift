import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// What follows the registry, on one loop of the app: who the others are, and that they know of this server.
final class ClusterWatch: TimerTarget {
    private let member: ClusterMember
    private let server: AppServer
    fileprivate let part: ClusterPart
    private let loop: Loop
    private var mirror: RegistryMirror?
    private var servers: [RegistryBytes: ClusterServer] = [:]
    private(set) var events: Mailbox<RegistryLease.Event>
    private var counted: Set<String> = []
    private var mustTell = false
    private var failures = 0
    private var isOver = false
    private(set) var isWithdrawn = false
    private static let again = Reconnecting(first: .seconds(1), longest: .seconds(10))
    /// Ends when the registry was told of this server for the first time, or could not be. It has the error when
    /// another server has the name.
    let firstTry: AsyncStream<AppStartError>
    private let tried: AsyncStream<AppStartError>.Continuation

    init(_ member: ClusterMember, _ server: AppServer, _ part: ClusterPart, on loop: Loop) {
        (self.member, self.server, self.part, self.loop) = (member, server, part, loop)
        (firstTry, tried) = AsyncStream.makeStream(of: AppStartError.self)
        events = loop.mailbox { _ in }
        loop.remove(events)
        events = loop.mailbox { [unowned self] in leaseChanged($0) }
    }

    func start() {
        mirror = RegistryMirror(
            member.cluster.registry.on(loop), prefix: RegistryBytes(member.keys.servers), limit: Self.mostServers
        ) { [unowned self] in take($0) }
        register()
    }
    private static let mostServers = 100_000

    /// This server is not to be found any more. It still follows the others.
    func withdraw() { isWithdrawn = true }

    func stop() {
        (isOver, isWithdrawn) = (true, true)
        mirror?.end()
        loop.remove(events)
        tried.finish()
    }

    // MARK: The others

    private func take(_ change: RegistryChange) {
        servers[change.key] = change.entry.flatMap { server(of: $0) }
        if mustTell { return }
        mustTell = true
        loop.after(.zero, self, token: Self.tellToken)  // Many changes are told at once.
    }

    private func server(of entry: RegistryEntry) -> ClusterServer? {
        guard let (type, id) = member.keys.server(at: entry.key.text) else { return nil }
        let isIgnored = member.cluster.settings.ignoredTypes.contains(type) && type != member.own.type
        if isIgnored { return nil }
        do throws(PomeloError) {
            let server = try ClusterServer(json: unsafe entry.value.bytes.span.bytes)  // Safe: bytes have no padding.
            if server.type == type, server.id == id { return server }
            Log.shared.warning("a server says that it is another", ["key": entry.key.text])
        } catch {
            Log.shared.warning(
                "what a server says of itself cannot be read", ["key": entry.key.text, "error": "\(error)"])
        }
        return nil
    }

    private func tell() {
        mustTell = false
        let known = ClusterServers(servers.values)
        for index in server.shards.indices { server.tell(index, .servers(known)) }
        member.know(known)
        count(known)
    }

    private func count(_ known: ClusterServers) {
        for type in known.types where counted.count < Self.mostTypes { counted.insert(type) }
        for type in counted {
            loop.meters.gauge(
                "pitaya_service_discovery_count_servers", "Servers of the cluster that are known, by type.",
                labels: [("type", type), ("serverType", member.own.type)]
            ).set(Int64(known.ofType(type).count))
        }
    }
    /// Meters cannot be made for whatever somebody writes into the registry.
    private static let mostTypes = 100

    // MARK: This server

    private var gauge: Gauge {
        loop.meters.gauge(
            "omniway_app_registered", "1 while the other servers of the cluster can find this one.",
            labels: [("serverType", member.own.type)])
    }

    private func register() {
        if loop.start(Registration(self, member, on: server.loops[0])) == nil {
            registered(AppError(AppError.overloaded, "too many tasks"))
        }
    }

    /// With an error it was not, and is tried again.
    fileprivate func registered(_ error: (any Error)?) {
        defer { tried.finish() }
        if let error = error as? AppStartError { tried.yield(error) } else { part.serve() }
        guard let error else {
            failures = 0
            gauge.set(1)
            return Log.shared.notice("cluster joined", ["type": member.own.type, "id": member.own.id])
        }
        if isWithdrawn { return }
        let pause = Self.again.pause(after: failures, chance: loop.random.next())
        failures += 1
        Log.shared.warning("this server is not registered yet", ["error": "\(error)", "again in": "\(pause)"])
        loop.after(pause, self, token: Self.registerToken)
    }

    /// What became of the lease while the registry was away.
    private func leaseChanged(_ event: RegistryLease.Event) {
        switch event {
        case .lost(let error):
            gauge.set(0)
            Log.shared.warning("the others may not see this server any more", ["error": "\(error)"])
        case .regained, .restored:
            gauge.set(1)
            Log.shared.notice("the others see this server again", [:])
        case .ended: break
        }
        guard case .restored(let taken) = event else { return }
        // Users that have logged in elsewhere meanwhile.
        let prefix = RegistryBytes(member.keys.binding("", at: member.own.type))
        for user in taken.compactMap({ $0.after(prefix)?.text }) {
            if let place = server.directory.find(user) { server.kick(place, .replaced) }
        }
        guard member.own.isFrontend, member.cluster.settings.uniqueSessions else { return }
        for index in server.shards.indices { server.tell(index, .reviewClaims) }
    }

    private static let tellToken: UInt64 = 1
    private static let registerToken: UInt64 = 2

    func timerFired(_ token: UInt64, on loop: Loop) {
        if isOver { return }
        if token == Self.tellToken { tell() } else if !isWithdrawn { register() }
    }
}

/// One attempt to be known.
private final class Registration: LoopTask {
    private let watch: ClusterWatch
    private let member: ClusterMember
    private let home: EventLoop

    init(_ watch: ClusterWatch, _ member: ClusterMember, on home: EventLoop) {
        (self.watch, self.member, self.home) = (watch, member, home)
    }

    nonisolated(nonsending) func run() async {
        do {
            try await register()
        } catch { watch.registered(error) }
    }

    /// The registry decides between two that come at the same time.
    private nonisolated(nonsending) func register() async throws {
        let registry = member.cluster.registry
        let key = RegistryBytes(member.keys.server(member.own))
        var before = try await registry.get(key)
        if before != nil {
            // Of its last life, or another's, who answers; this one's own answer would say nothing.
            watch.part.stopListening()
            try await member.refuseTwin(on: home)
        }
        if watch.isWithdrawn { return }
        try watch.part.listen()
        let events = watch.events
        let lease = try await registry.lease(ttl: member.cluster.settings.lease) { events.post($0) }
        if watch.isWithdrawn { return }
        while true {
            let outcome = try await registry.transact(
                RegistryTransaction(
                    if: [before.map { .unchanged($0) } ?? .absent(key)],
                    then: [.put(key, RegistryBytes(member.own.json), lease: lease)], else: [.get(key)]))
            if outcome.succeeded { break }
            if outcome.results.first?.entries.isEmpty == false {
                watch.part.stopListening()
                throw AppStartError.taken(type: member.own.type, id: member.own.id)
            }
            before = nil  // The last life's lease has just ended.
        }
        member.registered(lease)
        watch.registered(nil)
    }
}
