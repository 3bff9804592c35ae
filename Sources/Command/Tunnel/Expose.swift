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

    static let command = Command(
        "expose", summary: "Gives a port of this machine a public address, through a node.",
        notes: """
            omniway expose tcp 22 --node node.example     then: ssh -p <port> node.example
            The address stays the same when it is started again: what it is for has an identity of its own, in
            $OMNIWAY_DATA or ~/.omniway. Nothing but the target can be reached through it. Ctrl-C ends it.
            """,
        flags: TunnelAccess.flags + [at, RunClient.registerKey] + LogFlags.all, arguments: [kind, target])

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        guard LogFlags.configure(call, of: "omniway expose") else { return .configuration }
        let exposure: Exposure
        do { exposure = try Exposure(call, kind: call[kind], target: call[target], at: call[at]) } catch {
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
            }
            exposure.begin(agent.client)
            return agent
        } catch {
            complain("omniway expose: \(error)")
            leave(with: .runtime)
        }
    }
}

/// One target and its address, from the command line to the line that says where it is.
final class Exposure: Sendable {
    let configuration: TunnelAgent.Configuration
    private let kind: Expose.Kind
    private let target: String
    private let wanted: String
    private let state = Lock(State())

    private struct State {
        var client: LoopBound<TunnelClient>?
        var isKept = false
        var hasAsked = false
    }

    init(_ call: Invocation, kind: Expose.Kind, target: String, at: String) throws {
        self.kind = kind
        let local = UInt16(target).map { HostPort(host: "127.0.0.1", port: $0) } ?? HostPort(target)
        guard let local, !local.host.isEmpty, local.port > 0 else { throw TunnelFlagError.target(target) }
        // A web server at a port of its own is a port like any other; a name is for the node to tell from others.
        let isNamed = kind == .http && !at.isEmpty && UInt16(at) == nil
        let scheme = kind == .http && !isNamed ? Expose.Kind.tcp : kind
        self.target = "\(scheme.rawValue)://\(local)"
        let plain = "\(local)".map { $0.isLetter || $0.isNumber || $0 == "." ? $0 : "-" }
        let access = try TunnelAccess(call, usual: "expose-\(kind.rawValue)-\(String(plain)).json")
        var configuration = TunnelAgent.Configuration(nodes: access.nodes, file: access.file)
        configuration.trust = access.trust
        configuration.client.registerKey = try TunnelNodeFlags.secret(
            call[RunClient.registerKey], "--register-key-file")
        configuration.client.allowTargets = TargetAllowance(self.target).map { [$0] }
        self.configuration = configuration
        let address = at.isEmpty ? try access.file.note("exposed", self.target) : nil
        wanted = address ?? (isNamed ? at : "node+\(scheme.rawValue)://:\(at.isEmpty ? "0" : at)")
    }

    func begin(_ client: LoopBound<TunnelClient>) {
        state.withLock { $0.client = client }
        askWhenReady()
    }

    func hear(_ event: TunnelAgent.Event) {
        guard case .kept = event else { return }
        state.withLock { $0.isKept = true }
        askWhenReady()
    }

    private func askWhenReady() {
        let client = state.withLock { state -> LoopBound<TunnelClient>? in
            guard state.isKept, !state.hasAsked, let client = state.client else { return nil }
            state.hasAsked = true
            return client
        }
        guard let client else { return }
        let wanted = wanted
        Task.detached { await self.ask(for: wanted, client) }
    }

    @concurrent private func ask(for address: String, _ client: LoopBound<TunnelClient>) async {
        let target = target
        await client.run { _, client in
            // Registered and kept, but perhaps not logged in: then it asks when it is.
            guard client.isLoggedIn, let identity = client.identity else {
                return self.state.withLock { $0.hasAsked = false }
            }
            let rule = TunnelRuleRequest(listen: address, target: target, of: identity.tunnel)
            client.add(rule) { result in self.answered(result, client) }
        }
    }

    private func answered(_ result: Result<TunnelRule, InvokeFailure>, _ client: TunnelClient) {
        switch result {
        case .success(let rule):
            print("exposed   \(target)")
            print("address   \(url(of: rule))")
            print("Ctrl-C ends it.")
            fflush(nil)
            let (file, target) = (configuration.file, target)
            client.loop.offLoop { () -> String? in
                do throws(TunnelIdentityFileError) {
                    try file.note(rule.listenAddress.text, "exposed", target)
                    return nil
                } catch { return "\(error)" }
            } _: { words in
                if let words = words ?? nil { complain("omniway expose: \(words)") }
            }
        case .failure(.closed): state.withLock { $0.hasAsked = false }  // It asks again after the next login.
        case .failure(let failure):
            complain("omniway expose: the node refuses \(wanted): \(BodyText.harmless(failure.description))")
            leave(with: .runtime)
        }
    }

    /// What a person, or a program, is to open.
    private func url(of rule: TunnelRule) -> String {
        let text = rule.listenAddress.text
        let host = configuration.nodes[0].at.host
        let shown = host.contains(":") ? "[\(host)]" : host
        guard let slashes = text.firstRange(of: "://") else { return "\(kind.rawValue)://\(text)" }
        let rest = text[slashes.upperBound...]
        guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]) else {
            return "\(kind.rawValue)://\(rest)"  // A name.
        }
        return "\(kind.rawValue)://\(shown):\(port)"
    }
}
