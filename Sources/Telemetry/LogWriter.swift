import Glibc

/// The work of a log's thread: events become lines, one system call each, so that lines stay whole even where several
/// processes append to one file.
struct LogWriter {
    private let queue: LogQueue
    private var line: [UInt8] = []
    /// Events that were lost and that no line has told of yet.
    private var lost = 0
    /// A full disk cut a line short; the next one must not continue it.
    private var isLineCut = false

    init(_ queue: LogQueue) { self.queue = queue }

    mutating func run() {
        while let batch = queue.take() {
            for event in batch.events {
                reportLoss(batch)
                if lost > 0 || !write(event, batch) { lost += 1 }
            }
            lost += batch.dropped
            reportLoss(batch)
            queue.finish(batch)
        }
    }

    private mutating func reportLoss(_ batch: LogQueue.Batch) {
        guard lost > 0 else { return }
        let report = LogEvent(time: queue.now(), level: .warning, name: "events dropped", fields: ["count": "\(lost)"])
        if write(report, batch) { lost = 0 }
    }

    /// False when the destination did not take all of it.
    private mutating func write(_ event: LogEvent, _ batch: LogQueue.Batch) -> Bool {
        line.removeAll(keepingCapacity: true)
        switch batch.destination {
        case .standardError:
            return write(event, batch.format, STDERR_FILENO)
        case .file(let file):
            return write(event, batch.format, file.descriptor)
        case .sink(let receive):
            batch.format.append(event, to: &line)
            receive(String(decoding: line, as: UTF8.self))
            return true
        }
    }

    private mutating func write(_ event: LogEvent, _ format: LogFormat, _ descriptor: Int32) -> Bool {
        if isLineCut { line.append(UInt8(ascii: "\n")) }
        format.append(event, to: &line)
        line.append(UInt8(ascii: "\n"))
        let written = Self.write(line.span, descriptor)
        if written > 0 { isLineCut = line[written - 1] != UInt8(ascii: "\n") }
        return written == line.count
    }

    /// How many bytes the descriptor took before it failed.
    private static func write(_ bytes: Span<UInt8>, _ descriptor: Int32) -> Int {
        var written = 0
        while written < bytes.count {
            // Safe because the call reads no further than the bytes that are left.
            let count = unsafe bytes.extracting(droppingFirst: written).withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count > 0 {
                written += count
            } else if count < 0 && errno == EAGAIN {
                waitUntilWritable(descriptor)
            } else if count == 0 || errno != EINTR {
                break
            }
        }
        return written
    }

    /// Standard error may be non-blocking because of whoever shares it; this thread has the time.
    private static func waitUntilWritable(_ descriptor: Int32) {
        var interest = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        // Safe because there is one entry, as the call is told.
        _ = unsafe poll(&interest, 1, -1)
    }
}
