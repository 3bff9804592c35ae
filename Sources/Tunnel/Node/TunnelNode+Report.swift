import OmniwayCluster
public import OmniwayTransport
import OmniwayWire

/// What an operator of the node sees and does, whoever the clients are.
extension TunnelNode {
    public struct ClientReport: Sendable {
        public let client: String
        public let tunnel: String
        public let address: SocketAddress
    }

    /// A node of the registry, and what is under its lease: itself, and its clients.
    public struct NodePlaceReport: Sendable {
        public let node: String
        /// Where the others reach it; empty for a node by itself.
        public let address: String
        public let since: String
        public let lease: Int64
        public let clients: Int
    }

    /// All nodes that share the registry, by id.
    public var nodeReports: [NodePlaceReport] {
        var clients: [Int64: Int] = [:]
        for entry in online?.entries ?? [] { clients[entry.lease, default: 0] += 1 }
        return (nodes?.entries ?? []).compactMap { entry in
            guard let reader = try? MemberReader(entry.value.text), let node = try? reader.text("nodeId"),
                let address = try? reader.text("serviceAddr"), let since = try? reader.text("connectionTime")
            else { return nil }
            return NodePlaceReport(
                node: node, address: address, since: since, lease: entry.lease, clients: clients[entry.lease] ?? 0)
        }
    }

    /// Clients that are logged in here, by number.
    public var clientReports: [ClientReport] {
        sessions.values.map { session in
            ClientReport(
                client: session.client, tunnel: session.tunnel,
                address: session.peer.invoker?.link?.traits.peer ?? .none)
        }.sorted { $0.tunnel < $1.tunnel }
    }

    /// All rules of the registry, by name.
    public var allRules: [TunnelRule] {
        rules.values.flatMap(\.all).sorted { $0.name < $1.name }
    }

    /// Ends a client's connections; it stays away for a while. False when it is not here.
    public func kick(_ client: String, because words: String) -> Bool {
        guard let session = sessions[client] else { return false }
        kick(session, .superseded, words, by: "")
        return true
    }

    /// How the port or the target of a rule is, in words; nil when there is nothing to say.
    public func trouble(of rule: TunnelRule) -> String? {
        if online?[TunnelKey.online(rule.target)] == nil { return "the device is offline" }
        guard let state = ports.state(of: rule.listenAddress), state != "open" else { return nil }
        return state
    }

    /// Takes a rule away, whoever has made it.
    public func removeRule(named name: String, _ done: @escaping (Result<Void, TunnelRefusal>) -> Void) {
        guard let rule = allRules.first(where: { $0.name == name }) else {
            return done(.failure(TunnelRefusal(.notFound, "there is no rule \(name)")))
        }
        book.remove(rule.listenAddress.text, of: rule.owner, done)
    }
}

/// What a person does at the node who knows the number of a device, and its AuthCode.
extension TunnelNode {
    /// A device as its number shows it.
    public struct DeviceReport: Sendable {
        public let tunnel: String
        /// Where it comes from, at which node and since when; nil while it is offline.
        public let login: (address: String, node: String, since: String)?
        /// Rules that lead to it.
        public let rules: [TunnelRule]
    }

    /// What the node does itself, in nobody's name.
    private var ownRules: RuleOwner { RuleOwner(client: id, tunnel: "") }

    public func device(
        _ tunnel: String, authCode: String, _ done: @escaping (Result<DeviceReport, TunnelRefusal>) -> Void
    ) {
        find(tunnel, authCode: authCode, for: ownRules) { [weak self] result in
            guard let self else { return }
            done(result.map { self.report(of: $0.client, tunnel) })
        }
    }

    private func report(of client: String, _ tunnel: String) -> DeviceReport {
        let record = online?[TunnelKey.online(client)].flatMap { try? MemberReader($0.value.text) }
        func text(_ name: String) -> String { (try? record?.text(name)) ?? "" }
        return DeviceReport(
            tunnel: tunnel,
            login: record.map { _ in (text("remoteAddr"), text("nodeId"), text("connectTime")) },
            rules: allRules.filter { $0.target == client })
    }

    /// A rule of this node: it listens here, and goes when its target gets another AuthCode that revokes.
    public func addRule(
        _ request: TunnelRuleRequest, _ done: @escaping (Result<TunnelRule, TunnelRefusal>) -> Void
    ) {
        var request = request
        switch TunnelAddress(request.listenAddress) {
        case .port(let kind, "", let port)?: request.listenAddress = TunnelAddress.port(kind, node: id, port).text
        case .client?, .unix?:
            let words = "only a client listens there; run omniway tunnel add beside it, or choose a port of the node"
            return done(.failure(TunnelRefusal(.failed, words)))
        case .port?, .domain?, nil: break
        }
        add(request, by: ownRules, done)
    }

    public func authCode(of tunnel: String, _ done: @escaping (Result<String, TunnelRefusal>) -> Void) {
        book.find(tunnel) { result in
            done(result.flatMap { found in found.map { .success($0.authCode) } ?? .failure(Self.nobody(tunnel)) })
        }
    }

    /// Another AuthCode for a device. With `revokes`, the rules go that others have made with the old one.
    public func changeAuthCode(
        of tunnel: String, revokes: Bool, _ done: @escaping (Result<String, TunnelRefusal>) -> Void
    ) {
        book.find(tunnel) { [book] result in
            switch result {
            case .success(let found?): book.changeCode(of: (found.client, tunnel), revokes: revokes, done)
            case .success(nil): done(.failure(Self.nobody(tunnel)))
            case .failure(let refusal): done(.failure(refusal))
            }
        }
    }

    private static func nobody(_ tunnel: String) -> TunnelRefusal {
        TunnelRefusal(.notFound, "no device has the number \(tunnel)")
    }
}
