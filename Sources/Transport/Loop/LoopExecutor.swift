import CSystem
import Glibc
import OmniwayTelemetry
import Synchronization

/// The serial executor of one loop: Swift's jobs for it, the mailboxes that have something, and the way to wake it.
public final class LoopExecutor: SerialExecutor {
    private struct Inbox {
        var jobs: [UnownedJob] = []
        var mail: [Int] = []
        var thread: Thread
    }

    /// Whose thread runs the jobs.
    enum Thread { case own, simulated, ended }

    let wakeDescriptor: Int32
    private let inbox: Lock<Inbox>
    private let hasWork = Atomic<Bool>(false)
    private let isWoken = Atomic<Bool>(false)
    private let stopRequested = Atomic<Bool>(false)
    /// Turns so far. Whoever finds it standing still while the loop has work knows that a callback blocks.
    let pulse = Atomic<UInt64>(0)
    /// Held while a thread that is not the loop's acts for a loop that has none.
    private let lending = Lock(())

    init(isSimulated: Bool) {
        inbox = Lock(Inbox(thread: isSimulated ? .simulated : .own))
        wakeDescriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        precondition(wakeDescriptor >= 0, "eventfd: \(SystemError.last)")
    }

    deinit { close(wakeDescriptor) }

    // MARK: Who is here

    var isCurrent: Bool { unsafe csystem_current_loop() == UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque()) }

    func becomeCurrent() { unsafe csystem_set_current_loop(Unmanaged.passUnretained(self).toOpaque()) }

    public func checkIsolated() { precondition(isCurrent, "not on the loop's thread") }
    public func isIsolatingCurrentContext() -> Bool? { isCurrent }

    // MARK: From any thread

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let thread = inbox.withLock { inbox in
            inbox.jobs.append(job)
            return inbox.thread
        }
        wake()
        switch thread {
        case .own: break
        case .simulated: if unsafe csystem_current_loop() == nil { borrowThread { while runJobs() {} } }
        // Not on this thread: it may act for another loop, whose thread may wait for this one.
        case .ended: if !isCurrent { runElsewhere() }
        }
    }

    /// A mailbox has got its first message since it was emptied.
    func mailArrived(_ mailbox: Int) {
        inbox.withLock { $0.mail.append(mailbox) }
        wake()
    }

    func requestStop() {
        stopRequested.store(true, ordering: .releasing)
        wake()
    }

    private func wake() {
        hasWork.store(true, ordering: .sequentiallyConsistent)
        if isCurrent || isWoken.exchange(true, ordering: .sequentiallyConsistent) { return }
        var one: UInt64 = 1
        _ = unsafe write(wakeDescriptor, &one, 8)
    }

    private func runElsewhere() {
        let run = { @Sendable in self.borrowThread { while self.runJobs() {} } }
        if !HelperPool.shared.submit(run),
            !BackgroundThread.start("late work", for: "runs what a loop that has ended left behind", run)
        {
            run()
        }
    }

    /// A loop that has ended or is simulated has no thread of its own. Its jobs must run all the same, or tasks would
    /// hang for ever: the thread that brings one runs it, and only one thread at a time is the loop.
    func borrowThread<R>(_ body: () -> R) -> R {
        let previous = unsafe csystem_current_loop()
        defer { unsafe csystem_set_current_loop(previous) }
        lending.lock()
        defer { lending.unlock() }
        becomeCurrent()
        return body()
    }

    /// Swift resumes a continuation by way of the global pool, also when the loop itself resumed it. In a simulated
    /// turn that would be another thread and another time, so what this thread sends to the pool runs on the loop
    /// instead.
    func simulate<R>(_ body: () -> R) -> R {
        Self.captureGlobalJobs
        return borrowThread {
            csystem_set_capturing(true)
            defer { csystem_set_capturing(false) }
            return body()
        }
    }

    private static let captureGlobalJobs: Void = unsafe csystem_capture_global_jobs { job in
        // Safe because only a thread within `simulate` captures, and its executor outlives that call.
        guard let job = unsafe job, let current = unsafe csystem_current_loop() else { return }
        let executor = unsafe Unmanaged<LoopExecutor>.fromOpaque(current).takeUnretainedValue()
        executor.take(unsafe unsafeBitCast(job, to: UnownedJob.self))
    }

    private func take(_ job: UnownedJob) {
        inbox.withLock { $0.jobs.append(job) }
        wake()
    }

    // MARK: On the loop's thread

    /// One plain load. True until `runJobs` and `takeMail` have found nothing more.
    @inline(__always) var mayHaveWork: Bool { hasWork.load(ordering: .sequentiallyConsistent) }
    var isStopping: Bool { stopRequested.load(ordering: .acquiring) }

    /// The loop's thread is about to end; from now on helpers run what is enqueued.
    func endThread() {
        inbox.withLock { $0.thread = .ended }
        csystem_set_current_loop(nil)
    }

    /// After the wake descriptor became readable: the next post wakes again.
    func wakeSeen() {
        var count: UInt64 = 0
        _ = unsafe read(wakeDescriptor, &count, 8)
        // After the read: it would take the write of a post in between, and leave a loop that nobody wakes any more.
        // A post in between writes nothing now, and is found by `mayHaveWork`, which is asked after this.
        _ = isWoken.exchange(false, ordering: .sequentiallyConsistent)
    }

    /// Runs the Swift jobs that wait now; false when there were none.
    func runJobs() -> Bool {
        let jobs = inbox.withLock { inbox in
            hasWork.store(!inbox.mail.isEmpty, ordering: .relaxed)
            return exchange(&inbox.jobs, with: [])
        }
        for job in jobs { unsafe job.runSynchronously(on: asUnownedSerialExecutor()) }
        return !jobs.isEmpty
    }

    func takeMail() -> [Int] {
        inbox.withLock { inbox in
            hasWork.store(!inbox.jobs.isEmpty, ordering: .relaxed)
            return exchange(&inbox.mail, with: [])
        }
    }
}
