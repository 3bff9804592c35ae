import Synchronization

/// Events with fields, one line each: `link closed reason=idle link=42`.
///
/// ```swift
/// Log.shared.notice("link closed", ["reason": "idle", "link": "\(id)"])
/// ```
///
/// A call never waits for the destination: a thread of the log writes. At most `queueLimit` bytes wait for it; what
/// does not fit is dropped, and the next line says how many events that were. Copies of a log, and what `with(_:)`
/// makes of it, share the thread and all settings. When the last one is gone the thread writes what is left and ends.
public struct Log: Sendable {
    /// The process's log: to standard error, as text, from `info` up, until it is told otherwise.
    public static let shared = Log()

    private let core: LogCore
    private let standing: [LogField]

    /// A log of its own. The thread starts with the first event.
    public init(
        to destination: LogDestination = .standardError, format: LogFormat = .text, level: LogLevel = .info,
        queueLimit: Int = 1 << 20
    ) {
        self.init(to: destination, format: format, level: level, queueLimit: queueLimit, now: Timestamp.now)
    }

    init(
        to destination: LogDestination, format: LogFormat = .text, level: LogLevel = .info, queueLimit: Int = 1 << 20,
        now: @escaping @Sendable () -> Timestamp
    ) {
        let queue = LogQueue(limit: queueLimit, destination: destination, format: format, now: now)
        (core, standing) = (LogCore(queue, level: level), [])
    }

    private init(_ core: LogCore, _ standing: [LogField]) { (self.core, self.standing) = (core, standing) }

    /// A log whose events all have these fields, before their own. An event's own field replaces one of the same name.
    public func with(_ fields: KeyValuePairs<String, String>) -> Log {
        Log(core, standing + fields.map { (name: $0.key, value: $0.value) })
    }
}

// MARK: Events

extension Log {
    /// For whoever looks for a fault in the product itself. The fields are built only when the level is enabled.
    public func debug(_ event: String, _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:]) {
        post(.debug, event, fields)
    }

    /// What happens in normal work.
    public func info(_ event: String, _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:]) {
        post(.info, event, fields)
    }

    /// Normal, but worth knowing.
    public func notice(_ event: String, _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:]) {
        post(.notice, event, fields)
    }

    /// Works still, but somebody should look at it.
    public func warning(_ event: String, _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:]) {
        post(.warning, event, fields)
    }

    /// Something asked for is not done.
    public func error(_ event: String, _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:]) {
        post(.error, event, fields)
    }

    /// For events whose weight depends on what has happened.
    public func log(
        _ level: LogLevel, _ event: String, _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:]
    ) {
        post(level, event, fields)
    }

    private func post(_ level: LogLevel, _ event: String, _ fields: () -> KeyValuePairs<String, String>) {
        let queue = core.queue
        guard level.rawValue >= core.minimum.load(ordering: .relaxed) else { return }
        queue.post(LogEvent(time: queue.now(), level: level, name: event, standing: standing, fields: fields()))
    }
}

// MARK: Settings

extension Log {
    /// Events below this level cost a comparison and leave no trace.
    public var level: LogLevel {
        get { core.level }
        nonmutating set { core.level = newValue }
    }

    /// Holds for all events that are not written yet.
    public var format: LogFormat {
        get { core.queue.format }
        nonmutating set { core.queue.format = newValue }
    }

    /// Holds for all events that are not written yet. Flush first where that matters.
    public var destination: LogDestination {
        get { core.queue.destination }
        nonmutating set { core.queue.destination = newValue }
    }

    /// The last lines that were written, as many as `keep(last:)` asked for.
    public var tail: LogTail { core.queue.tail }

    /// Keeps so many lines in memory from now on.
    public func keep(last count: Int) { core.queue.tail.most = count }

    /// Opens the log file again, after rotation has moved it away; other destinations need nothing.
    /// When it cannot be opened the old file stays in use. Not on a loop: opening a file may take a while.
    public func reopen() throws(LogFileError) {
        if case .file(let file) = destination { try file.reopen() }
    }

    /// Waits until every event posted before is written: before exit, and in tests. Never on a loop.
    public func flush() { core.queue.flush() }
}

/// What all copies of a log share. It does not belong to the thread, so its end can end the thread.
private final class LogCore: Sendable {
    let queue: LogQueue
    let minimum: Atomic<UInt8>

    init(_ queue: LogQueue, level: LogLevel) {
        self.queue = queue
        minimum = Atomic(level.rawValue)
    }

    var level: LogLevel {
        get { LogLevel.allCases[Int(minimum.load(ordering: .relaxed))] }
        set { minimum.store(newValue.rawValue, ordering: .relaxed) }
    }

    deinit { queue.close() }
}
