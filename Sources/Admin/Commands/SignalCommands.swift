import Glibc
public import OmniwayTelemetry

/// Named commands that an operator writes into `<name>.cmd` before he sends SIGUSR1.
///
/// ```swift
/// let commands = SignalCommands(files)
/// commands.register("players", "Logs how many players there are.") { words, output in
///     output.log.notice("players", ["count": "\(await game.count)"])
/// }
/// // On SIGUSR1:
/// commands.signalled()
/// ```
///
/// One command runs at a time, on no loop. The file stays where it is.
public final class SignalCommands: Sendable {
    /// What a command does with the words behind its name. What it throws is logged.
    public typealias Body = @Sendable @concurrent (_ words: [String], _ output: CommandOutput) async throws -> Void

    private struct Command {
        let name: [String]
        let help: String
        let body: Body
    }
    private enum Work { case none, running, runningAndSignalled }

    /// Most bytes that the file may have.
    static let longest = 4096

    private let files: DaemonFiles
    private let log: Log
    private let commands = Lock<[Command]>([])
    private let work = Lock(Work.none)

    /// No commands but `help`, so far.
    public init(_ files: DaemonFiles, log: Log = .shared) {
        (self.files, self.log) = (files, log)
        register("help", "Logs the commands that there are.") { [weak self] _, output in
            for (name, help) in self?.all ?? [] { output.log.notice("command", ["name": name, "does": help]) }
        }
    }

    /// Adds a command, in place of one of the same name. A name may have several words.
    public func register(_ name: String, _ help: String, _ body: @escaping Body) {
        let words = Self.words(name)
        precondition(!words.isEmpty, "a command has a name")
        commands.withLock { commands in
            commands.removeAll { $0.name == words }
            commands.append(Command(name: words, help: help, body: body))
        }
    }

    /// Every command and what it does, by name.
    public var all: [(name: String, help: String)] {
        commands.withLock { $0.map { ($0.name.joined(separator: " "), $0.help) } }.sorted { $0.0 < $1.0 }
    }

    /// SIGUSR1 has come. Returns at once; signals that come while a command runs are one more.
    public func signalled() {
        let mustStart = work.withLock { work in
            let before = work
            work = before == .none ? .running : .runningAndSignalled
            return before == .none
        }
        guard mustStart else { return }
        let commands = self
        Task.detached { repeat { await commands.runFile() } while commands.isSignalledAgain() }
    }

    private func isSignalledAgain() -> Bool {
        work.withLock { work in
            work = work == .runningAndSignalled ? .running : .none
            return work == .running
        }
    }

    /// Reads the file and runs what it says.
    @concurrent public func runFile() async {
        let path = files.command
        do {
            let bytes = try await offLoop { try PlainFile.read(path, atMost: Self.longest) }
            await run(String(decoding: bytes, as: UTF8.self))
        } catch { log.warning("no command", ["hint": "\(error)"]) }
    }

    /// Runs one line, as if it had been in the file.
    @concurrent public func run(_ line: String) async {
        let words = Self.words(line)
        let shown = words.joined(separator: " ").prefix(100)
        let known = commands.withLock { $0 }.filter { words.starts(with: $0.name) }
        guard let command = known.max(by: { $0.name.count < $1.name.count }) else {
            let names = all.map(\.name).joined(separator: ", ")
            return log.warning(
                "unknown command",
                ["command": "\(shown)", "hint": "write one of these into \(files.command): \(names)"])
        }
        do {
            let output = CommandOutput(log: log, files: files)
            try await command.body(Array(words.dropFirst(command.name.count)), output)
        } catch { log.warning("command failed", ["command": "\(shown)", "error": "\(error)"]) }
    }

    private static func words(_ text: String) -> [String] {
        text.split { $0.isWhitespace || $0.isNewline }.map(String.init)
    }
}
