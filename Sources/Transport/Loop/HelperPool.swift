import Glibc
import OmniwayTelemetry

/// A few threads for what blocks: name look-ups, files. Loops hand work over and go on.
public final class HelperPool: Sendable {
    public static let shared = HelperPool(threads: 4)

    private struct Queue {
        var work: [@Sendable () -> Void] = []
        var idle = 0
        var threads = 0
    }
    private let queue = Lock(Queue())
    private let signal = Signal()
    private let limit: Int
    private let maxThreads: Int

    /// Threads start when they are needed, and stay. At most `limit` pieces of work wait for one.
    init(threads: Int, limit: Int = 4096) { (maxThreads, self.limit) = (threads, limit) }

    /// False when too much work waits already.
    func submit(_ work: @escaping @Sendable () -> Void) -> Bool {
        let (isTaken, mustGrow) = queue.withLock { queue in
            guard queue.work.count < limit else { return (false, false) }
            queue.work.append(work)
            let mustGrow = queue.idle < queue.work.count && queue.threads < maxThreads
            if mustGrow { queue.threads += 1 }
            return (true, mustGrow)
        }
        if isTaken { signal.raise() }
        if mustGrow && !startThread() { queue.withLock { $0.threads -= 1 } }
        return isTaken
    }

    /// Runs blocking work off the loop. Nil when too much waits already.
    public func run<R: Sendable>(_ work: @escaping @Sendable () -> R) async -> R? {
        await withCheckedContinuation { waiter in
            let done = { @Sendable in waiter.resume(returning: work()) }
            if !submit(done) { waiter.resume(returning: nil) }
        }
    }

    private func startThread() -> Bool {
        BackgroundThread.start("helper", for: "name look-ups, files, and whatever else blocks") { [self] in serve() }
    }

    private func serve() -> Never {
        while true {
            queue.withLock { $0.idle += 1 }
            signal.wait()
            let work = queue.withLock { queue in
                queue.idle -= 1
                return queue.work.isEmpty ? nil : queue.work.removeFirst()
            }
            work?()
        }
    }
}

/// A counting semaphore.
@safe
private final class Signal: @unchecked Sendable {  // Safe because a semaphore is made to be used by many threads.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { unsafe sem_init(semaphore, 0, 0) }
    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }
    func raise() { unsafe sem_post(semaphore) }
    func wait() { while unsafe sem_wait(semaphore) != 0 {} }
}

/// What a helper found out, on its way back to the loop that asked.
struct HelperResult: Sendable {
    let ticket: UInt64
    let value: any Sendable
}

extension Loop {
    /// Runs blocking work on a helper thread, then `finish` here with its result: nil when too much waits already.
    public func offLoop<R: Sendable>(_ work: @escaping @Sendable () -> R, _ finish: @escaping (R?) -> Void) {
        let ticket = helperTickets.issue { finish($0 as? R) }
        let mailbox = helperMailbox
        let isTaken = HelperPool.shared.submit { mailbox.post(HelperResult(ticket: ticket, value: work())) }
        if !isTaken { mailbox.post(HelperResult(ticket: ticket, value: HelperBusy())) }
    }
}

/// Nobody has done the work, and nobody will.
private struct HelperBusy: Sendable {}

/// Who waits for which helper.
final class HelperTickets {
    private var next: UInt64 = 0
    private var waiting: [UInt64: (any Sendable) -> Void] = [:]

    func issue(_ finish: @escaping (any Sendable) -> Void) -> UInt64 {
        next += 1
        waiting[next] = finish
        return next
    }
    func redeem(_ result: HelperResult) { waiting.removeValue(forKey: result.ticket)?(result.value) }

    /// The loop ends and no answer will come.
    func redeemAll() {
        for (_, finish) in exchange(&waiting, with: [:]).sorted(by: { $0.key < $1.key }) { finish(HelperBusy()) }
    }
}
