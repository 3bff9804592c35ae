import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway up`: a whole node, until a signal ends it.
enum Up {
    private static let standard = Node.Configuration()

    private static let loops = Flag(
        "loops", .integer(1...256), default: standard.loops, placeholder: "count",
        help: "Event loops, each with a thread; by default one for each processor.")
    private static let echo = Flag(
        "echo-addr", .string, default: "127.0.0.1:0", placeholder: "address", aliases: ["EchoAddr"],
        help:
            "Where to echo what is received: host:port in digits, unix:path, or none. Port 0 is any free one."
    )
    private static let admin = Flag(
        "admin-addr", .string, default: "127.0.0.1:9180", placeholder: "address",
        help: "Where to answer /healthz, /readyz and /metrics over HTTP; written like --echo-addr."
    )
    private static let idle = Flag(
        "idle-timeout", .duration, default: standard.idleLimit, aliases: ["IdleTimeout"],
        help: "Close a connection on which nothing went either way for so long; 0 never does.")
    private static let connections = Flag(
        "max-connections", .integer(1...1_000_000), default: standard.maxConnections, placeholder: "count",
        help: "Most connections in all.")
    private static let perAddress = Flag(
        "max-connections-per-address", .integer(1...1_000_000), default: standard.maxConnectionsPerAddress,
        placeholder: "count", help: "Most connections from one address.")
    static let command = Command(
        "up", summary: "Starts a whole node.",
        notes: "SIGTERM or Ctrl-C closes all connections and ends it; a second one ends it at once.",
        flags: [loops, echo, admin, idle, connections, perAddress] + LogFlags.all)

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        guard LogFlags.configure(call, of: "omniway up") else { return .configuration }
        guard let configuration = configuration(call) else { return .usage }
        let starting = Task.detached { await start(configuration) }
        while true {
            switch signals.next() {
            case .command: Log.shared.notice("no commands here", ["signal": "SIGUSR1"])
            case .hangUp: reopenLog()
            case .end: return .runtime
            case .drain(let signal):
                Log.shared.notice("stopping", ["signal": signal])
                Task.detached {
                    await starting.value?.stop()
                    end(.success)
                }
            }
        }
    }

    private static func configuration(_ call: Invocation) -> Node.Configuration? {
        var configuration = Node.Configuration()
        configuration.loops = call[loops]
        configuration.idleLimit = call[idle]
        configuration.maxConnections = call[connections]
        configuration.maxConnectionsPerAddress = call[perAddress]
        guard let echo = address(call[echo], of: "--echo-addr"), let admin = address(call[admin], of: "--admin-addr")
        else { return nil }
        (configuration.echo, configuration.admin) = (echo, admin)
        return configuration
    }

    /// An address, or none; nil when the text is neither.
    private static func address(_ text: String, of flag: String) -> SocketAddress?? {
        if text == "none" { return .some(nil) }
        if let address = SocketAddress(text) { return address }
        complain(
            "omniway up: \(flag) \(text) is not an address; write host:port in digits, unix:path, or none")
        return nil
    }

    static func reopenLog() {
        do throws(LogFileError) {
            try Log.shared.reopen()
        } catch { Log.shared.error("log file not opened again", ["error": "\(error)"]) }
    }

    @concurrent private static func start(_ configuration: Node.Configuration) async -> Node? {
        do throws(ListenError) {
            let node = try await Node(configuration)
            announce(node, configuration)
            return node
        } catch {
            complain("omniway up: \(error)")
            end(.runtime)
        }
    }

    private static func announce(_ node: Node, _ configuration: Node.Configuration) {
        print("omniway \(Version.current), \(node.loops.loops.count) loops")
        for port in node.ports {
            print("  \(port.name)  \(port.address)")
            if let hint = hint(for: port) { print("        try: \(hint)") }
        }
        print("Ctrl-C ends it.")
        fflush(nil)
        Log.shared.info("node up", ["version": Version.current, "loops": "\(configuration.loops)"])
    }

    private static func hint(for port: Node.Port) -> String? {
        guard case .ipv4(_, let number) = port.address else { return nil }
        switch port.name {
        case "echo": return "echo hello | nc -N 127.0.0.1 \(number)"
        case "admin": return "curl http://127.0.0.1:\(number)/healthz"
        default: return nil
        }
    }

    static func end(_ code: ExitCode) -> Never {
        Log.shared.flush()
        exit(code.rawValue)
    }
}
