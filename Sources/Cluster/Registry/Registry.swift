public import OmniwayTelemetry
public import OmniwayTransport

/// What the parts of a cluster know together: keys with values, kept by a store that all of them reach.
///
/// ```swift
/// let registry = try await Registry.open(.sqlite("registry.db"), on: loop)
/// let lease = try await registry.lease(ttl: .seconds(10))
/// try await registry.put("servers/room/1", description, lease: lease)
/// let rooms = try await registry.list("servers/room/")
/// ```
///
/// Every change has a revision, a number that grows, and watches tell them in that order. A value is what its key was
/// last put to; conditions of a transaction compare revisions, versions or values. So it is with etcd, and every
/// driver keeps to it.
///
/// A `Registry` may be used from any loop or task. It has a loop of its own, where its driver lives and its leases are
/// kept alive. Code on a loop that does not wait in tasks, and watches, use `on(_:)`.
public struct Registry: Sendable {
    let door: RegistryDoor
    private let home: LoopBound<RegistryHome>
    var deadline: Duration

    /// Connects to a store. A store that is away is no error: calls fail until it is back, and `health` says so. A
    /// file that cannot be opened, and settings that can never work, are.
    public static func open(
        _ store: RegistryStore, on loop: EventLoop, limits: RegistryLimits = RegistryLimits(), log: Log = .shared
    ) async throws(RegistryError) -> Registry {
        let home: LoopBound<RegistryHome>
        switch store.kind {
        case .memory(nil):
            home = await loop.own { RegistryHome(on: $0, MemoryDriver(MemoryStore(on: $0)), limits: limits, log: log) }
        case .memory(let shared?):
            guard shared.home === loop else {
                throw RegistryError(.invalid, "the shared store lives on another loop; open its registries there")
            }
            home = await shared.map { RegistryHome(on: $0, MemoryDriver($1), limits: limits, log: log) }
        case .sqlite(let path, let history):
            try store.checkClock(of: loop)
            let worker = try await SQLiteWorker.open(path, history: history)
            home = await loop.own { RegistryHome(on: $0, SQLiteDriver(on: $0, worker), limits: limits, log: log) }
        case .etcd(let settings):
            try store.checkClock(of: loop)
            let members = try settings.members()
            home = await loop.own {
                RegistryHome(on: $0, EtcdDriver(on: $0, settings, members, limits), limits: limits, log: log)
            }
        }
        return Registry(door: await home.run { $1.door }, home: home, deadline: limits.deadline)
    }

    /// The same registry, whose calls may take so long.
    public func within(_ deadline: Duration) -> Registry {
        var copy = self
        copy.deadline = deadline
        return copy
    }

    /// How it is with the store, as far as was heard.
    public var health: RegistryHealth { door.health }

    // MARK: Reading

    /// What a key is now.
    public func get(_ key: RegistryBytes) async throws(RegistryError) -> RegistryEntry? {
        try await transact(RegistryTransaction(then: [.get(key)])).results.first?.entries.first
    }

    /// All keys with a prefix, at one revision. A watch from the next revision misses nothing.
    public func list(_ prefix: RegistryBytes, keysOnly: Bool = false) async throws(RegistryError) -> RegistryListing {
        let reply = try await door.ask(.list(.prefix(prefix), keysOnly: keysOnly), within: deadline)
        guard case .listing(let listing) = reply else { throw .unexpected("a list was given") }
        return listing
    }

    // MARK: Writing

    /// Puts a value, and gives the revision that this made.
    @discardableResult
    public func put(
        _ key: RegistryBytes, _ value: RegistryBytes, lease: RegistryLease? = nil
    ) async throws(RegistryError) -> Int64 {
        try await transact(RegistryTransaction(then: [.put(key, value, lease: lease)])).revision
    }

    /// Puts a value if the condition holds, and fails as `compareFailed` otherwise.
    @discardableResult
    public func put(
        _ key: RegistryBytes, _ value: RegistryBytes, lease: RegistryLease? = nil, if condition: RegistryCondition
    ) async throws(RegistryError) -> Int64 {
        let outcome = try await transact(
            RegistryTransaction(if: [condition], then: [.put(key, value, lease: lease)]))
        if !outcome.succeeded {
            throw RegistryError(.compareFailed, "\(key) was not put: \(condition.key) is not what it should be")
        }
        return outcome.revision
    }

    /// Deletes a key. False when there was none.
    @discardableResult
    public func delete(_ key: RegistryBytes) async throws(RegistryError) -> Bool {
        try await transact(RegistryTransaction(then: [.delete(key)])).results.first?.deleted == 1
    }

    /// Deletes all keys with a prefix, and says how many there were.
    @discardableResult
    public func deleteAll(_ prefix: RegistryBytes) async throws(RegistryError) -> Int {
        try await transact(RegistryTransaction(then: [.deleteAll(prefix: prefix)])).results.first?.deleted ?? 0
    }

    /// Does a transaction: at most 128 conditions, 128 operations in each branch, and 1.5 MiB.
    public func transact(_ transaction: RegistryTransaction) async throws(RegistryError) -> RegistryOutcome {
        let reply = try await door.ask(.transaction(transaction), within: deadline)
        guard case .outcome(let outcome) = reply else { throw .unexpected("a transaction was done") }
        return outcome
    }

    // MARK: Leases

    /// A lease that stays alive by itself, rounded up to seconds. A store may give it more time than was asked for.
    /// `changed` is called on the registry's loop.
    public func lease(
        ttl: Duration, afterLoss: RegistryLease.AfterLoss = .restores,
        changed: @escaping @Sendable (RegistryLease.Event) -> Void = { _ in }
    ) async throws(RegistryError) -> RegistryLease {
        let question = RegistryQuestion.lease(seconds: ttl.wholeSeconds, afterLoss, changed)
        guard case .lease(let lease) = try await door.ask(question, within: deadline) else {
            throw .unexpected("a lease was granted")
        }
        return lease
    }

    /// A lease that ends unless somebody, here or in another program, calls `keepAlive` in time: for what belongs to
    /// nobody in particular. Its number goes into `putUnder`.
    public func grant(ttl: Duration) async throws(RegistryError) -> Int64 {
        guard case .granted(let id, _) = try await door.ask(.grant(seconds: ttl.wholeSeconds), within: deadline) else {
            throw .unexpected("a lease was granted")
        }
        return id
    }

    /// Gives a lease its whole time once more, and says how long that is.
    @discardableResult
    public func keepAlive(_ lease: Int64) async throws(RegistryError) -> Duration {
        guard case .granted(_, let ttl) = try await door.ask(.keepAlive(lease), within: deadline) else {
            throw .unexpected("a lease was kept alive")
        }
        return ttl
    }

    /// Ends a lease by its number, and its keys with it.
    public func revoke(_ lease: Int64) async throws(RegistryError) {
        _ = try await door.ask(.end(lease), within: deadline)
    }

    // MARK: The past, and the end

    /// Forgets the changes up to a revision, for all who use the store. Watches that still want them start over.
    /// Stores forget by themselves too: ours by `RegistryHistory`, etcd as it was told when it was started.
    public func compact(through revision: Int64) async throws(RegistryError) {
        _ = try await door.ask(.compact(revision), within: deadline)
    }

    /// Makes a store in memory unreachable through this registry, or reachable again, for tests. Other stores can be
    /// stopped themselves.
    public func simulateOutage(_ isAway: Bool) { door.post(.outage(isAway)) }

    /// Ends leases and watches, and lets go of the store. Call it once.
    public func close() async {
        do throws(RegistryError) {
            _ = try await door.ask(.close, within: deadline)
        } catch { return }  // Somebody has closed it already.
        await home.release()
    }
}

extension Duration {
    /// Leases have whole seconds, at least one.
    var wholeSeconds: Int64 {
        let (seconds, rest) = components
        return max(1, rest > 0 ? seconds + 1 : seconds)
    }
}

extension RegistryDoor {
    func ask(_ question: RegistryQuestion, within limit: Duration) async throws(RegistryError) -> RegistryReply {
        try await withCheckedContinuation { waiter in
            ask(question, within: limit) { waiter.resume(returning: $0) }
        }.get()
    }
}
