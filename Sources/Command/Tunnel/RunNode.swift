import FoundationEssentials
import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway node`: a node of the tunnel, until a signal ends it.
enum RunNode {
    static let command = Command(
        "node", summary: "Gives machines behind NAT a public address: the server of a tunnel.",
        notes: """
            Clients are `omniway expose` and `omniway client`. They remember the node's certificate when they meet it
            first; compare what they print with what the node prints, or give them --certificate.
            SIGTERM or Ctrl-C sends clients to other nodes, lets visitors go on for a while and ends it; a second one
            ends it at once.
            """,
        flags: TunnelNodeFlags.all)

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        guard LogFlags.configure(call, of: "omniway node") else { return .configuration }
        let configuration: TunnelHost.Configuration
        do {
            configuration = try TunnelNodeFlags.configuration(call, environment: ProcessInfo.processInfo.environment)
        } catch {
            complain("omniway node: \(error)")
            return .usage
        }
        let limit = call[TunnelNodeFlags.drain]
        let starting = Task.detached { await start(configuration) }
        while true {
            switch signals.next() {
            case .command: Log.shared.notice("no commands here", ["signal": "SIGUSR1"])
            case .hangUp: Up.reopenLog()
            case .end: Up.end(.runtime)
            case .drain(let signal):
                Log.shared.notice("stopping", ["signal": signal])
                Task.detached {
                    await starting.value.stop(within: limit)
                    Up.end(.success)
                }
            }
        }
    }

    @concurrent private static func start(_ configuration: TunnelHost.Configuration) async -> TunnelHost {
        do {
            let host = try await TunnelHost(configuration)
            announce(host, configuration)
            return host
        } catch {
            complain("omniway node: \(error)")
            Up.end(.runtime)
        }
    }

    private static func announce(_ host: TunnelHost, _ configuration: TunnelHost.Configuration) {
        print("omniway \(Version.current), a node of a tunnel")
        for (carrier, address) in host.addresses { print("  listens      \(carrier.rawValue)://\(address)") }
        if let address = host.adminAddress { print("  admin        http://\(address)") }
        if host.addresses.contains(where: { $0.carrier == .tls }) { print("  certificate  \(host.fingerprint)") }
        if let port = host.addresses.first?.address.port {
            print("  try          omniway expose tcp 22 --node \(Host.name.isEmpty ? "this-host" : Host.name):\(port)")
        }
        print("Ctrl-C ends it.")
        fflush(nil)
        guard configuration.node.registers, configuration.node.registerKey.isEmpty else { return }
        for (carrier, address) in host.addresses where !address.isLoopback {
            Log.shared.warning(
                "anybody can become a client",
                ["address": "\(carrier.rawValue)://\(address)", "try": "set --register-key-file"])
        }
    }
}
