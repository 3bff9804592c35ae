import OmniwayCluster
import OmniwayTransport
import OmniwayWire

/// What a client may do and see, and an administrator.
extension TunnelAPI {
    func addClientRoutes(to routes: inout HTTPRoutes) {
        on(
            .get, "client/me",
            { api, caller, _, done throws(TunnelRefusal) in
                api.showClient(try Self.client(caller), done)
            }, in: &routes)
        on(
            .post, "client/kick",
            { api, caller, exchange, done throws(TunnelRefusal) in
                try api.kick(caller, exchange, done)
            }, in: &routes)
        on(
            .post, "client/code",
            { api, caller, exchange, done throws(TunnelRefusal) in
                let reader = try MemberReader(exchange.bodyText)
                let revokes = reader.member("revoke") == .bool(true)
                let owner = try Self.client(caller)
                api.node.book.changeCode(of: (owner.client, owner.tunnel), revokes: revokes) { result in
                    done(result.map { ["AuthCode": .string($0)] })
                }
            }, in: &routes)
        on(
            .get, "node/list",
            { api, caller, _, done throws(TunnelRefusal) in
                guard caller == .admin else { throw Self.forAdmins }
                done(.success(api.nodes))
            }, in: &routes)
        addRuleRoutes(to: &routes)
    }

    static func client(_ caller: TunnelTokens.Caller) throws(TunnelRefusal) -> RuleOwner {
        guard case .client(let id, let tunnel) = caller else {
            throw TunnelRefusal(.forbidden, "this is for clients; log in with clientId and token")
        }
        return RuleOwner(client: id, tunnel: tunnel)
    }

    private func showClient(_ owner: RuleOwner, _ done: @escaping Answer) {
        node.registry.get(TunnelKey.tunnel(owner.tunnel)) { [node] result in
            done(
                result.mapError { TunnelRefusal($0) }.map { entry in
                    let code = entry.flatMap { try? MemberReader($0.value.text).text("AuthCode") } ?? ""
                    let online = node.online?[TunnelKey.online(owner.client)]
                    let record = online.flatMap { try? MemberReader.json($0.value.text) }
                    return [
                        "ClientId": .string(owner.client), "TunnelId": .string(owner.tunnel),
                        "AuthCode": .string(code), "Online": record ?? .null, "NodeId": .string(node.id),
                        "Rules": JSON(node.rules[owner.client]?.count ?? 0),
                    ]
                })
        }
    }

    /// A client lets go of what runs under its name; an administrator of any.
    private func kick(
        _ caller: TunnelTokens.Caller, _ exchange: HTTPExchange, _ done: @escaping Answer
    ) throws(TunnelRefusal) {
        let reader = try MemberReader(exchange.bodyText)
        var wanted = try reader.text("clientId")
        if case .client(let id, _) = caller {
            guard wanted.isEmpty || wanted == id else {
                throw TunnelRefusal(.forbidden, "a client may let go of itself alone")
            }
            wanted = id
        }
        let told = try reader.text("message")
        let words = told.isEmpty ? "let go over the HTTP interface" : told
        let gone = Result<JSON, TunnelRefusal>.success(["kicked": .string(wanted)])
        if let session = node.sessions[wanted] {
            node.letGo(session, words)
            return done(gone)
        }
        guard wanted.isTunnelID, let elsewhere = node.whereabouts(of: wanted) else {
            throw TunnelRefusal(.notFound, "no such client is online")
        }
        node.links.send(TunnelNode.Path.kick, ["Message": words], "", to: wanted, at: elsewhere) { result in
            switch result {
            case .success: done(gone)
            case .failure(let failure): done(.failure(TunnelRefusal(.offline, failure.description)))
            }
        }
    }

    private var nodes: JSON {
        var clients: [String: Int] = [:]
        for entry in node.online?.entries ?? [] {
            let at = (try? MemberReader(entry.value.text).text("nodeId")) ?? ""
            clients[at, default: 0] += 1
        }
        return .array(
            (node.nodes?.entries ?? []).compactMap { entry in
                guard case .object(var record)? = try? MemberReader.json(entry.value.text),
                    case .string(let id)? = record["nodeId"]
                else { return nil }
                record["clients"] = JSON(clients[id] ?? 0)
                return .object(record)
            })
    }
}
