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
                    Log.shared.warning("the bus is away", ["error": words])
                case .open where wasAway:
                    wasAway = false
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

    /// The user has left, and nobody has the name now.
    func forget(_ user: String) {
        // Without the lease there are no keys.
        if hasEnded || member.currentLease == nil { return }
        let (key, id) = (key(of: user), RegistryBytes(own.id))
        registry.transact(RegistryTransaction(if: [.value(of: key, is: id)], then: [.delete(key)])) { [weak self] in
            if let self, case .failure(let error) = $0 { remember(user, error) }
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
        for user in users where shard.directory.find(user) == nil { forget(user) }
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

    nonisolated(nonsending) func run() async {
        cluster.mustReview = false
        for connection in shard.connections {
            guard let claim = connection.session.claim, claim.revision != nil, connection.link.state == .open else {
                continue
            }
            do {
                if try await claim.isTaken() { connection.kick(.replaced) }
            } catch { return cluster.reviewed("\(error)") }
        }
        cluster.reviewed(nil)
    }
}
