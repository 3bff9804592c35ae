import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway client`: a client of the tunnel, until a signal ends it.
enum RunClient {
    private static let allowTargets = Flag(
        "allow-target", .strings, default: [], placeholder: "target",
        help:
            "What may be reached through this client, whatever rules say: tcp://10.0.0.0/8:22, tcp://nas:80-89. May be "
            + "repeated. By default what the identity's file says, or everything.")
    static let registerKey = Flag(
        "register-key-file", .string, default: "", placeholder: "path",
        help: "A file with the word that the node wants of new clients.")
    private static let dialPatience = Flag(
        "dial-timeout", .duration, default: TunnelClientSettings().dialPatience,
        help: "How long a target may take to answer.")
    private static let exitOnKick = Flag(
        "exit-on-kick", .boolean, default: false,
        help: "End when another with the same identity logs in, instead of coming back after a minute.")

    static let command = Command(
        "client", summary: "Keeps this machine reachable through a node: rules lead to it, and listen here.",
        notes: """
            At its first start it becomes a client, and prints its number and its AuthCode: with both, others
            make rules that lead here. `omniway tunnel` shows and changes rules.
            """,
        flags: TunnelAccess.flags + [allowTargets, registerKey, dialPatience, exitOnKick] + LogFlags.all)

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        guard LogFlags.configure(call, of: "omniway client") else { return .configuration }
        let configuration: TunnelAgent.Configuration
        do { configuration = try self.configuration(call) } catch {
            complain("omniway client: \(error)")
            return .usage
        }
        let endsWhenKicked = call[exitOnKick]
        let starting = Task.detached { await start(configuration, endsWhenKicked) }
        return wait(for: signals) { await starting.value.stop() }
    }

    /// Until a signal; then `stop`, and the end.
    static func wait(for signals: ProcessSignals, _ stop: @escaping @Sendable () async -> Void) -> ExitCode {
        while true {
            switch signals.next() {
            case .command: Log.shared.notice("no commands here", ["signal": "SIGUSR1"])
            case .hangUp: Log.shared.reopenAfterRotation()
            case .end: leave(with: .runtime)
            case .drain:
                Task.detached {
                    await stop()
                    leave(with: .success)
                }
            }
        }
    }

    private static func configuration(_ call: Invocation) throws -> TunnelAgent.Configuration {
        let access = try TunnelAccess(call)
        var configuration = TunnelAgent.Configuration(nodes: access.nodes, file: access.file)
        configuration.trust = access.trust
        configuration.client.allowTargets = try access.file.allowTargets()
        if !call[allowTargets].isEmpty {
            configuration.client.allowTargets = try call[allowTargets].map { text in
                guard let allowance = TargetAllowance(text) else { throw TunnelFlagError.allowance(text) }
                return allowance
            }
        }
        configuration.client.registerKey = try TunnelNodeFlags.secret(call[registerKey], "--register-key-file")
        configuration.client.dialPatience = call[dialPatience]
        if call[exitOnKick] { configuration.client.kickPause = nil }
        return configuration
    }

    @concurrent private static func start(
        _ configuration: TunnelAgent.Configuration, _ endsWhenKicked: Bool
    ) async -> TunnelAgent {
        if configuration.client.allowTargets == nil {
            Log.shared.warning(
                "rules may lead to every target that this machine reaches", ["try": "set --allow-target"])
        }
        let teller = TunnelTeller("omniway client")
        do {
            return try await TunnelAgent(configuration) { event in
                teller.hear(event)
                if endsWhenKicked, case .client(.kicked) = event { leave(with: .runtime) }
            }
        } catch {
            complain("omniway client: \(error)")
            leave(with: .runtime)
        }
    }
}

/// Says what happens to a client, for the person at the terminal and for the log.
final class TunnelTeller: Sendable {
    private let program: String
    private let hasSaidWho = Lock(false)
    private let hasBeenThere = Lock(false)

    init(_ program: String) { self.program = program }

    func hear(_ event: TunnelAgent.Event) {
        switch event {
        case .client(let event): hear(event)
        case .kept(let identity):
            if hasSaidWho.withLock({ exchange(&$0, with: true) }) { return }
            print("number    \(identity.tunnel)")
            print("AuthCode  \(identity.authCode)")
            fflush(nil)
        case .notKept(let error): complain("\(program): \(error)")
        case .learned(let fingerprint, let node):
            print("node      \(node.name) is known from now on by its certificate \(fingerprint)")
            fflush(nil)
        }
    }

    private func hear(_ event: TunnelClientEvent) {
        switch event {
        case .registered: break  // Said when it is kept.
        case .loggedIn(let node):
            let isAgain = hasBeenThere.withLock { exchange(&$0, with: true) }
            if isAgain { Log.shared.notice("logged in again", ["node": node]) }
        case .refused(let why): complain("\(program): the node refuses: \(why.words)")
        case .lost(let reason): lost(reason)
        case .kicked(let words):
            complain("\(program): this identity is taken away for a minute: \(BodyText.harmless(words))")
        case .listening(let rule):
            print("listens   \(rule.listenAddress.text), which leads to \(rule.targetAddress) of \(rule.targetTunnel)")
            fflush(nil)
        case .notListening(_, let error): complain("\(program): \(error)")
        case .stoppedListening(let rule): Log.shared.notice("listens no more", ["address": rule.listenAddress.text])
        case .targetFailed(let target, let why):
            Log.shared.warning("a visitor did not reach its target", ["target": "\(target)", "why": why])
        }
    }

    private func lost(_ reason: CloseReason) {
        let words = BodyText.harmless(reason.description)
        guard let advice = TunnelAccess.advice(reason) else {
            return Log.shared.notice("no connection to a node", ["why": words])
        }
        complain("\(program): \(words)\n\(advice)")
        // Who has never been there is told at once; who was is not thrown out by somebody who gets in between.
        if !hasBeenThere.withLock({ $0 }) { leave(with: .runtime) }
    }
}
