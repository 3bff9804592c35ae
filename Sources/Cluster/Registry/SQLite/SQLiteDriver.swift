import OmniwayTelemetry
import OmniwayTransport

/// A registry in a file, on its loop. The file is on a thread of its own.
///
/// Other processes write to the same file and tell nobody, so while somebody watches, and only then, the thread looks
/// for what they wrote (`FileLooks`). This loop hears only of what it has found.
final class SQLiteDriver: RegistryDriver {
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

    func unfollow(_ feed: RegistryFeed) {
        feeds.removeAll { $0 === feed }
        if feeds.isEmpty { worker.post(.follow(from: nil)) }
    }

    /// From the oldest revision that a feed still wants.
    private func look() {
        guard let first = feeds.map(\.next).min() else { return }
        if isLooking { return mustLookAgain = true }
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
        if goesOn { look() } else { worker.post(.follow(from: feeds.map(\.next).min())) }
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
