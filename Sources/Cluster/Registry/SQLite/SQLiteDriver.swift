import OmniwayTelemetry
import OmniwayTransport

/// A registry in a file, on its loop. The file is on a thread of its own.
///
/// Other processes write to the same file and tell nobody, so while somebody watches, and only then, the file is looked
/// at every 50 ms: a look that finds nothing is one read of an index in memory. Waiting for changes of the write-ahead
/// log (inotify) would come too early, since SQLite writes the log before the change can be seen, and needs the looks
/// besides.
final class SQLiteDriver: RegistryDriver {
    private static let interval = Duration.milliseconds(50)

    var heard: ((RegistryError?) -> Void)?
    private let loop: Loop
    private let worker: SQLiteWorker
    private var mailbox: Mailbox<SQLiteWorker.Report>?
    private struct Waiter {
        let mayHaveWritten: Bool
        let answer: (Result<DriverAnswer, RegistryError>) -> Void
    }
    private var waiters: [UInt64: Waiter] = [:]
    private var last: UInt64 = 0
    private var feeds: [RegistryFeed] = []
    private var isLooking = false
    /// Something was written here while a look was under way.
    private var mustLookAgain = false
    private var timer: TimerID?
    private var whenClosed: (() -> Void)?

    init(on loop: Loop, _ worker: SQLiteWorker) {
        (self.loop, self.worker) = (loop, worker)
        let mailbox = loop.mailbox(of: SQLiteWorker.Report.self, limit: 1 << 20) { [weak self] in self?.receive($0) }
        self.mailbox = mailbox
        worker.report { mailbox.post($0) }
    }

    deinit { worker.post(.close) }

    func perform(
        _ request: DriverRequest, before deadline: Moment,
        _ answer: @escaping (Result<DriverAnswer, RegistryError>) -> Void
    ) {
        last += 1
        waiters[last] = Waiter(mayHaveWritten: request.mayWrite, answer: answer)
        worker.post(.perform(last, request, before: deadline))
    }

    private func receive(_ report: SQLiteWorker.Report) {
        switch report {
        case .answer(let number, let result):
            guard let waiter = waiters.removeValue(forKey: number) else { break }
            waiter.answer(result)
            if waiter.mayHaveWritten { look() }
        case .news(let result): take(result)
        case .closed: whenClosed?()
        }
    }

    // MARK: Watches

    func follow(_ feed: RegistryFeed) {
        feeds.append(feed)
        look()
    }

    func unfollow(_ feed: RegistryFeed) { feeds.removeAll { $0 === feed } }

    /// From the oldest revision that a feed still wants.
    private func look() {
        guard let first = feeds.map(\.next).min() else { return }
        if isLooking { return mustLookAgain = true }
        if let timer { loop.cancel(timer) }
        (isLooking, mustLookAgain) = (true, false)
        worker.post(.look(from: first))
    }

    private func take(_ result: Result<SQLiteNews, RegistryError>) {
        isLooking = false
        var goesOn = mustLookAgain
        switch result {
        case .failure(let error): heard?(error)
        case .success(let news):
            feeds.removeAll { feed in
                // Or the file is another one, and has not come so far.
                if feed.next <= news.compacted || feed.next > news.revision + 1 { return feed.lose() }
                return !feed.offer(news.changes, through: news.through)
            }
            goesOn = goesOn || news.through < news.revision
        }
        if goesOn {
            look()
        } else if !feeds.isEmpty {
            timer = loop.after(Self.interval, self)
        }
    }

    // MARK: The end

    func close(_ done: @escaping () -> Void) {
        feeds = []
        whenClosed = { [self] in
            if let mailbox { loop.remove(mailbox) }
            (mailbox, whenClosed) = (nil, nil)
            done()
        }
        worker.post(.close)
    }
}

extension SQLiteDriver: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        timer = nil
        look()
    }
}
