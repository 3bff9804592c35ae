import OmniwayTelemetry
import OmniwayTransport

/// The thread that has a registry's file open. A loop must not wait for a disk or for another process, so it hands over
/// what is to be done, and the results come back by mail.
final class SQLiteWorker: Sendable {
    enum Job: Sendable {
        case perform(UInt64, DriverRequest, before: Moment)
        case look(from: Int64)
        /// To look until there is something from a revision on, or another job about this comes.
        case follow(from: Int64?)
        case close
    }
    enum Report: Sendable {
        case answer(UInt64, Result<DriverAnswer, RegistryError>)
        case news(Result<SQLiteNews, RegistryError>)
        case closed
    }

    private let jobs = Lock<[Job]>([])
    /// What sleeps, once the file is open.
    private let bell = Lock<FileBell?>(nil)
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
        let isFirst = jobs.withLock { jobs in
            jobs.append(job)
            return jobs.count == 1
        }
        if isFirst { bell.withLock { $0 }?.ring() }
    }

    /// Throws only before it is ready.
    private func serve(
        _ path: String, _ history: RegistryHistory, isReady: () -> Void
    ) throws(RegistryError) {
        let store = try SQLiteStore(path, history: history)
        let bell = try FileBell(path + "-wal")  // It is there for as long as the file is open.
        self.bell.withLock { $0 = bell }
        isReady()
        var looks = FileLooks(hearsWrites: bell.hearsWrites)
        while true {
            for job in jobs.withLock({ exchange(&$0, with: []) }) {
                switch job {
                case .perform(let number, let request, let deadline):
                    // Nobody waits for it any more, and what was reported as not done must not be done later.
                    let left = deadline - LoopClock.system.now
                    if left <= .zero { continue }
                    let result = Self.result { () throws(RegistryError) in
                        try store.perform(request, patience: min(left, .seconds(2)))
                    }
                    tell(.answer(number, result))
                    if request.writesFile {
                        bell.forgetWrites()
                        looks.wroteHere(at: LoopClock.system.now)
                    }
                case .look(let first):
                    looks.end()
                    tell(.news(Self.result { () throws(RegistryError) in try store.news(from: first) }))
                case .follow(let first): looks.follow(first, at: LoopClock.system.now)
                case .close: return
                }
            }
            follow(store, bell, &looks)
        }
    }

    /// Sleeps until there is something to do, and looks into the file when it is time.
    private func follow(_ store: SQLiteStore, _ bell: FileBell, _ looks: inout FileLooks) {
        let now = LoopClock.system.now
        if let first = looks.due(at: now) {
            let result = Self.result { () throws(RegistryError) in try store.news(from: first) }
            if case .success(let news) = result, news.revision + 1 == first {
                looks.foundNothing(at: now, until: store.timeToNextEnd)
            } else {
                looks.end()
                tell(.news(result))
            }
        } else if bell.wait(looks.wait(at: now)) {
            looks.heardWrite(at: LoopClock.system.now)
        }
    }

    private func tell(_ report: Report) { reports.withLock { $0 }?(report) }

    private static func result<R>(_ body: () throws(RegistryError) -> R) -> Result<R, RegistryError> {
        do throws(RegistryError) { return .success(try body()) } catch { return .failure(error) }
    }
}

extension DriverRequest {
    fileprivate var writesFile: Bool {
        switch self {
        case .transaction(let transaction): !transaction.onlyReads
        case .list: false
        case .grant, .keepAlive, .revoke, .compact: true
        }
    }
}
