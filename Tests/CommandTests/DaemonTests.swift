import Glibc
import OmniwayTesting
import OmniwayTransport
import Testing

/// The example of a daemon as a real process, in a folder of its own.
private struct RunningDaemon {
    let folder: TemporaryFolder
    let program: TestProgram

    static func start(after preparation: String = "true") async throws -> RunningDaemon {
        let folder = try TemporaryFolder()
        let script = "cd \(folder.path) && \(preparation) && exec \(BuiltProduct.path("CommandsExample"))"
        let program = try await TestProgram(["sh", "-c", script]) { $0.contains("listening") }
        return RunningDaemon(folder: folder, program: program)
    }

    /// Writes a command, signals, and waits for a line that answers it.
    func ask(_ command: String, until answer: String) async throws -> Bool {
        try folder.write("example.cmd", command)
        kill(program.pid, SIGUSR1)
        return await program.wait { $0.contains(answer) }
    }
}

@Suite(.timeLimit(.minutes(2))) struct DaemonTests {
    @Test func `a program's own command runs on a signal, and its pid file goes with it`() async throws {
        let daemon = try await RunningDaemon.start()
        #expect(try daemon.folder.read("example.pid") == "\(daemon.program.pid)")
        let line = try #require(await daemon.program.lines.first { $0.contains("listening") })
        let address = try #require(SocketAddress(String(line.split(separator: "=")[1])))
        #expect(try PlainClient(address).ask("hello") == "hello")
        #expect(try await daemon.ask("messages\n", until: "messages count=1"))
        #expect(try await daemon.ask("help", until: "name=messages does="))
        #expect(try await daemon.ask("busy as a bee", until: "example.busy.prof"))
        #expect(try daemon.folder.read("example.busy.prof").hasPrefix("as a bee "))
        #expect(await daemon.program.stop() == 0)
        #expect(throws: (any Error).self) { try daemon.folder.read("example.pid") }
    }

    @Test func `a signal without a file, or with rubbish in it, is a line in the log`() async throws {
        let daemon = try await RunningDaemon.start()
        kill(daemon.program.pid, SIGUSR1)
        #expect(await daemon.program.wait { $0.contains("there is no ./example.cmd; write a command into it") })
        #expect(try await daemon.ask("rubbish", until: "unknown command command=rubbish"))
        #expect(await daemon.program.stop(signal: SIGINT) == 0)
    }

    @Test func `every command that is built in answers`() async throws {
        let daemon = try await RunningDaemon.start()
        #expect(try await daemon.ask("cpuprof stop", until: "cpuprof does not run; write cpuprof start first"))
        #expect(try await daemon.ask("cpuprof start", until: "cpuprof started"))
        #expect(try await daemon.ask("cpuprof start ", until: "cpuprof runs already"))
        #expect(try await daemon.ask("cpuprof stop", until: "example.cpu.prof"))
        for what in ["block", "goroutine", "heap", "threadcreate"] {
            #expect(try await daemon.ask("lookup \(what) 2", until: "example.\(what).prof"))
            #expect(try !daemon.folder.read("example.\(what).prof").isEmpty)
        }
        #expect(try await daemon.ask("lookup gc", until: "NumGC=0"))
        await daemon.program.stop()
    }

    @Test func `a hang-up that was ignored at the start stays ignored, and does not end others`() async throws {
        for (preparation, hears) in [("true", true), ("trap '' HUP", false)] {
            let daemon = try await RunningDaemon.start(after: preparation)
            kill(daemon.program.pid, SIGHUP)
            #expect(try await daemon.ask("help", until: "name=help"))
            await daemon.program.stop()
            #expect(await daemon.program.lines.contains { $0.contains("nothing to open again") } == hears)
        }
    }

    @Test func `a signal that was ignored or blocked at the start ends it all the same`() async throws {
        let daemon = try await RunningDaemon.start(after: "trap '' INT TERM USR1")
        #expect(try await daemon.ask("help", until: "name=help"))
        #expect(await daemon.program.stop(signal: SIGINT) == 0)
    }
}
