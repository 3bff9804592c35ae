import OmniwayTelemetry
import OmniwayTransport

/// The thread that has a registry's file open. A loop must not wait for a disk or for another process, so it hands over
/// what is to be done, and the results come back by mail.
final class SQLiteWorker: Sendable {
    enum Job: Sendable {
        case perform(UInt64, DriverRequest, before: Moment)
        case look(from: Int64)
        case close
    }
    enum Report: Sendable {
        case answer(UInt64, Result<DriverAnswer, RegistryError>)
        case news(Result<SQLiteNews, RegistryError>)
        case closed
    }

    private let jobs = Lock<[Job]>([])
    private let arrived = Condition()
    private let reports = Lock<(@Sendable (Report) -> Void)?>(nil)

    private init() {}

    /// Opens the file on a new thread.
    static func open(_ path: String, history: RegistryHistory) async throws(RegistryError) -> SQLiteWorker {
        let worker = SQLiteWorker()
        let failure: RegistryError? = await withCheckedContinuation { waiter in
            let hasStarted = BackgroundThread.start("registry", for: "the file of an embedded registry") {
                do throws(RegistryError) {
                    try worker.serve(path, history) { waiter.resume(returning: nil) }
                    worker.tell(.closed)  // Nothing holds the file any more.
                } catch { waiter.resume(returning: error) }
            }
            if !hasStarted { waiter.resume(returning: RegistryError(.unavailable, "no thread; see `ulimit -u`")) }
        }
        if let failure { throw failure }
        return worker
    }

    /// Where reports go from now on; called on this worker's thread.
    func report(to receiver: @escaping @Sendable (Report) -> Void) { reports.withLock { $0 = receiver } }

    /// How many jobs wait is bounded by who asks: calls are limited, and there is one look at a time.
    func post(_ job: Job) {
        jobs.withLock { $0.append(job) }
        arrived.wakeOne()
    }

    /// Throws only before it is ready.
    private func serve(
        _ path: String, _ history: RegistryHistory, isReady: () -> Void
    ) throws(RegistryError) {
        let store = try SQLiteStore(path, history: history)
        isReady()
        while true {
            let batch = jobs.withLock(when: { !$0.isEmpty }, wokenBy: arrived) { exchange(&$0, with: []) }
            for job in batch {
                switch job {
                case .perform(let number, let request, let deadline):
                    // Nobody waits for it any more, and what was reported as not done must not be done later.
                    let left = deadline - LoopClock.system.now
                    if left <= .zero { continue }
                    let result = Self.result { () throws(RegistryError) in
                        try store.perform(request, patience: min(left, .seconds(2)))
                    }
                    tell(.answer(number, result))
                case .look(let first):
                    tell(.news(Self.result { () throws(RegistryError) in try store.news(from: first) }))
                case .close: return
                }
            }
        }
    }

    private func tell(_ report: Report) { reports.withLock { $0 }?(report) }

    private static func result<R>(_ body: () throws(RegistryError) -> R) -> Result<R, RegistryError> {
        do throws(RegistryError) { return .success(try body()) } catch { return .failure(error) }
    }
}
