import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway repl`: a shell that speaks to a running app server.
enum Repl {
    private static let address = Argument(
        "address", .string, default: "",
        help: "Where to connect at once: host:port, or wss://, ws://, tls:// or tcp:// before it.")
    private static let docs = Flag(
        "docs", .string, default: "", placeholder: "route", aliases: ["d"],
        help: "Where the server answers with its documentation: Tab then completes routes, and routes lists them.")
    private static let file = Flag(
        "file", .string, default: "", placeholder: "path", aliases: ["f"],
        help: "Run the commands in this file, one on each line, and end; the first one that fails ends it with 1.")
    private static let pretty = Flag(
        "pretty", .boolean, default: false, aliases: ["p"], help: "Print JSON on several lines.")

    static let command = Command(
        "repl", summary: "Speaks to a running app server, by lines that are typed or read.",
        notes: """
            The command help of the shell lists what it understands. Lines are kept in ~/.omniway_history, or where
            OMNIWAY_HISTORY_PATH or PITAYACLI_HISTORY_PATH say. When they do not come from a terminal, it ends with 1
            if one of them failed.
            """,
        flags: [docs, file, pretty] + ServerAccess.flags, arguments: [address])

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        let access: ServerAccess
        do throws(ReplMistake) {
            access = try ServerAccess(call)
            if !call[address].isEmpty { _ = try ServerTarget(call[address]) }
        } catch {
            complain("omniway repl: \(error)")
            return .usage
        }
        var lines: [String]?
        if !call[file].isEmpty {
            guard let text = TextFile(call[file]).read(atMost: 16 << 20) else {
                complain("omniway repl: cannot read \(call[file]); it has to be a file of at most 16 MiB")
                return .usage
            }
            lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
                String($0) ?? ""
            }
        }
        let terminal = lines == nil ? Terminal() : nil
        let script = lines
        Task.detached {
            let code =
                if let script { await run(script, call, access) } else { await talk(call, access, terminal) }
            terminal?.restore()
            leave(with: code)
        }
        while true {
            switch signals.next() {
            case .command: break
            case .drain, .end, .hangUp:
                terminal?.restore()
                return .runtime
            }
        }
    }

    private static func session(_ call: Invocation, _ access: ServerAccess, _ screen: Screen, gap: String)
        -> ReplSession
    {
        ReplSession(
            access, screen, BodyText(isPretty: call[pretty]), address: call[address].isEmpty ? nil : call[address],
            docsRoute: call[docs], gap: gap)
    }

    // MARK: A file

    @concurrent private static func run(
        _ lines: [String], _ call: Invocation, _ access: ServerAccess
    ) async -> ExitCode {
        let session = session(call, access, Screen(nil), gap: " ")
        var (place, code) = (call[address], ExitCode.success)
        do {
            if !call[address].isEmpty { try await session.connect(to: nil) }
            for (index, line) in lines.enumerated() {
                place = "\(call[file]):\(index + 1): \(line)"
                guard try await session.run(line) else { break }
            }
        } catch {
            complain("omniway repl: \(place): \(BodyText.harmless("\(error)"))")
            code = .runtime
        }
        await session.end()
        return code
    }

    // MARK: Somebody, or a pipe

    @concurrent private static func talk(
        _ call: Invocation, _ access: ServerAccess, _ terminal: Terminal?
    ) async -> ExitCode {
        let history = terminal == nil ? nil : HistoryFile(Terminal.environment)
        let screen = Screen(terminal, LineEditor(history: history?.load() ?? LineHistory()))
        let session = session(call, access, screen, gap: "")
        let lines = LineInput(screen, isTyped: terminal != nil)
        var isGood = true
        if !call[address].isEmpty { isGood = await attempt(screen) { try await session.connect(to: nil) } }
        while let line = await lines.next() {
            if let history, !history.save(screen.history) {
                complain("omniway repl: cannot write \(history.path)")
            }
            var goesOn = true
            isGood = await attempt(screen) { goesOn = try await session.run(line) } && isGood
            if !goesOn { break }
        }
        await session.end()
        return isGood || terminal != nil ? .success : .runtime
    }

    /// False when it went wrong, which has been said; the next line is as good as the first.
    private static func attempt(_ screen: Screen, _ work: () async throws -> Void) async -> Bool {
        do {
            try await work()
            return true
        } catch is ReplRefusal {
            return false
        } catch {
            screen.say(BodyText.harmless("\(error)"))
            return false
        }
    }
}

/// Lines from the keyboard or from a pipe, whose reading holds up nobody else.
final class LineInput {
    private let screen: Screen
    private let isTyped: Bool
    private var bytes: ArraySlice<UInt8> = []
    private var line: [UInt8] = []
    private var hasEnded = false

    init(_ screen: Screen, isTyped: Bool) { (self.screen, self.isTyped) = (screen, isTyped) }

    /// Nil at the end.
    func next() async -> String? {
        if isTyped { screen.beginTyping() }
        while !hasEnded {
            while let byte = bytes.popFirst() {
                if isTyped {
                    let event = screen.type(byte)
                    if case .entered(let line)? = event { return line }
                    if event == .ended { return nil }
                } else if byte == UInt8(ascii: "\n") {
                    return String(decoding: exchange(&line, with: []), as: UTF8.self)
                } else if line.count < LineEditor.mostBytes {
                    line.append(byte)
                }
            }
            let more = await HelperPool.shared.run { Terminal.read(from: STDIN_FILENO) ?? [] } ?? []
            hasEnded = more.isEmpty
            bytes = more[...]
        }
        return line.isEmpty ? nil : String(decoding: exchange(&line, with: []), as: UTF8.self)
    }
}
