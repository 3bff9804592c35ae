import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

extension ClusterPart {
    /// Follows the bus. While it was away nobody could say that a user had logged in elsewhere.
    func begin() {
        port.stateChanged = { [unowned self] state in
            switch state {
            case .away(let words):
                wasAway = true
                Log.shared.warning("the bus is away", ["error": words])
            case .open where wasAway:
                wasAway = false
                Log.shared.notice("the bus is back", [:])
                if settings.uniqueSessions, own.isFrontend, shard.loop.start(ClaimReview(self)) == nil {
                    Log.shared.warning("too many tasks to look who has logged in elsewhere meanwhile", [:])
                }
            case .open, .connecting, .draining, .closed: break
            }
        }
    }
}

/// Looks in the registry who has logged in elsewhere.
private final class ClaimReview: LoopTask {
    private let cluster: ClusterPart

    init(_ cluster: ClusterPart) { self.cluster = cluster }

    nonisolated(nonsending) func run() async {
        for connection in cluster.shard.connections {
            guard let claim = connection.session.claim, claim.revision != nil, connection.link.state == .open else {
                continue
            }
            do {
                if try await claim.isTaken() { connection.kick(.replaced) }
            } catch {
                return Log.shared.warning("cannot see who has logged in elsewhere meanwhile", ["error": "\(error)"])
            }
        }
    }
}
