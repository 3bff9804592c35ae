public import OmniwayCluster
import OmniwayTelemetry

/// What is known of a node without asking its loop.
public final class TunnelNodeHealth: Sendable {
    private let held = Lock<RegistryLease?>(nil)

    /// What the node's records are under; nil before the first, and at the end.
    var lease: RegistryLease? {
        get { held.withLock { $0 } }
        set { held.withLock { $0 = newValue } }
    }

    /// What is not as it should be, in words; none when all is well. Open tunnels go on all the while.
    public func troubles(_ registry: RegistryHealth = .good) -> [String] {
        var troubles: [String] = []
        if case .degraded(let error) = registry { troubles.append("registry: \(error)") }
        if let lease, !lease.isHeld {
            troubles.append("not registered: nobody can log in, and other nodes pass it over")
        }
        return troubles
    }
}
