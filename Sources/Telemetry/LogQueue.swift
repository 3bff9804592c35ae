/// What lies between those who log and the thread that writes. Bounded in bytes: when it is full, events are dropped
/// and counted until the thread has taken the rest, so that what is missing is one gap, named where it lies.
final class LogQueue: Sendable {
    /// All that happened up to one moment.
    struct Batch: Sendable {
        let events: [LogEvent]
        /// Lost after the last of `events`.
        let dropped: Int
        let destination: LogDestination
        let format: LogFormat
        fileprivate let end: Int
    }

    private struct State {
        var destination: LogDestination
        var format: LogFormat
        var events: [LogEvent] = []
        var size = 0
        var dropped = 0
        // Counts of events since the beginning, lost ones included.
        var posted = 0
        var taken = 0
        var finished = 0
        var isRunning = false
        var isClosed = false
        var tail = LogTail()
    }

    private let state: Lock<State>
    private let limit: Int
    /// The clock of the log: the real one, but for tests.
    let now: @Sendable () -> Timestamp
    private let changed = Condition()  // Something to take, or closed.
    private let progressed = Condition()  // Something finished, or no thread to finish it.

    init(
        limit: Int, destination: LogDestination, format: LogFormat, now: @escaping @Sendable () -> Timestamp
    ) {
        (self.limit, self.now) = (limit, now)
        state = Lock(State(destination: destination, format: format))
    }

    var destination: LogDestination {
        get { state.withLock { $0.destination } }
        set {
            // The old file, if this was its last use, is closed outside the lock.
            _ = state.withLock { exchange(&$0.destination, with: newValue) }
        }
    }

    var format: LogFormat {
        get { state.withLock { $0.format } }
        set { state.withLock { $0.format = newValue } }
    }

    /// The last events, for who looks at them.
    var tail: LogTail {
        get { state.withLock { $0.tail } }
        set { state.withLock { $0.tail = newValue } }
    }

    /// Whether there is a thread already.
    var isRunning: Bool { state.withLock { $0.isRunning } }

    // MARK: Those who log

    func post(_ event: LogEvent) {
        let size = event.size
        let isFirst = state.withLock { state in
            state.posted += 1
            if state.dropped == 0 && state.size + size <= limit {
                state.events.append(event)
                state.size += size
            } else {
                state.dropped += 1
            }
            return !exchange(&state.isRunning, with: true)
        }
        changed.wakeOne()
        if isFirst { start() }
    }

    /// Without a thread the events wait, as many as fit, and the next one tries again.
    private func start() {
        let isStarted = BackgroundThread.start("log", for: "writes the log") { [self] in
            var writer = LogWriter(self)
            writer.run()
        }
        guard !isStarted else { return }
        state.withLock { $0.isRunning = false }
        progressed.wakeAll()
    }

    /// Returns when all that was posted before is written, or when there is no thread to write it.
    func flush() {
        let end = state.withLock { $0.posted }
        state.withLock(when: { $0.finished >= end || !$0.isRunning }, wokenBy: progressed) { _ in }
    }

    /// Nobody logs any more; the thread writes what is left and ends.
    func close() {
        state.withLock { $0.isClosed = true }
        changed.wakeOne()
    }

    // MARK: The thread

    /// Sleeps until there is something; `nil` when nothing will come any more.
    func take() -> Batch? {
        state.withLock(when: { $0.taken < $0.posted || $0.isClosed }, wokenBy: changed) { state in
            guard state.taken < state.posted else { return nil }
            state.taken = state.posted
            state.size = 0
            return Batch(
                events: exchange(&state.events, with: []), dropped: exchange(&state.dropped, with: 0),
                destination: state.destination, format: state.format, end: state.posted)
        }
    }

    func finish(_ batch: Batch) {
        state.withLock { state in
            state.finished = batch.end
            if state.tail.most > 0 { state.tail.add(batch.events) }
        }
        progressed.wakeAll()
    }
}
