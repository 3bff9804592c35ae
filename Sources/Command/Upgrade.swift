import FoundationEssentials
import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway upgrade`: a running program gives its place to a new process.
enum Upgrade {
    private enum Running: String, CaseIterable { case up, gateway, node }

    private static let running = Argument(
        "what", .choice, default: Running.up, help: "Which command it runs: up, gateway or node.")
    private static let data = Flag(
        "data", .string, default: "", placeholder: "path",
        help: "The --data of that command, if it was given one.")
    private static let name = Flag(
        "name", .string, default: "omniway", help: "The --name of omniway gateway, which is asked in its own folder.")
    private static let socket = Flag(
        "socket", .string, default: "", placeholder: "path", help: "Its socket, wherever it is.")
    private static let program = Flag(
        "program", .string, default: "", placeholder: "path",
        help: "The program to start; by default the file that the running one was started from.")

    static let command = Command(
        "upgrade", summary: "Replaces a running program by a new process, which takes over its ports.",
        notes: """
            The new process is started with the words, the variables and the folder of the old one. When it is
            ready, the old one accepts no more, lets what is under way come to its end within its drain timeout,
            and ends. If it does not become ready within a minute, the old one goes on as before.
            """,
        flags: [data, name, socket, program], arguments: [running])

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        Task.detached { leave(with: await ask(at: path(call), call[program])) }
        while true {
            switch signals.next() {
            case .command, .hangUp: break
            case .drain, .end: return .runtime
            }
        }
    }

    private static func path(_ call: Invocation) -> String {
        if !call[socket].isEmpty { return call[socket] }
        let folder =
            call[data].isEmpty ? DataFolder.standard(ProcessInfo.processInfo.environment) : DataFolder(call[data])
        return switch call[running] {
        case .up: folder.file("up.sock")
        case .node: call[data].isEmpty ? folder.file("node/node.sock") : folder.file("node.sock")
        case .gateway: "./\(call[name]).sock"
        }
    }

    private static func ask(at path: String, _ program: String) async -> ExitCode {
        guard let address = SocketAddress("unix:\(path)") else {
            complain("omniway upgrade: \(path) is too long for a socket; go to its folder and name it by --socket")
            return .usage
        }
        var limits = HTTPClientLimits()
        (limits.whole, limits.quiet) = (.seconds(120), .seconds(120))
        let patience = limits
        let client = await EventLoop().own { loop in
            HTTPClient(on: loop, StreamDialer(address), host: "node", limits: patience)
        }
        let allowed = program.utf8.map { byte -> String in
            let isPlain = byte > 0x20 && byte < 0x7f && !"%&#+".utf8.contains(byte)
            return isPlain ? String(UnicodeScalar(byte)) : "%\(byte < 16 ? "0" : "")\(String(byte, radix: 16))"
        }
        let query = program.isEmpty ? "" : "?program=\(allowed.joined())"
        do {
            let answer = try await client.post("/upgrade\(query)", [])
            guard answer.status == .ok else {
                complain("omniway upgrade: \(answer.text.split(separator: "\n").joined(separator: " "))")
                return .runtime
            }
            print("process \(answer.text.split(separator: "\n").first ?? "?") has taken over")
            return .success
        } catch {
            complain("omniway upgrade: nobody answers at \(path) (\(error)); say by --data or --socket where it runs")
            return .runtime
        }
    }
}
