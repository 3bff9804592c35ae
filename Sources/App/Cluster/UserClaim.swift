import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// That a user is a session's, in the whole cluster. The registry decides between servers that claim the same user: the
/// last to be written there is the one, and each knows by the count of its writing who came later.
final class UserClaim {
    let user: String
    private let cluster: ClusterPart
    private var subscriptions: [BusSubscription] = []
    /// The registry's count of the claim; nil where users may have a session on each frontend.
    private(set) var revision: Int64?
    /// The registry may have the user down for this server.
    private var mayBeWritten = false
    /// What others have said while it was not decided.
    private var heard: Int64?

    init(_ user: String, _ cluster: ClusterPart) throws(AppError) {
        if let fault = ClusterSubject.fault(in: user) {
            throw AppError(AppError.unknown, "\"\(user)\" cannot be a user's name in a cluster: \(fault)")
        }
        (self.user, self.cluster) = (user, cluster)
    }

    private var type: String { cluster.own.type }
    var key: RegistryBytes { cluster.key(of: user) }

    nonisolated(nonsending) func make() async throws {
        cluster.claims.append(self)
        defer { cluster.claims.removeAll { $0 === self } }
        if cluster.settings.uniqueSessions { try await write() }
        do {
            try listen()
            try cluster.announce(user, revision)
        } catch { throw AppError(AppError.unavailable, "the other servers cannot be told of \(user): \(error)") }
    }

    /// Somebody else may write in between; then it is tried again.
    private nonisolated(nonsending) func write() async throws {
        let (registry, key) = (cluster.cluster.registry, key)
        guard let lease = cluster.member.currentLease else {
            throw AppError(
                AppError.unavailable, "this server is not registered yet, so nobody can log in; try again later")
        }
        do {
            var before = try await registry.get(key)
            while true {
                mayBeWritten = true
                let condition: RegistryCondition = before.map { .unchanged($0) } ?? .absent(key)
                let outcome = try await registry.transact(
                    RegistryTransaction(
                        if: [condition], then: [.put(key, RegistryBytes(cluster.own.id), lease: lease)],
                        else: [.get(key)]))
                if outcome.succeeded {
                    revision = outcome.revision
                    break
                }
                before = outcome.results.first?.entries.first
            }
        } catch { throw AppError(AppError.unavailable, "the registry cannot say who \(user) is: \(error)") }
        if isOlder(than: heard) { throw AppError(AppError.gone, "\(user) has logged in elsewhere meanwhile") }
    }

    private func listen() throws {
        let (port, user, shard) = (cluster.port, user, cluster.shard)
        subscriptions.append(
            try port.subscribe(ClusterSubject.push(user, at: type)) { [unowned shard] message in
                guard let push = try? PomeloProtos.Push(protobuf: message.payload) else { return }
                shard.connection(of: user)?.push(push)
            })
        subscriptions.append(
            try port.subscribe(ClusterSubject.kick(user, at: type)) { [unowned shard] _ in
                shard.connection(of: user)?.kick(.kicked)
            })
    }

    /// Another server has written the user down while this one has.
    func hears(_ revision: Int64) { heard = max(heard ?? revision, revision) }

    func isOlder(than other: Int64?) -> Bool {
        guard let other, let revision else { return false }
        return other > revision
    }

    /// The registry has somebody else down for the user, who was written over this one. Where it has not, the claim has
    /// the count of today: a store that was set up anew counts from the beginning.
    func isTaken(by entry: RegistryEntry?) -> Bool {
        guard let entry else { return false }
        if entry.value.text != cluster.own.id { return true }
        revision = entry.modified
        return false
    }

    /// The user has left, and nobody has the name now.
    func end() { if mayBeWritten { cluster.forget(user, revision) } }

    func cancel() { for subscription in exchange(&subscriptions, with: []) { subscription.cancel() } }
}

extension ClusterPart {
    /// Tells all frontends of this type that the user is here.
    func announce(_ user: String, _ revision: Int64?) throws(BusError) {
        var headers = BusHeaders()
        if let revision { headers.add(Self.revisionHeader, "\(revision)") }
        try port.publish(
            ClusterSubject.bindings(own.type), PomeloProtos.BindMsg(uid: user, fid: own.id).protobuf, headers: headers)
    }
    static let revisionHeader = "Omniway-Revision"

    /// A user is bound at another server. A session here that is older is over.
    func heard(_ user: String, at server: String, _ revision: Int64?) {
        if server == own.id { return }
        if let revision { for claim in claims where claim.user == user { claim.hears(revision) } }
        guard settings.uniqueSessions, let connection = shard.connection(of: user) else { return }
        if revision == nil || connection.session.claim?.isOlder(than: revision) == true {
            connection.kick(.replaced)
        }
    }
}
