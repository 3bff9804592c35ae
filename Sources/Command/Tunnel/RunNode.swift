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
            Clients are `omniway expose` and `omniway client`. They remember the node's certificate from the
            first meeting on: compare what they print with what the node prints, or give them --certificate.
            SIGTERM or Ctrl-C sends clients to other nodes, lets visitors go on for a while and ends it; a
            second one ends it at once.
            """,
        flags: TunnelNodeFlags.all)

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        guard LogFlags.configure(call, of: "omniway node") else { return .configuration }
        let (configuration, process): (TunnelPart.Configuration, Node.Configuration)
        do {
            configuration = try TunnelNodeFlags.configuration(call, environment: ProcessInfo.processInfo.environment)
            process = try TunnelNodeFlags.node(call)
        } catch {
            complain("omniway node: \(error)")
            return .usage
        }
        let program = NodeProgram(
            name: "omniway node", signals: signals, door: configuration.folder.file("node.sock"),
            connections: "visitors")
        program.run(process) { node in
            let part = try await node.start { loops in try await TunnelPart(configuration, on: loops) }
            await part.ready()
            return { _ in
                await announce(part, node)
                warn(of: configuration, part)
            }
        }
    }

    private static func announce(_ part: TunnelPart, _ node: Node) async {
        print("omniway \(Version.current), a node of a tunnel")
        for (carrier, address) in part.addresses { print("  listens      \(carrier.rawValue)://\(address)") }
        for (scheme, address) in part.webAddresses { print("  names        \(scheme)://\(address)") }
        for port in await node.ports where port.name == "admin" { print("  admin        \(port.address)") }
        if let link = await node.loginLink() { print("  dashboard    \(link), good once") }
        if part.addresses.contains(where: { $0.carrier == .tls }) { print("  certificate  \(part.fingerprint)") }
        if let (carrier, address) = part.addresses.first {
            let scheme = carrier == .tls ? "" : "\(carrier.rawValue)://"
            let place = address.isLoopback || Host.name.isEmpty ? "\(address)" : "\(Host.name):\(address.port)"
            print("  try          omniway expose tcp 22 --node \(scheme)\(place)")
        }
        print("Ctrl-C ends it.")
        fflush(nil)
    }

    static func warn(of configuration: TunnelPart.Configuration, _ part: TunnelPart) {
        guard configuration.node.registers, configuration.node.registerKey.isEmpty else { return }
        for (carrier, address) in part.addresses where !address.isLoopback {
            Log.shared.warning(
                "anybody can become a client",
                ["address": "\(carrier.rawValue)://\(address)", "try": "set --register-key-file"])
        }
    }
}
