import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

extension ClusterPart {
    /// Follows the bus. While it was away nobody could say that a user had logged in elsewhere.
    func begin() {
        follows(
            port.whenStateChanges { [unowned self] state in
                switch state {
                case .away(let words):
                    wasAway = true
                    member.bus(of: shard.index, isAway: words)
                    Log.shared.warning("the bus is away", ["error": words])
                case .open where wasAway:
                    wasAway = false
                    member.bus(of: shard.index, isAway: nil)
                    Log.shared.notice("the bus is back", [:])
                    reviewAll()
                case .open, .connecting, .draining, .closed: break
                }
            })
    }

    /// The first loop hears of logins for all of them.
    private func reviewAll() {
        guard settings.uniqueSessions, own.isFrontend, shard.index == 0, let server = shard.server else { return }
        for index in server.shards.indices { server.tell(index, .reviewClaims) }
    }

    /// Looks in the registry who has logged in elsewhere. While that is away, again and again.
    func reviewClaims() {
        mustReview = true
        if isReviewing || hasEnded { return }
        isReviewing = true
        if shard.loop.start(ClaimReview(self)) == nil { reviewed("too many tasks") }
    }

    fileprivate func reviewed(_ failure: String?) {
        guard let failure else {
            isReviewing = false
            if mustReview { reviewClaims() }
            return
        }
        Log.shared.warning("cannot see who has logged in elsewhere meanwhile", ["error": failure])
        shard.loop.after(Self.pause, self, token: Self.reviewToken)
    }

    func key(of user: String) -> RegistryBytes { RegistryBytes(member.keys.binding(user, at: own.type)) }

    /// The user has left, and nobody has the name now. The key goes if it is what it was at that revision.
    func forget(_ user: String, _ revision: Int64? = nil) {
        // Without the lease there are no keys.
        if hasEnded || member.currentLease == nil { return }
        let (key, id) = (key(of: user), RegistryBytes(own.id))
        let look = RegistryTransaction(
            if: [RegistryCondition(key, .equal, .modified(revision ?? -1))], then: [.delete(key)], else: [.get(key)])
        registry.transact(look) { [weak self] in
            guard let self else { return }
            switch $0 {
            case .failure(let error): remember(user, error)
            case .success(let outcome):
                // It was written again: for a session here that has ended since, or when the lease was restored.
                guard !outcome.succeeded, let entry = outcome.results.first?.entries.first, entry.value == id,
                    shard.directory.isFree(user)
                else { return }
                forget(user, entry.modified)
            }
        }
    }

    private func remember(_ user: String, _ error: RegistryError) {
        if hasEnded { return }
        Log.shared.info("the registry still has a user that left", ["user": user, "error": "\(error)"])
        if unforgotten.isEmpty { shard.loop.after(Self.pause, self, token: Self.forgetToken) }
        unforgotten.append(user)
    }

    /// Those who have not come back meanwhile.
    private func forgetAgain() {
        let users = unforgotten.prefix(Self.mostForgotten)
        unforgotten.removeFirst(users.count)
        for user in users where shard.directory.isFree(user) { forget(user) }
        if !unforgotten.isEmpty { shard.loop.after(Self.pause, self, token: Self.forgetToken) }
    }

    private static let pause = Duration.seconds(5)
    private static let reviewToken: UInt64 = 1
    private static let forgetToken: UInt64 = 2
    private static let mostForgotten = 1000
}

extension ClusterPart: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        if hasEnded { return }
        if token == Self.forgetToken { return forgetAgain() }
        isReviewing = false
        reviewClaims()
    }
}

/// Looks in the registry who has logged in elsewhere.
private final class ClaimReview: LoopTask {
    private let cluster: ClusterPart
    private let shard: AppShard

    init(_ cluster: ClusterPart) { (self.cluster, shard) = (cluster, cluster.shard) }

    private static let batch = 100

    nonisolated(nonsending) func run() async {
        cluster.mustReview = false
        var rest = shard.connections.filter { $0.session.claim?.revision != nil }[...]
        while !rest.isEmpty {
            let some = rest.prefix(Self.batch)
            rest = rest.dropFirst(some.count)
            let look = RegistryTransaction(then: some.compactMap { $0.session.claim.map { .get($0.key) } })
            do {
                let results = try await cluster.cluster.registry.transact(look).results
                for (connection, result) in zip(some, results) where connection.link.state == .open {
                    let isTaken = connection.session.claim?.isTaken(by: result.entries.first) == true
                    if isTaken { connection.kick(.replaced) }
                }
            } catch { return cluster.reviewed("\(error)") }
        }
        cluster.reviewed(nil)
    }
}
