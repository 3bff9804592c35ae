import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway expose`: a public address for one target, in one line.
enum Expose {
    enum Kind: String, CaseIterable { case tcp, http, udp }

    private static let kind = Argument(
        "kind", .choice as ValueKind<Kind>, help: "What the target speaks: tcp, http or udp.")
    private static let target = Argument(
        "target", .string, help: "A port of this machine, or host:port of one that it reaches.")
    private static let at = Flag(
        "at", .string, default: "", placeholder: "port|name",
        help: "The port of the node, or for http the name, that it is to be reached at; by default any that is free.")
    private static let bulk = Flag(
        "bulk", .boolean, default: false,
        help:
            "For gigabytes over a network that is trusted: each visitor gets a connection of its own, which the kernel "
            + "joins. Only with --node tcp://host:port.")

    static let command = Command(
        "expose", summary: "Gives a port of this machine a public address, through a node.",
        notes: """
                omniway expose tcp 22 --node node.example     then: ssh -p <port> node.example
            The address stays the same when it is started again: what it is for has an identity of its own, in
            $OMNIWAY_DATA or ~/.omniway. Nothing but the target can be reached through it. Ctrl-C ends it.
            """,
        flags: TunnelAccess.flags + [at, bulk, RunClient.registerKey] + LogFlags.all, arguments: [kind, target])

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        guard LogFlags.configure(call, of: "omniway expose") else { return .configuration }
        let exposure: Exposure
        do {
            exposure = try Exposure(call, kind: call[kind], target: call[target], at: call[at], isBulk: call[bulk])
        } catch {
            complain("omniway expose: \(error)")
            return .usage
        }
        let starting = Task.detached { await start(exposure) }
        return RunClient.wait(for: signals) { await starting.value.stop() }
    }

    @concurrent private static func start(_ exposure: Exposure) async -> TunnelAgent {
        do {
            let teller = TunnelTeller("omniway expose")
            let agent = try await TunnelAgent(exposure.configuration) { event in
                exposure.hear(event)
                teller.hear(event)
                // The same line, started again elsewhere: two of them would chase each other.
                if case .client(.kicked) = event { leave(with: .runtime) }
            }
            exposure.begin(agent.client)
            return agent
        } catch {
            complain("omniway expose: \(error)")
            leave(with: .runtime)
        }
    }
}
