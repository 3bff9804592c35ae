import FoundationEssentials
import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway peer`: one peer of the mesh, with a shell at a terminal and without one.
enum RunPeer {
    private static let name = Flag("name", .string, default: "omniway", help: "What the peer calls itself.")
    private static let listen = Flag(
        "listen", .string, default: "127.0.0.1:0", placeholder: "address",
        help: "Where others connect to, and what they are told: host:port in digits. Port 0 is any free one.")
    private static let mode = Flag(
        "mode", .choice, default: MeshPart.Mode.auto,
        help: "short and long speak as the original; auto finds out who speaks the second version, which is sealed.")
    private static let join = Flag(
        "join", .strings, default: [], placeholder: "address",
        help: "A peer that is there already; may be repeated.")
    private static let identity = Flag(
        "identity", .string, default: "", placeholder: "path",
        help: "A file with the key by which others know it, made if there is none; by default a new one each time.")

    static let command = Command(
        "peer", summary: "Runs one peer of the mesh, with a shell.",
        notes: """
            The command help of the shell lists what it understands. Lines may come from a pipe too; the peer runs on
            at their end, until a signal ends it.
            """,
        flags: [name, listen, MeshFlags.announce, mode, join, identity, MeshFlags.groupSecret, MeshFlags.members]
            + [MeshFlags.discover] + LogFlags.all)

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        guard LogFlags.configure(call, of: "omniway peer") else { return .configuration }
        let terminal = Terminal()
        let running = Lock<(any PeerShell)?>(nil)
        Task.detached {
            guard let code = await live(call, terminal, running) else { return }
            terminal?.restore()
            leave(with: code)
        }
        while true {
            switch signals.next() {
            case .command: break
            case .hangUp: Log.shared.reopenAfterRotation()
            case .drain, .end:
                terminal?.restore()
                return .success
            }
        }
    }

    private static func settings(_ call: Invocation) throws -> NodeSettings {
        let path = call[identity]
        var settings = try MeshFlags.settings(
            call, in: call[mode], ProcessInfo.processInfo.environment, also: [("--identity", !path.isEmpty)])
        if !path.isEmpty { settings.identity = try MeshIdentityFile(path).loadOrMake() }
        return settings
    }

    /// Nil when the peer runs on without anybody who types.
    @concurrent private static func live(
        _ call: Invocation, _ terminal: Terminal?, _ running: Lock<(any PeerShell)?>
    ) async -> ExitCode? {
        let screen = Screen(terminal)
        let shell: any PeerShell
        do {
            let loop = EventLoop()
            let settings = try settings(call)
            let place = try Place(call[listen], announcing: call[MeshFlags.announce])
            switch call[mode] {
            case .short: shell = try await PheromoneShell(call[name], .short, place, on: loop, screen)
            case .long: shell = try await PheromoneShell(call[name], .long, place, on: loop, screen)
            case .auto:
                shell = try await NodeShell(
                    call[name], place, settings, MeshFlags.network(call), on: loop, screen)
            }
            running.withLock { $0 = shell }
            screen.say("listening \(shell.address)")
            for address in call[join] { try await shell.join(address) }
        } catch {
            complain("omniway peer: \(BodyText.harmless("\(error)"))")
            return error is MeshModeError ? .usage : .runtime
        }
        screen.complete { before in before.isEmpty ? PeerLine.words : [] }
        let lines = LineInput(screen, isTyped: terminal != nil)
        while let line = await lines.next() {
            do {
                guard let command = try PeerLine(line) else { continue }
                if command == .exit { return .success }
                try await shell.run(command)
            } catch { screen.say(BodyText.harmless("\(error)")) }
        }
        return terminal == nil ? nil : .success
    }
}

/// Where a peer listens, and what others are told.
struct Place {
    let acceptor: StreamAcceptor
    let announced: String?

    init(_ text: String, announcing announced: String) throws(ListenError) {
        guard let address = SocketAddress(text) else { throw .misconfigured("'\(text)' is no address with a port") }
        acceptor = StreamAcceptor(address, limits: ConnectionLimits())
        self.announced = announced.isEmpty ? nil : announced
    }
}

/// What the shell of a peer can do; which version it speaks is its own business.
protocol PeerShell: Sendable {
    var address: String { get }
    func join(_ address: String) async throws
    func run(_ line: PeerLine) async throws
}

/// A line of the shell, as what it asks for.
enum PeerLine: Equatable {
    case join(String)
    case send(to: String, String)
    case broadcast(String)
    case request(of: String, method: String, String)
    case ping(String)
    case peers, members, graph, help, exit

    static let words = ["broadcast", "exit", "graph", "help", "join", "members", "peers", "ping", "request", "send"]

    static let helpText = """
        peers                             those that this peer sends to
        members                           everybody it knows to be there
        join <address>                    connects to a peer that is there already
        send <name> <text>                to one, by name or id
        broadcast <text>                  to everybody
        request <name> <method> [text]    asks, and prints the answer; peers answer echo and neighbors
        ping <name>                       how long an answer takes
        graph                             who is linked to whom
        help, exit
        """

    /// Nil for an empty line, and for one that begins with `#`.
    init?(_ line: String) throws(ReplMistake) {
        let parts = line.split(maxSplits: 1) { $0 == " " }.map(String.init)
        guard let word = parts.first, !word.hasPrefix("#") else { return nil }
        let rest = parts.count > 1 ? parts[1] : ""
        let words = rest.split(maxSplits: 1) { $0 == " " }.map(String.init)
        func need(_ count: Int, _ usage: String) throws(ReplMistake) {
            if words.count < count { throw ReplMistake("write: \(usage)") }
        }
        switch word {
        case "join":
            try need(1, "join <address>")
            self = .join(words[0])
        case "send":
            try need(2, "send <name> <text>")
            self = .send(to: words[0], words[1])
        case "broadcast":
            try need(1, "broadcast <text>")
            self = .broadcast(rest)
        case "request":
            try need(2, "request <name> <method> [text]")
            let more = words[1].split(maxSplits: 1) { $0 == " " }.map(String.init)
            self = .request(of: words[0], method: more[0], more.count > 1 ? more[1] : "")
        case "ping":
            try need(1, "ping <name>")
            self = .ping(words[0])
        case "peers": self = .peers
        case "members": self = .members
        case "graph": self = .graph
        case "help": self = .help
        case "exit", "quit": self = .exit
        default: throw ReplMistake("there is no command \(word); help lists all")
        }
    }
}
