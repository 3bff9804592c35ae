import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway gateway`: a gateway, until a signal ends it.
enum RunGateway {
    static let command = Command(
        "gateway", summary: "Joins clients and servers by virtual connections (fastway, uniway).",
        notes: """
            Every flag also has the name that the original gateways give it, such as -ClientAddr.
            SIGTERM or Ctrl-C accepts no more, waits for virtual connections to end, closes the rest and ends it;
            a second one ends it at once. SIGUSR1 runs the command in <name>.cmd; the command help lists all.
            """,
        flags: GatewayFlags.all)

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        guard LogFlags.configure(call, of: "omniway gateway") else { return .configuration }
        guard let files = DaemonFiles(name: call[GatewayFlags.name]) else {
            complain("omniway gateway: --name \(call[GatewayFlags.name]) cannot begin the name of a file")
            return .usage
        }
        let configuration: GatewayNode.Configuration
        do throws(GatewayFlagError) {
            configuration = try GatewayNode.Configuration(call)
        } catch {
            complain("omniway gateway: \(error)")
            return .usage
        }
        let limit = call[GatewayFlags.drain]
        let commands = SignalCommands(files)
        // Nil until the ports are open: who cannot open them must not take the file of who has them.
        let pid = Lock<PidFile?>(nil)
        let starting = Task.detached { await start(configuration, files, pid, commands) }
        while true {
            switch signals.next() {
            case .command: commands.signalled()
            case .hangUp: Up.reopenLog()
            case .end:
                pid.withLock { pid -> Never in
                    pid?.remove()
                    Up.end(.runtime)
                }
            case .drain(let signal):
                Log.shared.notice("stopping", ["signal": signal])
                Task.detached {
                    let cutOff = await starting.value.stop(within: limit)
                    if cutOff > 0 { Log.shared.warning("virtual connections cut off", ["count": "\(cutOff)"]) }
                    pid.withLock { $0?.remove() }
                    Up.end(.success)
                }
            }
        }
    }

    @concurrent private static func start(
        _ configuration: GatewayNode.Configuration, _ files: DaemonFiles, _ pid: Lock<PidFile?>,
        _ commands: SignalCommands
    ) async -> GatewayNode {
        do {
            let node = try await GatewayNode(configuration)
            try pid.withLock { $0 = try PidFile(files) }
            commands.registerLookups(of: node.loops, [node.inventory])
            // In the words of the original, which scripts look for: the port may have been chosen by the system.
            for port in node.ports {
                complain("setup \(port.side.rawValue) listener at - \(port.address)")
            }
            warn(of: configuration, node)
            return node
        } catch {
            complain("omniway gateway: \(error)")
            Up.end(.runtime)
        }
    }

    private static func warn(of configuration: GatewayNode.Configuration, _ node: GatewayNode) {
        guard configuration.gateway.keys.contains(where: \.revealed.isEmpty) else { return }
        for port in node.ports where port.side == .server && !port.address.isLoopback {
            Log.shared.warning(
                "anybody can be a server",
                ["address": "\(port.address)", "try": "set --server-auth-key-file, or listen on 127.0.0.1"])
        }
    }
}
