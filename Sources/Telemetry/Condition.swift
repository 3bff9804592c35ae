import Glibc

/// Where threads sleep until another one has changed what a `Lock` protects; see `Lock.withLock(when:wokenBy:_:)`.
@safe
package final class Condition: @unchecked Sendable {  // Safe because pthread's conditions are made to be shared.
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    package init() {
        unsafe condition = .allocate(capacity: 1)
        unsafe pthread_cond_init(condition, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe condition.deallocate()
    }

    /// Wakes one sleeper, if there is one. Call it after the change.
    package func wakeOne() { unsafe pthread_cond_signal(condition) }

    /// Wakes every sleeper: for changes that several may be waiting for.
    package func wakeAll() { unsafe pthread_cond_broadcast(condition) }

    /// The caller holds `mutex`, and holds it again afterwards. May return without having been woken.
    @unsafe
    func sleep(unlocking mutex: UnsafeMutablePointer<pthread_mutex_t>) {
        unsafe pthread_cond_wait(condition, mutex)
    }
}
