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
        let (configuration, process): (GatewayPart.Configuration, Node.Configuration)
        do throws(GatewayFlagError) {
            (configuration, process) = try (GatewayPart.Configuration(call), GatewayFlags.node(call))
        } catch {
            complain("omniway gateway: \(error)")
            return .usage
        }
        let commands = SignalCommands(files)
        // Nil until the ports are open: who cannot open them must not take the file of who has them.
        let pid = Lock<PidFile?>(nil)
        let program = NodeProgram(
            name: "omniway gateway", signals: signals, door: files.upgrade, commands: commands,
            atEnd: { pid.withLock { $0?.remove() } },
            connections: "virtual connections")
        program.run(process) { node in
            let part = try await node.start { loops in try await GatewayPart(configuration, on: loops) }
            commands.registerLookups(of: node.loops, [part.inventory])
            return { isSuccessor in
                try pid.withLock { $0 = try PidFile(files, isSuccessor: isSuccessor) }
                // In the words of the original, which scripts look for: the port may have been chosen by the system.
                for door in part.doors { complain("setup \(door.side.rawValue) listener at - \(door.address)") }
                await node.announceDashboard()
                warn(of: configuration, part)
            }
        }
    }

    private static func warn(of configuration: GatewayPart.Configuration, _ part: GatewayPart) {
        guard configuration.gateway.keys.contains(where: \.revealed.isEmpty) else { return }
        for door in part.doors where door.side == .server && !door.address.isLoopback {
            Log.shared.warning(
                "anybody can be a server",
                ["address": "\(door.address)", "try": "set --server-auth-key-file, or listen on 127.0.0.1"])
        }
    }
}
