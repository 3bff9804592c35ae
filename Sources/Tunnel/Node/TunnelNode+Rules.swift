import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// Which ways there are, and who may make them.
extension TunnelNode {
    func addRuleRoutes() {
        routes.twoWay(Path.list) { [weak self] _, invoker, answer in
            guard let self, let session = (invoker.attachment as? NodeCaller)?.session else { return }
            let mine = (rules[session.client]?.all ?? []).filter { $0.listener == session.client }
            answer.succeed(JSON.array(mine.sorted { $0.name < $1.name }.map(\.shown)).text)
        }
        routes.twoWay(Path.ruleAdd) { [weak self] request, invoker, answer in
            guard let self, let session = (invoker.attachment as? NodeCaller)?.session else { return }
            let wanted = try TunnelRuleRequest(MemberReader.json(request.body))
            add(wanted, by: RuleOwner(session)) { result in
                switch result {
                case .success(let rule): answer.succeed(rule.shown.text)
                case .failure(let refusal): answer.fail(refusal.code, refusal.words)
                }
            }
        }
        routes.twoWay(Path.ruleDelete) { [weak self] request, invoker, answer in
            guard let self, let session = (invoker.attachment as? NodeCaller)?.session else { return }
            let text = try MemberReader(request.body).text("listenAddr")
            guard let address = TunnelAddress(text) else { return answer.fail(.failed, "\(text) is no address") }
            book.remove(address.text, of: session.client) { result in
                switch result {
                case .success: answer.succeed()
                case .failure(let refusal): answer.fail(refusal.code, refusal.words)
                }
            }
        }
    }

    func addCodeRoute() {
        routes.twoWay(Path.newCode) { [weak self] request, invoker, answer in
            guard let self, let session = (invoker.attachment as? NodeCaller)?.session else { return }
            let revokes = request.headers["Revoke"] == "true"
            book.changeCode(of: (session.client, session.tunnel), revokes: revokes) { result in
                switch result {
                case .success(let code):
                    let body: JSON = ["AuthCode": .string(code)]
                    answer.succeed(body.text)
                case .failure(let refusal): answer.fail(refusal.code, refusal.words)
                }
            }
        }
    }

    func add(
        _ request: TunnelRuleRequest, by session: RuleOwner, _ done: @escaping TunnelBook.Done<TunnelRule>
    ) {
        let addresses: (listen: TunnelAddress, target: TargetAddress)
        do throws(TunnelRefusal) { addresses = try check(request, by: session) } catch { return done(.failure(error)) }
        let isOwn = request.targetTunnel == session.tunnel
        find(request.targetTunnel, authCode: isOwn ? nil : request.targetAuthCode, for: session) { [weak self] result in
            guard let self else { return }
            let found: FoundTunnel
            switch result {
            case .failure(let refusal): return done(.failure(refusal))
            case .success(let tunnel): found = tunnel
            }
            var options = request.options
            options.group = RuleGroups.mark(options.group, addresses.listen)
            let rule = TunnelRule(
                owner: session.client, listener: addresses.listen.isAtClient ? session.client : "",
                target: found.client, targetTunnel: request.targetTunnel, listenAddress: addresses.listen,
                targetAddress: addresses.target, limits: request.limits, options: options,
                codeMark: Secret.mark(found.authCode), created: Timestamp.now().text)
            put(rule, found.entry, attempt: 1, done)
        }
    }

    /// Who is behind a number, for somebody who knows its AuthCode; nil for the one who is asked for itself.
    func find(
        _ tunnel: String, authCode: String?, for session: RuleOwner, _ done: @escaping TunnelBook.Done<FoundTunnel>
    ) {
        let names = ["tunnel \(tunnel)", "client \(session.client)"]
        // Counted before the answer is known, so that many guesses at once are no more than many one by one.
        for (index, name) in names.enumerated() where authCode != nil && !wrongCodes.take(name, at: loop.now) {
            for taken in names[..<index] { wrongCodes.giveBack(taken) }
            return done(
                .failure(TunnelRefusal(.tooMany, "too many wrong AuthCodes; try again in a quarter of an hour")))
        }
        book.find(tunnel) { [weak self] result in
            guard let self else { return }
            switch result {
            case .failure(let refusal): done(.failure(refusal))
            case .success(let found):
                let isRight = found.map { found in
                    authCode.map { Secret.isEqual(found.authCode, $0) } ?? (found.client == session.client)
                }
                guard let found, isRight == true else {
                    // The same for both, so that numbers cannot be looked for.
                    return done(.failure(TunnelRefusal(.forbidden, "no such tunnel, or not its AuthCode")))
                }
                if authCode != nil { for name in names { wrongCodes.giveBack(name) } }
                done(.success(found))
            }
        }
    }

    private func check(
        _ request: TunnelRuleRequest, by session: RuleOwner
    ) throws(TunnelRefusal) -> (listen: TunnelAddress, target: TargetAddress) {
        guard request.targetTunnel.isTunnelNumber else {
            throw TunnelRefusal(.failed, "targetTunnelId is the number of a tunnel, 8 digits")
        }
        let mine = rules[session.client] ?? OwnedRules()
        let isGiven = request.listenAddress.isEmpty && settings.domain.isDomain
        guard let listen = isGiven ? TunnelAddress.domain("") : TunnelAddress(request.listenAddress) else {
            throw TunnelRefusal(.failed, "listenAddr is no address where a rule could listen; see docs/tunnel.md")
        }
        guard let target = TargetAddress(request.targetAddress) else {
            throw TunnelRefusal(.failed, "targetAddr is nothing that a rule could lead to; see docs/tunnel.md")
        }
        guard listen.leads(to: target) else {
            throw TunnelRefusal(.failed, "\(listen.text) cannot lead to \(target); see docs/tunnel.md")
        }
        if case .domain(let name) = listen, name.isBelow(settings.domain), mine[name] == nil {
            throw TunnelRefusal(.forbidden, "names below \(settings.domain) are given; ask for none to get one")
        }
        if isGiven, !request.options.group.isEmpty {
            throw TunnelRefusal(.failed, "a group needs a name that all of it know")
        }
        if let objection = request.options.objection(listen, to: target) { throw TunnelRefusal(.failed, objection) }
        if case .port(_, _, let port) = listen {
            let mayBe = port == 0 ? !settings.allowPorts.isEmpty : settings.allowPorts.contains { $0.contains(port) }
            guard mayBe else {
                throw TunnelRefusal(.forbidden, "port \(port) is not among the ports that rules may have here")
            }
        }
        guard request.limits.sources.allSatisfy({ AddressRange($0) != nil }) else {
            throw TunnelRefusal(.failed, "allowSources has something that is no address and no range")
        }
        guard mine.count < settings.rules || mine[listen] != nil else {
            throw TunnelRefusal(.tooMany, "\(settings.rules) rules are there; delete one")
        }
        return (listen, target)
    }

    /// Port 0 becomes one that is free, and no name one that nobody has.
    private func put(
        _ rule: TunnelRule, _ tunnel: RegistryEntry, attempt: Int, _ done: @escaping TunnelBook.Done<TunnelRule>
    ) {
        var chosen = rule
        switch rule.listenAddress {
        case .port(let kind, let node, 0):
            let range = settings.allowPorts[Int.random(in: 0..<settings.allowPorts.count, using: &loop.random)]
            chosen.listenAddress = .port(kind, node: node, UInt16.random(in: range, using: &loop.random))
        case .domain(""):
            chosen.listenAddress = .domain(
                "c\(Int.random(in: 100_000...999_998, using: &loop.random)).\(settings.domain)")
        case .port, .domain, .client, .unix: return book.put(rule, whileUnchanged: tunnel, done)
        }
        let isMine = rules[rule.owner]?[chosen.listenAddress] != nil
        let next = { [weak self] (refusal: TunnelRefusal) in
            guard let self, attempt < 32 else { return done(.failure(refusal)) }
            put(rule, tunnel, attempt: attempt + 1, done)
        }
        if isMine { return next(TunnelRefusal(.tooMany, "nothing is free")) }
        book.put(chosen, whileUnchanged: tunnel) { result in
            if case .failure(let refusal) = result, refusal.code == .forbidden { return next(refusal) }
            done(result)
        }
    }

    // MARK: Changes

    func ruleChanged(_ change: RegistryChange) {
        let old = change.previous.flatMap { Self.rule($0) }
        let new = change.entry.flatMap { Self.rule($0) }
        if let old {
            rules[old.owner]?.remove(old.listenAddress)
            if rules[old.owner]?.isEmpty ?? false { rules[old.owner] = nil }
        }
        if let new { rules[new.owner, default: OwnedRules()].put(new) }
        if let old, old.target != new?.target || old.targetAddress != new?.targetAddress { transfers.end(old.name) }
        if let new, let invoker = sessions[new.listener]?.peer.invoker {
            push(Path.listenAdd, new.shown.text, to: invoker)
        } else if let old, new == nil, let invoker = sessions[old.listener]?.peer.invoker {
            let body: JSON = ["listenAddr": .string(old.listenAddress.text)]
            push(Path.listenDelete, body.text, to: invoker)
        }
        ports.update()
        names.changed(from: old, to: new)
        groups.changed(from: old, to: new)
    }

    private func push(_ path: String, _ body: String, to invoker: Invoker) {
        // A client that has just gone reads the list when it is back.
        try? invoker.send(path, body: body)
    }

    /// Nil for what nobody here has written; it is no rule then.
    private static func rule(_ entry: RegistryEntry) -> TunnelRule? {
        guard let rule = try? TunnelRule(MemberReader.json(entry.value.text)),
            TunnelKey.rules + RegistryBytes(rule.name) == entry.key
        else {
            Log.shared.warning("a rule cannot be read", ["key": entry.key.text])
            return nil
        }
        return rule
    }
}

/// Whose rules are made: a client that is here, or one that asks over HTTP.
struct RuleOwner {
    let client: String
    let tunnel: String
    init(client: String, tunnel: String) { (self.client, self.tunnel) = (client, tunnel) }
    init(_ session: NodeSession) { self.init(client: session.client, tunnel: session.tunnel) }
}
