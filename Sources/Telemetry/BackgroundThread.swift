import CSystem
import Glibc

/// A thread for work that may block. It ends when its body returns, and nobody waits for it.
package enum BackgroundThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        let entry: ThreadRegister.Entry
        init(_ body: @escaping @Sendable () -> Void, _ entry: ThreadRegister.Entry) {
            (self.body, self.entry) = (body, entry)
        }
    }

    /// False when the system has no thread to give. What `body` holds is released when the thread ends. The system
    /// shows 15 letters of the name; the purpose says in words what the thread is for.
    package static func start(
        _ name: String, for purpose: String, _ body: @escaping @Sendable () -> Void
    ) -> Bool {
        let work = unsafe Unmanaged.passRetained(Work(body, ThreadRegister.Entry(name: name, purpose: purpose)))
        var thread = pthread_t()
        let error = withSignalsBlocked {
            // Safe because the thread takes over the reference that is passed to it.
            unsafe pthread_create(
                &thread, nil,
                {
                    guard let work = unsafe $0 else { return nil }
                    BackgroundThread.run(unsafe Unmanaged<Work>.fromOpaque(work).takeRetainedValue())
                    return nil
                }, work.toOpaque())
        }
        guard error == 0 else {
            unsafe work.release()  // Safe because no thread took the reference.
            return false
        }
        pthread_detach(thread)
        return true
    }

    private static func run(_ work: Work) {
        unsafe csystem_set_thread_name(work.entry.name)
        ThreadRegister.shared.add(work.entry)
        work.body()
        ThreadRegister.shared.removeCurrent()
    }

    /// A new thread inherits its maker's mask. Signals belong to the program, and a closed pipe must give EPIPE, not
    /// SIGPIPE. Faults stay open: where they are blocked the system kills without a word. So does SIGPROF, by which a
    /// profile samples all threads.
    private static func withSignalsBlocked(_ body: () -> Int32) -> Int32 {
        var blocked = sigset_t()
        var before = sigset_t()
        // Safe because the calls only read and fill the given sets.
        unsafe sigfillset(&blocked)
        for open in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF] {
            unsafe sigdelset(&blocked, open)
        }
        unsafe pthread_sigmask(SIG_SETMASK, &blocked, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        return body()
    }
}
