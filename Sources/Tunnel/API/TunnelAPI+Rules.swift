import OmniwayCluster
import OmniwayTransport
import OmniwayWire

/// Rules and names over HTTP.
extension TunnelAPI {
    func addRuleRoutes(to routes: inout HTTPRoutes) {
        on(
            .get, "listen/list/:client",
            { api, caller, exchange, done throws(TunnelRefusal) in
                api.list(try Self.own(caller, exchange), done)
            }, in: &routes)
        on(
            .post, "listen/add",
            { api, caller, exchange, done throws(TunnelRefusal) in
                let owner = try Self.client(caller)
                let json = try MemberReader.json(exchange.bodyText)
                let listener = try MemberReader(json).text("listenClientId")
                guard listener.isEmpty || listener == owner.client else {
                    throw TunnelRefusal(.forbidden, "listenClientId is the caller's own, or is left out")
                }
                api.add(try TunnelRuleRequest(json), by: owner, done)
            }, in: &routes)
        on(
            .post, "listen/delete",
            { api, caller, exchange, done throws(TunnelRefusal) in
                let text = try MemberReader(exchange.bodyText).text("listenAddr")
                guard let address = TunnelAddress(text) else { throw TunnelRefusal(.failed, "\(text) is no address") }
                api.remove(address, of: try Self.client(caller), done)
            }, in: &routes)
        on(
            .get, "domain/list/:client",
            { api, caller, exchange, done throws(TunnelRefusal) in
                let owner = try Self.own(caller, exchange)
                let mine = (api.node.rules[owner.client]?.all ?? []).sorted { $0.name < $1.name }
                done(.success(.array(mine.compactMap { Self.domain($0) })))
            }, in: &routes)
        on(
            .post, "domain/list/:client/add",
            { api, caller, exchange, done throws(TunnelRefusal) in
                let owner = try Self.own(caller, exchange)
                let name = try Self.name(exchange)
                guard case .object(var members) = try MemberReader.json(exchange.bodyText) else { throw Self.noName }
                members["listenAddr"] = .string(name)
                api.add(try TunnelRuleRequest(.object(members)), by: owner, done)
            }, in: &routes)
        on(
            .post, "domain/list/:client/delete",
            { api, caller, exchange, done throws(TunnelRefusal) in
                let owner = try Self.own(caller, exchange)
                api.remove(.domain(try Self.name(exchange)), of: owner, done)
            }, in: &routes)
    }

    /// The client of the path, who must be the caller.
    private static func own(
        _ caller: TunnelTokens.Caller, _ exchange: HTTPExchange
    ) throws(TunnelRefusal) -> RuleOwner {
        let owner = try client(caller)
        guard exchange["client"] == owner.client else {
            throw TunnelRefusal(.forbidden, "a client sees its own alone")
        }
        return owner
    }

    private static let noName = TunnelRefusal(.failed, "domainName is a name such as shop.example")

    private static func name(_ exchange: HTTPExchange) throws(TunnelRefusal) -> String {
        let text = try MemberReader(exchange.bodyText).text("domainName")
        guard case .domain(let name)? = TunnelAddress(text) else { throw noName }
        return name
    }

    private static func domain(_ rule: TunnelRule) -> JSON? {
        guard case .domain(let name) = rule.listenAddress else { return nil }
        return ["DomainName": .string(name), "ListenKey": .string(rule.name), "listen_Info": rule.shown]
    }

    // MARK: Changes

    private func add(_ request: TunnelRuleRequest, by owner: RuleOwner, _ done: @escaping Answer) {
        node.add(request, by: owner) { [node] result in
            done(
                result.map { rule in
                    guard case .object(var shown) = rule.shown else { return rule.shown }
                    // Who listens hears of it from its node, whichever that is; or when it is back.
                    shown["pushed"] = .bool(node.online?[TunnelKey.online(rule.owner)] != nil)
                    return .object(shown)
                })
        }
    }

    private func remove(_ address: TunnelAddress, of owner: RuleOwner, _ done: @escaping Answer) {
        node.book.remove(address.text, of: owner.client) { result in
            done(result.map { ["deleted": .string(address.text)] })
        }
    }

    // MARK: Both directions

    /// Rules that the client has made, and those of others that lead to it.
    private func list(_ owner: RuleOwner, _ done: @escaping Answer) {
        let prefix = TunnelKey.reverse(of: owner.client)
        node.registry.list(.prefix(prefix)) { [self] result in
            switch result {
            case .failure(let error): done(.failure(TunnelRefusal(error)))
            case .success(let listing):
                var all = node.rules[owner.client]?.all ?? []
                for entry in listing.entries {
                    guard let name = entry.key.after(prefix)?.text, let cut = name.range(of: "=>"),
                        let rule = node.rules[String(name[..<cut.lowerBound])]?[String(name[cut.upperBound...])],
                        rule.owner != owner.client
                    else { continue }
                    all.append(rule)
                }
                done(.success(.array(all.sorted { $0.name < $1.name }.map { shown($0, to: owner.client) })))
            }
        }
    }

    /// `Direction` is as the client sees it. `ListenClientId` names who listens, and `TargetClientId` who dials the
    /// target's stream; the TerminalId of a stream is the one of both that has dialled it.
    private func shown(_ rule: TunnelRule, to client: String) -> JSON {
        guard case .object(var shown) = rule.shown else { return rule.shown }
        let isOut = rule.owner == client
        shown["Direction"] = .string(isOut ? rule.target == client ? "both" : "out" : "in")
        shown["TargetOnline"] = .bool(node.online?[TunnelKey.online(rule.target)] != nil)
        if isOut, let state = node.ports.state(of: rule.listenAddress) { shown["Port"] = .string(state) }
        if rule.options.health != nil { shown["Health"] = .string(node.groups.trouble(of: rule) ?? "well") }
        if isOut {
            let traffic = node.traffic(of: rule.name)
            shown["Connections"] = JSON(traffic.connections)
            shown["FromVisitors"] = JSON(traffic.fromVisitors)
            shown["ToVisitors"] = JSON(traffic.toVisitors)
        }
        return .object(shown)
    }
}
