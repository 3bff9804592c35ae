public import OmniwayTransport

/// What an operator of the node sees and does, whoever the clients are.
extension TunnelNode {
    public struct ClientReport: Sendable {
        public let client: String
        public let tunnel: String
        public let address: SocketAddress
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
        rules.values.flatMap { $0.values }.sorted { $0.name < $1.name }
    }

    /// Ends a client's connections; it stays away for a while. False when it is not here.
    public func kick(_ client: String, because words: String) -> Bool {
        guard let session = sessions[client] else { return false }
        kick(session, .superseded, words, by: "")
        return true
    }

    /// Takes a rule away, whoever has made it.
    public func removeRule(named name: String, _ done: @escaping (Result<Void, TunnelRefusal>) -> Void) {
        guard let rule = allRules.first(where: { $0.name == name }) else {
            return done(.failure(TunnelRefusal(.notFound, "there is no rule \(name)")))
        }
        book.remove(rule.listenAddress.text, of: rule.owner, done)
    }
}
