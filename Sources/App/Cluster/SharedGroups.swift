import OmniwayCluster
import OmniwayWire

extension App {
    /// Groups that all servers of the cluster share; `groups` are those of this process alone.
    public var sharedGroups: SharedGroups { SharedGroups(app: self) }
}

/// Users under a name, in the registry of the cluster, with the keys that pitaya's servers have for them.
///
/// ```swift
/// try await app.sharedGroups.create("room-7", life: .seconds(600))
/// try await app.sharedGroups.add("ann", to: "room-7")
/// try await app.sharedGroups.broadcast("onMessage", text, to: "room-7")
/// ```
///
/// Every call asks the registry, so that all servers see the same; without it they fail as `PIT-503`. A group with a
/// life is gone, and all who are in it, when nobody has renewed it for so long.
public struct SharedGroups: Sendable {
    let app: App

    /// Makes an empty group. A `life` is of whole seconds, rounded up; the store may give more.
    public func create(_ name: String, life: Duration? = nil) async throws {
        precondition(life.map { $0 > .zero } ?? true, "a group's life is longer than nothing; nil for ever")
        let group = try group(name)
        let now = try await group.do(RegistryTransaction(then: [.get(group.key), .count(prefix: group.all)]))
        if !now.results[0].entries.isEmpty { throw AppError.groupExists }
        guard now.results[1].count < group.limits.groupKeys else {
            throw AppError(
                AppError.unknown, "the registry has \(group.limits.groupKeys) groups and members; delete some groups")
        }
        let lease = try await group.lease(for: life)
        let put = group.put(group.key, lease)
        if try await group.do(RegistryTransaction(if: [.absent(group.key)], then: [put])).succeeded { return }
        await group.end(lease)
        throw AppError.groupExists
    }

    /// Lets a group live on, as long from now as it was made for.
    public func renew(_ name: String) async throws {
        let group = try group(name)
        guard let entry = try await group.entry() else { throw AppError.noGroup }
        if entry.lease == 0 { throw AppError(AppError.unknown, "the group \(name) was made to stay for ever") }
        try await group.renew(entry.lease)
    }

    /// A user is in a group once.
    public func add(_ user: String, to name: String) async throws {
        let group = try group(name)
        let member = try group.key(of: user)
        let look: [RegistryOperation] = [.get(group.key), .get(member), .count(prefix: group.members)]
        var seen = try await group.do(RegistryTransaction(then: look))
        for _ in 0..<Self.attempts {
            guard let entry = seen.results[0].entries.first else { throw AppError.noGroup }
            if !seen.results[1].entries.isEmpty { throw AppError.alreadyMember }
            if seen.results[2].count >= group.limits.groupMembers {
                throw AppError(
                    AppError.unknown,
                    "the group has \(group.limits.groupMembers) members, as many as may be; use another one")
            }
            // Under the lease of the group that was seen, and of no other that has its name since.
            seen = try await group.do(
                RegistryTransaction(
                    if: [.unchanged(entry), .absent(member)], then: [group.put(member, entry.lease)], else: look))
            if seen.succeeded { return }
        }
        throw AppError(AppError.unavailable, "the group \(name) comes and goes all the time; try again later")
    }
    private static let attempts = 10

    public func remove(_ user: String, from name: String) async throws {
        let group = try group(name)
        let member = try group.key(of: user)
        let outcome = try await group.do(
            RegistryTransaction(
                if: [.exists(group.key), .exists(member)], then: [.delete(member)], else: [.get(group.key)]))
        if outcome.succeeded { return }
        throw outcome.results[0].entries.isEmpty ? AppError.noGroup : AppError.noMember
    }

    /// The group stays, empty.
    public func removeAll(from name: String) async throws {
        let group = try group(name)
        try await group.whileThere([.deleteAll(prefix: group.members)])
    }

    public func delete(_ name: String) async throws {
        let group = try group(name)
        let outcome = try await group.whileThere([
            .get(group.key), .delete(group.key), .deleteAll(prefix: group.members),
        ])
        await group.end(outcome.results[0].entries.first.flatMap { $0.lease == 0 ? nil : $0.lease })
    }

    /// Sorted.
    public func members(of name: String) async throws -> [String] {
        let group = try group(name)
        let outcome = try await group.whileThere([.list(prefix: group.members, limit: 1000, keysOnly: true)])
        var entries = outcome.results[0].entries
        if case .entries(_, hasMore: true) = outcome.results[0] { entries = try await group.listMembers() }
        return entries.compactMap { $0.key.after(group.members)?.text }
    }

    public func count(of name: String) async throws -> Int {
        let group = try group(name)
        return try await group.whileThere([.count(prefix: group.members)]).results[0].count
    }

    public func contains(_ user: String, in name: String) async throws -> Bool {
        let group = try group(name)
        return try await !group.whileThere([.get(try group.key(of: user))]).results[0].entries.isEmpty
    }

    /// Pushes to all who are in a group, wherever they are, with one call for each frontend. Returns those who are
    /// certainly nowhere. Frontends of pitaya do not say whom they have: with one of them nobody is.
    @discardableResult
    public func broadcast<Value>(
        _ route: String, _ value: Value, to name: String, at frontendType: String? = nil
    ) async throws -> [String] {
        let body = try app.serializer.body(of: value)
        let users = try await members(of: name)
        guard let server = app.server else { throw AppError.noCluster }
        return try await server.spread(route, body, to: users, at: frontendType)
    }

    private func group(_ name: String) throws -> SharedGroup {
        guard let member = app.server?.member else { throw AppError.noCluster }
        if name.isEmpty || name.utf8.count > 256 || name.utf8.contains(UInt8(ascii: "/")) {
            throw AppError(
                AppError.unknown, "\"\(name)\" cannot be a group of the cluster: at most 256 bytes, and no /")
        }
        return SharedGroup(
            registry: member.cluster.registry, limits: member.cluster.settings,
            key: RegistryBytes(member.keys.group(name)),
            members: RegistryBytes(member.keys.members(of: name)), all: RegistryBytes(member.keys.groups))
    }
}

/// One group as the registry has it.
private struct SharedGroup {
    let registry: Registry
    let limits: ClusterSettings
    let key: RegistryBytes
    /// In front of its members, and of all groups.
    let members, all: RegistryBytes

    /// Users are pushed to over the bus, so they have names that can be there.
    func key(of user: String) throws(AppError) -> RegistryBytes {
        if user.isEmpty { throw .emptyUser }
        if let fault = ClusterSubject.fault(in: user) {
            throw AppError(AppError.unknown, "\"\(user)\" cannot be a user's name in a cluster: \(fault)")
        }
        return members + RegistryBytes(user)
    }

    func put(_ key: RegistryBytes, _ lease: Int64?) -> RegistryOperation {
        if let lease, lease != 0 { .putUnder(lease: lease, key, "") } else { .put(key, "") }
    }

    func `do`(_ transaction: RegistryTransaction) async throws(AppError) -> RegistryOutcome {
        do throws(RegistryError) {
            return try await registry.transact(transaction)
        } catch { throw .group(error) }
    }

    @discardableResult
    func whileThere(_ operations: [RegistryOperation]) async throws(AppError) -> RegistryOutcome {
        let outcome = try await `do`(RegistryTransaction(if: [.exists(key)], then: operations))
        if !outcome.succeeded { throw .noGroup }
        return outcome
    }

    func entry() async throws(AppError) -> RegistryEntry? {
        try await `do`(RegistryTransaction(then: [.get(key)])).results[0].entries.first
    }

    func listMembers() async throws(AppError) -> [RegistryEntry] {
        do throws(RegistryError) {
            return try await registry.list(members, keysOnly: true).entries
        } catch { throw .group(error) }
    }

    func lease(for life: Duration?) async throws(AppError) -> Int64? {
        guard let life else { return nil }
        do throws(RegistryError) {
            return try await registry.grant(ttl: life)
        } catch { throw .group(error) }
    }

    func renew(_ lease: Int64) async throws(AppError) {
        do throws(RegistryError) {
            try await registry.keepAlive(lease)
        } catch { throw .group(error) }
    }

    /// Nothing is under it any more, so it may also end by itself.
    func end(_ lease: Int64?) async { if let lease { try? await registry.revoke(lease) } }
}

extension AppError {
    /// In the words of the original, as the groups of one process say it.
    static let noGroup = AppError(unknown, "group not found")
    static let groupExists = AppError(unknown, "group already exists")
    static let emptyUser = AppError(unknown, "empty uid")
    static let alreadyMember = AppError(unknown, "member already exists in group")
    static let noMember = AppError(unknown, "member not found in the group")

    fileprivate static func group(_ error: RegistryError) -> AppError {
        // The group's life ended while it was asked for.
        if error.code == .leaseLost { return noGroup }
        return AppError(unavailable, "the registry cannot be asked about groups: \(error)")
    }
}
