import Glibc
import OmniwayTelemetry
import Testing

/// The log as a program uses it, with a sink in place of a descriptor.
struct LogTests {
    private let collected = Collected()

    /// What a line says without its time.
    private var lines: [String] { collected.lines.map { String($0.drop { $0 != " " }.dropFirst()) } }

    @Test func `an event is its level, its words and its fields`() {
        let log = Log(to: collected.destination)
        log.notice("link closed", ["reason": "idle", "link": "42"])
        log.warning("not accepting")
        log.flush()
        #expect(lines == ["notice link closed reason=idle link=42", "warning not accepting"])
    }

    @Test func `events below the level leave no trace`() {
        let log = Log(to: collected.destination, level: .debug)
        func logAll() {
            log.debug("a")
            log.info("b")
            log.notice("c")
            log.warning("d")
            log.error("e")
        }
        for level in LogLevel.allCases {
            log.level = level
            #expect(log.level == level)
            logAll()
        }
        log.flush()
        let all = ["debug a", "info b", "notice c", "warning d", "error e"]
        #expect(lines == (0..<5).flatMap { all.dropFirst($0) })
    }

    @Test func `the process's log writes text to standard error, from info up, until it is told otherwise`() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            Log.shared.debug("unseen")
            Log.shared.info("one", ["text": "a\nb"])
            Log.shared.level = .debug
            Log.shared.debug("two")
            Log.shared.flush()
            exit(EXIT_SUCCESS)
        }
        let lines = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self).split(separator: "\n")
        // The test runner may have something to say too.
        let own = lines.compactMap { TextLine(String($0)) }.filter { LogLevel($0.level) != nil }
        #expect(own.map { "\($0.level) \($0.event)" } == ["info one", "debug two"])
        #expect(own.first?.fields.first?.value == "a\nb")
    }

    @Test func `a level is written and read as its name`() {
        for level in LogLevel.allCases { #expect(LogLevel("\(level)") == level) }
        #expect(LogLevel("Info") == nil)
        #expect(LogLevel.debug < .info && LogLevel.warning < .error)
    }

    @Test func `fields are built only for events that are written`() {
        let log = Log(to: collected.destination, level: .warning)
        var built = 0
        func expensive() -> String {
            built += 1
            return "x"
        }
        log.debug("a", ["x": expensive()])
        log.info("a", ["x": expensive()])
        log.notice("a", ["x": expensive()])
        #expect(built == 0)
        log.warning("a", ["x": expensive()])
        log.error("a", ["x": expensive()])
        #expect(built == 2)
    }

    @Test func `standing fields come before the event's own`() {
        let log = Log(to: collected.destination).with(["face": "gateway"])
        log.info("started", ["port": "0"])
        log.with(["loop": "3"]).info("started", ["port": "0"])
        log.flush()
        #expect(lines == ["info started face=gateway port=0", "info started face=gateway loop=3 port=0"])
    }

    @Test func `of several fields with one name the last counts`() {
        let log = Log(to: collected.destination).with(["face": "gateway", "loop": "3"])
        log.with(["face": "mesh"]).info("started")
        log.info("started", ["loop": "4", "loop": "5"])
        log.flush()
        #expect(lines == ["info started loop=3 face=mesh", "info started face=gateway loop=5"])
    }

    @Test func `what is made of a log shares its settings`() {
        let log = Log(to: collected.destination)
        let derived = log.with(["face": "gateway"])
        derived.level = .error
        #expect(log.level == .error)
        log.level = .debug
        derived.debug("seen")
        derived.flush()
        #expect(lines == ["debug seen face=gateway"])
    }

    @Test func `destination and format change at run time`() {
        let other = Collected()
        let log = Log(to: collected.destination)
        log.info("one")
        log.flush()
        log.destination = other.destination
        log.format = .json
        log.info("two")
        log.flush()
        #expect(lines == ["info one"])
        #expect(other.lines.count == 1)
        #expect(other.lines.first?.hasSuffix(#""level":"info","event":"two"}"#) == true)
        #expect(log.format == .json)
    }

    @Test func `a secret shows as stars`() {
        let log = Log(to: collected.destination)
        log.info("configured", ["password": "\(Secret("hunter2"))"])
        log.flush()
        #expect(lines == ["info configured password=***"])
    }

    @Test func `flush returns when nothing was posted`() {
        Log(to: collected.destination).flush()
        #expect(lines.isEmpty)
    }

    @Test func `a log that nobody holds any more still writes what it has`() {
        Log(to: collected.destination).info("last words")
        collected.waitForLines(1)
        #expect(lines == ["info last words"])
    }

    @Test func `with the last copy of a log its thread ends and lets go of the destination`() {
        /// Goes with the sink that holds it.
        final class Held: Sendable {
            private let isGone: Lock<Bool>
            private let changed: Condition
            init(_ isGone: Lock<Bool>, _ changed: Condition) { (self.isGone, self.changed) = (isGone, changed) }
            deinit {
                isGone.withLock { $0 = true }
                changed.wakeAll()
            }
        }
        let isGone = Lock(false)
        let changed = Condition()
        func logOnce() {
            let held = Held(isGone, changed)
            let log = Log(to: .sink { _ in withExtendedLifetime(held) {} })
            log.with(["a": "b"]).info("once")
            log.flush()
        }
        logOnce()
        isGone.withLock(when: { $0 }, wokenBy: changed) { _ in }
    }

    @Test func `a sink may log to its own log`() {
        final class Echo: Sendable {
            let log = Lock<Log?>(nil)
        }
        let echo = Echo()
        let collected = collected
        guard case .sink(let collect) = collected.destination else { return }
        let log = Log(
            to: .sink { line in
                collect(line)
                if line.hasSuffix("ping") { echo.log.withLock { $0 }?.info("pong") }
            })
        echo.log.withLock { $0 = log }
        log.info("ping")
        collected.waitForLines(2)
        #expect(lines == ["info ping", "info pong"])
        echo.log.withLock { $0 = nil }
    }

    @Test func `many threads write whole lines, each thread's in order`() throws {
        let log = Log(to: collected.destination, queueLimit: .max)
        let (threads, events) = (4, 2000)
        onThreads(threads) { thread in
            let own = log.with(["thread": "\(thread)"])
            for event in 0..<events { own.info("counted", ["event": "\(event)", "text": "two words\n"]) }
        }
        log.flush()
        var next = [Int](repeating: 0, count: threads)
        for line in lines {
            let words = line.split(separator: " ", maxSplits: 4)
            try #require(words.count == 5 && words[4] == #"text="two words\n""#, "\(line)")
            let thread = try #require(Int(words[2].dropFirst("thread=".count)))
            #expect(words[3] == "event=\(next[thread])")
            next[thread] += 1
        }
        #expect(next == [Int](repeating: events, count: threads))
    }

    @Test func `settings may change while others log`() {
        let log = Log(to: collected.destination, queueLimit: .max)
        onThreads(3) { thread in
            for round in 0..<500 {
                if thread == 0 {
                    log.level = round % 2 == 0 ? .error : .debug
                    log.format = round % 3 == 0 ? .json : .text
                } else {
                    log.error("seen")
                    log.debug("perhaps")
                }
            }
        }
        log.flush()
        #expect(collected.lines.count { $0.contains("seen") } == 1000)
    }
}
