import Glibc
import Synchronization

/// The one lock of the product. `Synchronization.Mutex` would do, but ThreadSanitizer does not see its futex calls
/// on Linux and reports every correct use; it does see pthread's.
@safe
package final class Lock<State>: @unchecked Sendable {  // Safe because `state` is touched only between lock and unlock.
    private var state: State
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    package init(_ state: consuming sending State) {
        self.state = state
        unsafe mutex = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    package func lock() {
        if unsafe pthread_mutex_trylock(mutex) != 0 { waitAndLock() }
    }

    @inline(never)
    private func waitAndLock() {
        let before = ContinuousClock.now
        unsafe pthread_mutex_lock(mutex)
        LockWaits.add(ContinuousClock.now - before)
    }

    package func unlock() { unsafe pthread_mutex_unlock(mutex) }

    /// Runs `body` alone. It must not block, and must not take another lock.
    package func withLock<R, E: Error>(_ body: (inout State) throws(E) -> sending R) throws(E) -> sending R {
        lock()
        defer { unlock() }
        return try body(&state)
    }

    /// Sleeps until `isReady`, then runs `body` alone. Whoever makes it ready wakes `condition`. Never on a loop.
    package func withLock<R>(
        when isReady: (State) -> Bool, wokenBy condition: Condition, _ body: (inout State) -> sending R
    ) -> sending R {
        lock()
        defer { unlock() }
        // The sleep lies between accesses to `state`, not within `body`, where nobody else may change it.
        while !isReady(state) { unsafe condition.sleep(unlocking: mutex) }
        return body(&state)
    }
}

/// How often threads found a `Lock` taken, and how long they waited then, in the whole process.
package enum LockWaits {
    private static let waits = Atomic<UInt64>(0)
    private static let nanoseconds = Atomic<UInt64>(0)

    package static var count: UInt64 { waits.load(ordering: .relaxed) }
    package static var time: Duration { .nanoseconds(nanoseconds.load(ordering: .relaxed)) }

    fileprivate static func add(_ time: Duration) {
        waits.wrappingAdd(1, ordering: .relaxed)
        nanoseconds.wrappingAdd(UInt64(max(0, time / .nanoseconds(1))), ordering: .relaxed)
    }
}
