import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway tunnel`: shows and changes the rules of a client, over the HTTP interface of its node.
enum TunnelCommand {
    private static let json = Flag("json", .boolean, default: false, help: "Print the answer as JSON.")
    private static let of = Flag(
        "of", .string, default: "", placeholder: "number",
        help: "The number of the client behind which the target is; by default the client's own.")
    private static let code = Flag(
        "code", .string, default: "", placeholder: "text",
        help: "The AuthCode of that client. Other users of this machine see it; --code-file hides it.")
    private static let codeFile = Flag(
        "code-file", .string, default: "", placeholder: "path", help: "A file with the AuthCode on its first line.")
    private static let connections = Flag(
        "max-connections", .integer(1...1 << 20), default: TunnelRuleLimits().connections, placeholder: "count",
        help: "Most connections by the rule at once.")
    private static let sources = Flag(
        "allow-source", .strings, default: [], placeholder: "range",
        help: "Where visitors may come from, such as 10.0.0.0/8; may be repeated. By default anywhere.")
    private static let bandwidth = Flag(
        "bandwidth", .size, default: 0, help: "Bytes in a second by the rule, both directions together; 0 for any.")
    private static let monthly = Flag(
        "monthly-bytes", .size, default: 0, help: "Bytes in a month by the rule; 0 for any.")
    private static let login = Flag(
        "login-file", .string, default: "", placeholder: "path",
        help: "A file with user:password on its first line, for visitors of SOCKS5 and of names.")
    private static let host = Flag(
        "host", .string, default: "", placeholder: "name|*",
        help: "What requests for a name tell the target as their host: * for what the visitor says.")
    private static let passesTLS = Flag(
        "pass-tls", .boolean, default: false, help: "TLS of visitors of a name goes on to the target.")
    private static let trustsAny = Flag(
        "trust-any-certificate", .boolean, default: false,
        help: "The certificate of an https:// target is not looked at.")
    private static let announcement = Flag(
        "proxy-protocol", .choice, default: Announcement.none, help: "Tell the target who comes, by a PROXY header.")
    private static let group = Flag(
        "group-file", .string, default: "", placeholder: "path",
        help: "A file with a word that clients share who take turns for one name or port.")
    private static let health = Flag(
        "health-check", .string, default: "", placeholder: "tcp|/path",
        help: "Of a group: visitors go to no target that takes no connection, or does not answer for the path.")
    private static let bulk = Flag(
        "bulk", .boolean, default: false,
        help: "Visitors bring much: each has a connection of its own between client and node.")
    private enum Announcement: String, CaseIterable { case none, v1, v2 }

    private static let listen = Argument(
        "listen", .string, help: "Where it listens: tcp://host:port of the client, node+tcp://:port of the node.")
    private static let target = Argument(
        "target", .string, default: "",
        help: "What it leads to, such as tcp://10.0.0.5:22; nothing for socks5://, where visitors say it.")

    static let command = Command(
        "tunnel", summary: "Shows and changes the rules of a tunnel client.",
        flags: TunnelAccess.flags + [json],
        subcommands: [
            Command(
                "list", summary: "Lists rules of the client, and rules of others that lead to it.",
                notes: """
                    LISTENER is the client that listens (ListenClientId), or node. TARGET'S CLIENT dials the
                    stream to the target: it is the TerminalId of that stream, as LISTENER is of its own.
                    """),
            Command(
                "add", summary: "Adds a rule, or changes the one for the same address.",

                flags: [
                    of, code, codeFile, connections, sources, bandwidth, monthly, login, host, passesTLS, trustsAny,
                    announcement, group, health, bulk,
                ],
                arguments: [listen, target]),
            Command("remove", summary: "Takes a rule away.", arguments: [listen]),
            Command("kick", summary: "Lets go of the client wherever it is logged in."),
            Command("doctor", summary: "Looks at all between here and the client's targets, and says what is wrong."),
        ])

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        let asked: TunnelQuestion
        do { asked = try TunnelQuestion(call) } catch {
            complain("omniway tunnel: \(error)")
            return .usage
        }
        Task.detached { await answer(call, asked) }
        while true {
            switch signals.next() {
            case .command: break
            case .drain, .end, .hangUp: return .runtime
            }
        }
    }

    @concurrent private static func answer(_ call: Invocation, _ asked: TunnelQuestion) async {
        Log.shared.level = .error  // The answer says what is wrong.
        do {
            if call.path.last == "doctor" {
                leave(with: await TunnelDoctor(asked).examine() ? .success : .runtime)
            }
            let api = try await asked.api()
            let answer: JSON
            switch call.path.last {
            case "add": answer = try await api.add(try rule(call, asked))
            case "remove": answer = try await api.post("listen/delete", ["listenAddr": .string(call[listen])])
            case "kick": answer = try await api.post("client/kick", ["message": "omniway tunnel kick"])
            default: answer = .array(try await api.rules())
            }
            if call[json] {
                print(String(decoding: JSON.Writer(layout: .indented(2)).bytes(of: answer), as: UTF8.self))
            } else {
                print(TunnelTable.text(of: answer))
            }
            leave(with: .success)
        } catch {
            complain("omniway tunnel: \(BodyText.harmless("\(error)"))")
            if case TunnelAPIError.unreachable(.connectFailed(let reason)) = error,
                let advice = TunnelAccess.advice(reason)
            {
                complain(advice)
            }
            leave(with: .runtime)
        }
    }

    private static func rule(_ call: Invocation, _ asked: TunnelQuestion) throws -> TunnelRuleRequest {
        let secret = try TunnelNodeFlags.secret(call[codeFile], "--code-file")
        var rule = TunnelRuleRequest(
            listen: call[listen], target: call[target], of: call[of].isEmpty ? asked.identity.tunnel : call[of],
            authCode: secret.isEmpty ? call[code] : secret)
        rule.limits.connections = call[connections]
        rule.limits.sources = call[sources]
        if call[bandwidth] > 0 { rule.limits.bandwidth = call[bandwidth] }
        if call[monthly] > 0 { rule.limits.monthlyBytes = call[monthly] }
        let words = try TunnelNodeFlags.secret(call[login], "--login-file")
        if !words.isEmpty {
            guard let colon = words.firstIndex(of: ":") else { throw TunnelFlagError.login(call[login]) }
            rule.options.login = TunnelLogin(
                user: String(words[..<colon]), password: String(words[words.index(after: colon)...]))
        }
        rule.options.host = call[host]
        rule.options.passesTLS = call[passesTLS]
        rule.options.trustsAnyCertificate = call[trustsAny]
        rule.options.proxyHeader = call[announcement] == .none ? nil : call[announcement] == .v1 ? .v1 : .v2
        rule.options.isBulk = call[bulk]
        if !call[health].isEmpty {
            guard let check = TunnelHealthCheck(call[health]) else { throw TunnelFlagError.health(call[health]) }
            rule.options.health = check
        }
        rule.options.group = try TunnelNodeFlags.secret(call[group], "--group-file")
        return rule
    }
}

/// Who asks, and where.
struct TunnelQuestion: Sendable {
    let access: TunnelAccess
    let identity: TunnelIdentity
    let loop = EventLoop()

    init(_ call: Invocation) throws {
        access = try TunnelAccess(call)
        guard let identity = try access.file.load() else { throw TunnelFlagError.nobody(access.file.path) }
        self.identity = identity
    }

    /// Of the first node that answers.
    func api() async throws -> TunnelAPIClient {
        var trouble: (any Error)?
        for node in access.nodes {
            do {
                let api = try await api(of: node)
                if try await api.isReady() { return api }
                trouble = TunnelAPIError.refused(.serviceUnavailable, "node \(node) takes no work now")
            } catch { trouble = error }
        }
        throw trouble ?? TunnelAPIError.unreadable
    }

    func api(of node: TunnelNodeAddress) async throws -> TunnelAPIClient {
        try await TunnelAPIClient(
            of: node, trust: access.trust.trust(in: node, keptIn: access.file), serverName: access.trust.serverName,
            as: identity, on: loop)
    }
}
