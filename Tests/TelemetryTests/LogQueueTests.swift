import Testing

@testable import OmniwayTelemetry

/// What happens when the destination is slower than the program.
struct LogQueueTests {
    private static func noon() -> Timestamp { Timestamp(seconds: 43_200, nanoseconds: 0) }
    private static let prefix = "1970-01-01T12:00:00.000000Z "

    /// The size of every event below: their names have the same length and there are no fields.
    private static let eventSize = LogEvent(time: noon(), level: .info, name: "event 000", fields: [:]).size

    private static func name(_ number: Int) -> String {
        let digits = "\(number)"
        return "event " + String(repeating: "0", count: 3 - digits.count) + digits
    }

    @Test(arguments: [1, 7, 100])
    func `a full queue drops events, and the next line says how many`(_ room: Int) {
        let collected = Collected(isHeld: true)
        let log = Log(to: collected.destination, queueLimit: room * Self.eventSize, now: Self.noon)
        log.info(Self.name(0))
        collected.waitForArrival()  // The thread has taken it, so the queue is empty and the thread does not look.

        let posted = room + 50
        for number in 1...posted { log.info(Self.name(number)) }
        collected.letPass()
        log.flush()
        log.info("after")
        log.flush()

        let written = (0...room).map { "info " + Self.name($0) }
        let expected = written + ["warning events dropped count=50", "info after"]
        #expect(collected.lines == expected.map { Self.prefix + $0 })
    }

    @Test func `an event larger than the queue is dropped, counted, and harms no other`() {
        let collected = Collected()
        let log = Log(to: collected.destination, queueLimit: 10_000, now: Self.noon)
        log.info("before")
        log.flush()
        log.info("large", ["x": String(repeating: "x", count: 10_000)])
        log.flush()
        log.info("after")
        log.flush()
        let expected = ["info before", "warning events dropped count=1", "info after"]
        #expect(collected.lines == expected.map { Self.prefix + $0 })
    }

    @Test func `what is missing is one gap, though smaller events would have fitted`() {
        let collected = Collected(isHeld: true)
        let log = Log(to: collected.destination, queueLimit: 2 * Self.eventSize, now: Self.noon)
        log.info("first")
        collected.waitForArrival()
        log.info(Self.name(1))
        log.info("large", ["x": String(repeating: "x", count: 10_000)])
        log.info("small")
        collected.letPass()
        log.flush()
        let expected = ["info first", "info event 001", "warning events dropped count=2"]
        #expect(collected.lines == expected.map { Self.prefix + $0 })
    }

    @Test func `nothing is lost uncounted when several threads overrun the queue`() throws {
        let collected = Collected()
        let log = Log(to: collected.destination, queueLimit: 5 * Self.eventSize, now: Self.noon)
        let (threads, events) = (3, 1000)
        onThreads(threads) { _ in
            for number in 0..<events { log.info(Self.name(number)) }
        }
        log.flush()
        var (written, dropped) = (0, 0)
        for line in collected.lines {
            let line = try #require(TextLine(line))
            if line.event == "events dropped" {
                dropped += try #require(line.fields.first.flatMap { Int($0.value) })
            } else {
                written += 1
            }
        }
        #expect(written + dropped == threads * events)
    }

    @Test func `the thread starts with the first event`() {
        let collected = Collected()
        let queue = LogQueue(limit: 1000, destination: collected.destination, format: .text, now: Self.noon)
        defer { queue.close() }
        queue.flush()
        #expect(!queue.isRunning)
        queue.post(LogEvent(time: Self.noon(), level: .info, name: "first", fields: [:]))
        #expect(queue.isRunning)
        queue.flush()
        #expect(collected.lines == [Self.prefix + "info first"])
    }

}
