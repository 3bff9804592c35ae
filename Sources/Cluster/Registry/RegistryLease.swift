import OmniwayTelemetry
import OmniwayTransport

/// A promise to be there: keys put under it go when its holder does. It stays alive by itself.
///
/// ```swift
/// let lease = try await registry.lease(ttl: .seconds(10)) { event in … }
/// try await registry.put("servers/room/\(id)", description, lease: lease)
/// ```
///
/// When the store was away for longer than the lease lasts, its keys are gone. `restores` then gets another lease and
/// puts the keys again, but for those that somebody else has put meanwhile. Whoever lets go of the last reference ends
/// the lease.
public final class RegistryLease: Sendable {
    /// What becomes of a lease that ended while the store was out of reach.
    public enum AfterLoss: Sendable {
        /// Another one takes its place, with the keys that it had.
        case restores
        /// It is over, and its keys are.
        case ends
    }

    /// What happens to a lease. Told on the registry's loop.
    public enum Event: Sendable, Equatable {
        /// It cannot be relied on: its time is over, or the store says so. Others may see its keys go.
        case lost(RegistryError)
        /// It was not lost after all: the store has kept it, and its keys.
        case regained
        /// It was replaced. These keys belong to somebody else now; all others are there again.
        case restored(taken: [RegistryBytes])
        /// It is over.
        case ended
    }

    let number: UInt64
    let door: RegistryDoor
    let shared: Shared

    init(_ number: UInt64, _ door: RegistryDoor, _ shared: Shared) {
        (self.number, self.door, self.shared) = (number, door, shared)
    }
    deinit { door.post(.release(lease: number)) }

    /// What holder and keeper both know.
    final class Shared: Sendable {
        struct State {
            var id: Int64?
            var ttl: Duration
        }
        let state: Lock<State>
        init(id: Int64, ttl: Duration) { state = Lock(State(id: id, ttl: ttl)) }
    }

    /// The store's number for it; nil while it is lost, and when it is over.
    public var id: Int64? { shared.state.withLock { $0.id } }
    /// It is known to be alive.
    public var isHeld: Bool { id != nil }
    /// For how long the store keeps it without hearing of its holder.
    public var ttl: Duration { shared.state.withLock { $0.ttl } }

    /// The key is somebody else's now, and not to be put again after a loss. Deleting it through the same registry
    /// does this too.
    public func forget(_ key: RegistryBytes) { door.post(.forget(key, lease: number)) }

    /// Ends it, and its keys with it. When the store cannot be reached they go when the time is over.
    public func revoke() async throws(RegistryError) {
        _ = try await door.ask(.revoke(lease: number), within: door.limits.deadline)
    }
}
