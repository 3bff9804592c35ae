import OmniwayTesting
import Glibc
import OmniwayTelemetry
import Testing

/// A log in real files.
struct LogFileTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("log")
    }

    /// What a line says without its time.
    private func text(_ line: String) -> String { String(line.drop { $0 != " " }.dropFirst()) }

    @Test func `lines go to the file, after those that it has`() throws {
        for _ in 0..<2 {
            let log = Log(to: .file(try LogFile(path)))
            log.info("one")
            log.info("two", ["text": "a\nb"])
            log.flush()
        }
        let once = ["info one", #"info two text="a\nb""#]
        #expect(try folder.lines("log").map(text) == once + once)
    }

    @Test func `after rotation a log goes on in a new file`() throws {
        let log = Log(to: .file(try LogFile(path)))
        log.info("old")
        log.flush()
        try folder.move("log", to: "log.1")
        log.info("still old")
        log.flush()
        try log.reopen()
        log.info("new")
        log.flush()
        #expect(try folder.lines("log.1").map(text) == ["info old", "info still old"])
        #expect(try folder.lines("log").map(text) == ["info new"])
    }

    @Test func `when the file cannot be opened again the old one stays in use`() throws {
        let log = Log(to: .file(try LogFile(path)))
        try folder.move("log", to: "log.1")
        try folder.makeFolder("log")
        let error = #expect(throws: LogFileError.self) { try log.reopen() }
        #expect(error?.number == EISDIR)
        log.info("still here")
        log.flush()
        #expect(try folder.lines("log.1").map(text) == ["info still here"])
    }

    @Test func `an error says what is wrong and what to do`() {
        let error = #expect(throws: LogFileError.self) { try LogFile("/nowhere/log") }
        #expect(
            error?.description == """
                cannot open the log file /nowhere/log: no such file or directory; \
                check that its folder exists and that this user may write there
                """)
    }

    @Test func `reopening what is no file does nothing`() throws {
        try Log(to: .standardError).reopen()
        try Log(to: Collected().destination).reopen()
    }

    @Test func `no line is lost or torn while the file rotates under writers`() throws {
        let log = Log(to: .file(try LogFile(path)), queueLimit: .max)
        let (threads, events, rotations) = (3, 3000, 20)
        let failures = Lock(0)
        onThreads(threads + 1) { [folder] thread in
            guard thread == threads else {
                for event in 0..<events { log.info("counted", ["thread": "\(thread)", "event": "\(event)"]) }
                return
            }
            for rotation in 0..<rotations {
                log.flush()  // So that every file gets something, most of the time.
                do {
                    try folder.move("log", to: "log.\(rotation)")
                    try log.reopen()
                } catch {
                    failures.withLock { $0 += 1 }
                }
            }
        }
        log.flush()
        #expect(failures.withLock { $0 } == 0)

        let names = (0..<rotations).map { "log.\($0)" } + ["log"]
        let lines = try names.flatMap { try folder.lines($0) }.map(text)
        for thread in 0..<threads {
            let own = lines.filter { $0.hasPrefix("info counted thread=\(thread) ") }
            #expect(own == (0..<events).map { "info counted thread=\(thread) event=\($0)" })
        }
        #expect(lines.count == threads * events)
    }

    @Test func `children of the process do not inherit the file, before and after rotation`() throws {
        let file = try LogFile(path)
        #expect(isClosedOnExec(path))
        try file.reopen()
        #expect(isClosedOnExec(path))
    }

    /// Looks through this process's descriptors for the file.
    private func isClosedOnExec(_ path: String) -> Bool {
        let own = (3..<65_536).filter { descriptor in
            var target = [CChar](repeating: 0, count: 4096)
            // Safe because the call is told how long the buffer is.
            let count = unsafe readlink("/proc/self/fd/\(descriptor)", &target, target.count)
            return count > 0 && target.prefix(count).elementsEqual(path.utf8.map { CChar(bitPattern: $0) })
        }
        return own.count == 1 && own.allSatisfy { fcntl(Int32($0), F_GETFD) & FD_CLOEXEC != 0 }
    }

    @Test func `a full disk costs the events, and they are counted`() throws {
        let collected = Collected()
        let log = Log(to: .file(try LogFile("/dev/full")))
        for _ in 0..<3 { log.info("lost") }
        log.flush()
        log.destination = collected.destination
        log.info("found")
        log.flush()
        #expect(collected.lines.map(text) == ["warning events dropped count=3", "info found"])
    }

    @Test func `a reader that goes away in the middle of a line costs that line and not the process`() throws {
        try folder.makePipe("log")
        let first = try folder.open("log")
        let log = Log(to: .file(try LogFile(path)))
        log.info("large", ["x": String(repeating: "x", count: 500_000)])  // More than any pipe holds.
        _ = try readSome(of: first)
        close(first)
        log.flush()

        let second = try folder.open("log")
        defer { close(second) }
        log.info("small")
        var received = ""
        while !received.hasSuffix("info small\n"), let part = try readSome(of: second) {
            received += String(decoding: part, as: UTF8.self)
        }
        let lines = received.dropLast().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        try #require(lines.count == 3)
        #expect(lines[0].hasSuffix("xxx"))
        #expect(lines.dropFirst().map(text) == ["warning events dropped count=1", "info small"])
    }

    @Test func `a slow reader gets every line whole`() throws {
        try folder.makePipe("log")
        let reader = try folder.open("log")
        defer { close(reader) }
        let log = Log(to: .file(try LogFile(path)))
        let value = String(repeating: "x", count: 300_000)
        log.info("large", ["x": value])
        log.info("large", ["x": value])
        log.info("end")
        var received: [UInt8] = []
        while !received.suffix(9).elementsEqual("info end\n".utf8), let part = try readSome(of: reader) {
            received += part
        }
        let lines = received.split(separator: UInt8(ascii: "\n")).map { text(String(decoding: $0, as: UTF8.self)) }
        #expect(lines == ["info large x=\(value)", "info large x=\(value)", "info end"])
    }
}
