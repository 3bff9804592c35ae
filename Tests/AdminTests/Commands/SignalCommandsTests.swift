import Glibc
import OmniwayTelemetry
import OmniwayTesting
import Synchronization
import Testing

@testable import OmniwayAdmin

@Suite(.timeLimit(.minutes(1))) struct SignalCommandsTests {
    private let folder: TemporaryFolder
    private let lines = Lines()
    private let commands: SignalCommands
    init() throws {
        folder = try TemporaryFolder()
        commands = SignalCommands(try #require(DaemonFiles(name: "daemon", folder: folder.path)), log: lines.log)
    }

    @Test func `a command of the program runs with its words, and stands in the help`() async throws {
        commands.register("greet", "Greets somebody.") { words, output in
            output.log.notice("greeting", ["whom": words.joined(separator: "+")])
        }
        try folder.write("daemon.cmd", " \t greet  you  there \n\n")
        await commands.runFile()
        #expect(lines.all.contains { $0.hasSuffix("notice greeting whom=you+there") })
        #expect(try folder.read("daemon.cmd").contains("greet"))  // Left in place.
        await commands.run("help")
        #expect(lines.all.contains { $0.hasSuffix("command name=greet does=\"Greets somebody.\"") })
        #expect(lines.all.contains { $0.contains("command name=help ") })
    }

    @Test func `the longest name counts, and the last one of its name`() async {
        for name in ["show", "show all", "show all"] {
            let number = commands.all.count
            commands.register(name, "") { words, output in
                output.log.notice("ran", ["name": name, "number": "\(number)", "words": "\(words)"])
            }
        }
        await commands.run("show all of it")
        #expect(lines.all.last?.hasSuffix(#"ran name="show all" number=3 words="[\"of\", \"it\"]""#) == true)
        await commands.run("show it")
        #expect(lines.all.last?.contains("name=show number=1") == true)
    }

    @Test func `a missing file and an unknown command say in one line what to do`() async throws {
        await commands.runFile()
        #expect(lines.all.count == 1)
        #expect(lines.all[0].contains("there is no \(folder.path)/daemon.cmd; write a command into it"))
        try folder.write("daemon.cmd", "halp\u{1b}[2J")
        await commands.runFile()
        #expect(lines.all.count == 2)
        #expect(lines.all[1].contains(#"unknown command command="halp\u001b[2J" hint="write one of these into"#))
        try folder.write("daemon.cmd", "")
        await commands.runFile()
        #expect(lines.all[2].contains("unknown command"))
    }

    @Test func `only a plain file of one command is read, and nothing is waited for`() async throws {
        let path = folder.file("daemon.cmd")
        for kind in ["pipe", "link", "folder"] {
            switch kind {
            case "pipe": #expect(unsafe mkfifo(path, 0o600) == 0)
            case "link": #expect(unsafe symlink("/etc/passwd", path) == 0)
            default: #expect(unsafe mkdir(path, 0o700) == 0)
            }
            await commands.runFile()
            #expect(lines.all.last?.contains("is not a plain file") == true)
            if unsafe unlink(path) != 0 { unsafe rmdir(path) }
        }
        try folder.write("daemon.cmd", String(repeating: "help ", count: 1000))
        await commands.runFile()
        #expect(lines.all.last?.contains("holds more than 4096 bytes") == true)
    }

    @Test func `what a command throws is logged, and the next one runs`() async {
        commands.register("fail", "Fails.") { _, _ in throw DaemonFileError.busy }
        await commands.run("fail")
        #expect(lines.all.last?.contains("command failed command=fail error=\"too much waits") == true)
        await commands.run("help")
        #expect(lines.all.last?.contains("command name=help") == true)
    }

    @Test func `a file is written whole, over an earlier one, and never through a link`() async throws {
        commands.register("dump", "Writes.") { words, output in try await output.write("dump", words[0]) }
        try folder.write("victim", "precious")
        #expect(unsafe symlink(folder.file("victim"), folder.file("daemon.dump.prof")) == 0)
        for text in ["first-and-longer", "second"] {
            await commands.run("dump \(text)")
            #expect(try folder.read("daemon.dump.prof") == text)
        }
        #expect(try folder.read("victim") == "precious")
        #expect(lines.all.last?.contains("command answered file=\(folder.path)/daemon.dump.prof bytes=6") == true)
        unsafe unlink(folder.file("daemon.dump.prof"))
        unsafe mkdir(folder.file("daemon.dump.prof"), 0o700)
        await commands.run("dump third")
        #expect(lines.all.last?.contains("cannot write \(folder.path)/daemon.dump.prof: is a directory") == true)
    }

    @Test func `signals that come while a command runs are one more`() async throws {
        let (began, go) = (AsyncStream.makeStream(of: Void.self), AsyncStream.makeStream(of: Void.self))
        commands.register("slow", "Waits.") { _, output in
            output.log.notice("ran")
            began.continuation.yield()
            for await _ in go.stream { return }
        }
        try folder.write("daemon.cmd", "slow")
        commands.signalled()
        var runs = began.stream.makeAsyncIterator()
        await runs.next()
        for _ in 0..<5 { commands.signalled() }
        go.continuation.yield()
        await runs.next()
        try folder.write("daemon.cmd", "help")
        go.continuation.yield()
        commands.signalled()
        while !lines.all.contains(where: { $0.contains("name=help") }) { await Task.yield() }
        #expect(lines.all.count { $0.hasSuffix("notice ran") } == 2)
    }
}
