import OmniwayTelemetry

/// A log whose lines a test reads.
final class Lines: Sendable {
    private let lines = Lock<[String]>([])
    let log: Log

    init() {
        let lines = lines
        log = Log(to: .sink { line in lines.withLock { $0.append(line) } })
    }

    /// What was logged so far.
    var all: [String] {
        log.flush()
        return lines.withLock { $0 }
    }
}
