import Glibc
import OmniwayArguments
import OmniwayMain

/// The command `omniway`: what it is called with, and how it ends.
@main
struct Main {
    static let command = Command(
        "omniway", summary: "Connects clients, servers, private networks and peers over long-lived links.",
        subcommands: [
            Up.command, Check.command, Doctor.command, Upgrade.command, RunGateway.command, RunNode.command,
            RunClient.command, Expose.command, TunnelCommand.command, RunPeer.command, SimulateMesh.command,
            Repl.command, AskDocs.command, ShowCluster.command, Load.command, StoreCommands.backup,
            StoreCommands.restore, ShowCommands.completion,
            ShowCommands.manual, ShowVersion.command,
        ])

    nonisolated static func main() {
        do throws(UsageError) {
            switch try command.parse(CommandLine.arguments.dropFirst()) {
            case .help(let text): print(text)
            case .run(let call): exit(run(call).rawValue)
            }
        } catch {
            complain("omniway: \(error)")
            exit(ExitCode.usage.rawValue)
        }
    }

    private nonisolated static func run(_ call: Invocation) -> ExitCode {
        switch call.path {
        case ["version"]: ShowVersion.run()
        case ["completion"]: ShowCommands.complete(call)
        case ["manual"]: ShowCommands.showManual(call)
        case ["check"]: Check.run(call)
        case ["doctor"]: Doctor.run(call)
        case ["upgrade"]: Upgrade.run(call)
        case ["gateway"]: RunGateway.run(call)
        case ["repl"]: Repl.run(call)
        case ["docs"]: AskDocs.run(call)
        case ["node"]: RunNode.run(call)
        case ["client"]: RunClient.run(call)
        case ["expose"]: Expose.run(call)
        case let path where path.first == "tunnel": TunnelCommand.run(call)
        case ["peer"]: RunPeer.run(call)
        case ["simulate", "mesh"]: SimulateMesh.run(call)
        case ["load"]: Load.run(call)
        case ["backup"]: StoreCommands.save(call)
        case ["restore"]: StoreCommands.putBack(call)
        case ["cluster", "status"]: ShowCluster.run(call)
        default: Up.run(call)
        }
    }
}
