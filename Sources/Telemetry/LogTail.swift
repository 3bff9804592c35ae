/// The last lines of a log, numbered from the beginning.
public struct LogTail: Sendable {
    public struct Line: Sendable {
        public let number: Int
        public let level: LogLevel
        public let text: String
    }

    /// How many are kept; without any it costs nothing.
    public internal(set) var most = 0
    public private(set) var lines: [Line] = []
    private var number = 0

    init() {}

    mutating func add(_ events: [LogEvent]) {
        number += max(0, events.count - most)
        for event in events.suffix(most) {
            number += 1
            var bytes: [UInt8] = []
            LogFormat.text.append(event, to: &bytes)
            lines.append(Line(number: number, level: event.level, text: String(decoding: bytes, as: UTF8.self)))
        }
        if lines.count > most { lines.removeFirst(lines.count - most) }
    }
}
