import OmniwayCluster
import OmniwayCrypto
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// Who clients are, and on which node each of them is.
extension TunnelNode {
    func addLoginRoutes() {
        routes.twoWay(Path.register) { [weak self] request, invoker, answer in
            self?.register(request, invoker, answer)
        }
        routes.twoWay(Path.login) { [weak self] request, invoker, answer in
            try self?.login(request, invoker, answer)
        }
        routes.twoWay(Path.heartbeat) { [weak self] _, _, answer in
            guard let self else { return }
            answer.succeed(headers: ["Now": String(loop.now.nanoseconds / 1_000_000)])
        }
    }

    private func register(_ request: InvokeRequest, _ invoker: Invoker, _ answer: InvokeAnswer) {
        guard let caller = invoker.attachment as? NodeCaller else { return }
        guard invoker.terminal.isEmpty, case .stranger(false) = caller.standing else {
            answer.fail(.forbidden, "it has an id already")
            return invoker.close(.refused)
        }
        guard settings.registers, Secret.isEqual(request.headers["RegisterKey"] ?? "", settings.registerKey) else {
            return answer.fail(.forbidden, "this node takes no new clients, or only such that know its RegisterKey")
        }
        guard registrations.take(caller.source.description, at: loop.now) else {
            return answer.fail(.tooMany, "too many new clients from there; try again in a minute")
        }
        caller.standing = .stranger(isBusy: true)
        book.register { result in
            if case .stranger = caller.standing { caller.standing = .stranger(isBusy: false) }
            switch result {
            case .failure(let refusal): answer.fail(refusal.code, refusal.words)
            case .success(let identity):
                invoker.terminal = identity.client
                answer.succeed(identity.json.text)
            }
        }
    }

    private func login(_ request: InvokeRequest, _ invoker: Invoker, _ answer: InvokeAnswer) throws {
        guard let caller = invoker.attachment as? NodeCaller else { return }
        let reader = try MemberReader(request.body)
        let (client, token) = (try reader.text("clientId"), try reader.text("token"))
        guard case .stranger(false) = caller.standing, !client.isEmpty, client == invoker.terminal else {
            answer.fail(.notAuthenticated, "the id is not that of the connection, or it has logged in before")
            return invoker.close(.refused)
        }
        caller.standing = .stranger(isBusy: true)
        book.check(client, token: token) { [weak self] result in
            guard let self else { return }
            switch result {
            case .success(let tunnel): writeOnline(client, tunnel, caller, invoker, answer)
            case .failure(let refusal):
                answer.fail(refusal.code, refusal.words)
                invoker.close(.refused)
            }
        }
    }

    private func writeOnline(
        _ client: String, _ tunnel: String, _ caller: NodeCaller, _ invoker: Invoker, _ answer: InvokeAnswer
    ) {
        guard let lease, !isDraining else {
            answer.fail(.offline, "the node is going away")
            return invoker.close(.shutdown)
        }
        let record: JSON = [
            "clientId": .string(client), "nodeId": .string(id), "connectionId": .string(invoker.id),
            "connectTime": .string(Timestamp.now().text), "remoteAddr": .string(caller.source.description),
        ]
        let text = record.text
        // The key of the number comes along, because people are to be shown their AuthCode.
        let steps: [RegistryOperation] = [
            .put(TunnelKey.online(client), RegistryBytes(text), lease: lease), .get(TunnelKey.tunnel(tunnel)),
        ]
        registry.transact(RegistryTransaction(then: steps)) { [weak self] result in
            guard let self else { return }
            switch result {
            case .failure(let error):
                answer.fail(.offline, "the registry cannot do it now: \(error)")
                invoker.close(.shutdown)
            case .success(let outcome):
                let session = NodeSession(
                    client, tunnel: tunnel, online: text, revision: outcome.revision, peer: caller.peer)
                install(session, caller, invoker, answer, outcome.results.last?.entries.first)
            }
        }
    }

    /// The order of the registry decides who is the newest, whatever was heard of first.
    private func install(
        _ session: NodeSession, _ caller: NodeCaller, _ invoker: Invoker, _ answer: InvokeAnswer,
        _ tunnel: RegistryEntry?
    ) {
        let client = session.client
        guard invoker.link != nil, !isDraining else { return forget(session) }
        let newer = online?[TunnelKey.online(client)].map { $0.modified > session.revision } ?? false
        if newer || sessions[client].map({ $0.revision > session.revision }) ?? false {
            answer.fail(.superseded, "a newer login has taken its place")
            return invoker.close(.superseded)
        }
        if let old = sessions[client] { kick(old, .superseded, "logged in again", by: id) }
        let key = SecretBytes.random(32)
        caller.peer.authorize(key)
        caller.standing = .client(session)
        sessions[client] = session
        let code = tunnel.flatMap { try? MemberReader($0.value.text).text("AuthCode") } ?? ""
        let body: JSON = [
            "ClientId": .string(client), "TunnelId": .string(session.tunnel), "AuthCode": .string(code),
            "connectionId": .string(invoker.id), "nodeId": .string(id),
            "heartbeatSeconds": .init(max(1, Int(settings.heartbeat.components.seconds))),
            "leaseSeconds": .init(Int(settings.silence.components.seconds)),
            "sessionKey": .string(Base64.encode(key)),
        ]
        answer.succeed(body.text)
        ports.update()
    }

    /// Tells a client why, and ends its command connection. Its streams may go on for `carrier.keep`.
    func kick(_ session: NodeSession, _ code: InvokeCode, _ words: String, by node: String) {
        if sessions[session.client] === session { sessions[session.client] = nil }
        callers[ObjectIdentifier(session.peer)]?.standing = .gone
        let headers: InvokeHeaders = ["Message": words, "Code": code.description, "NewNodeId": node]
        // A connection that is closed already has nobody left to tell.
        try? session.peer.invoker?.send(Path.kick, headers: headers)
        session.peer.invoker?.close(.superseded.with(words))
        ports.update()
    }

    /// Sends a client away for a while, though nobody has taken its place.
    func letGo(_ session: NodeSession, _ words: String) {
        kick(session, .superseded, words, by: "")
        forget(session)
    }

    func loggedOut(_ session: NodeSession) {
        guard sessions[session.client] === session else { return }
        sessions[session.client] = nil
        forget(session)
        ports.update()
    }

    /// Takes the record away if it is still this session's. Its node, or another, may have written a newer one.
    private func forget(_ session: NodeSession) {
        let key = TunnelKey.online(session.client)
        let mine = RegistryCondition.value(of: key, is: RegistryBytes(session.online))
        registry.transact(RegistryTransaction(if: [mine], then: [.delete(key)])) { result in
            // The lease takes it away when the registry cannot be reached for so long.
            if case .failure(let error) = result {
                Log.shared.warning("an online record stays for a while", ["error": "\(error)"])
            }
        }
    }

    func onlineChanged(_ change: RegistryChange) {
        guard let client = change.key.after(TunnelKey.online)?.text, let session = sessions[client],
            let entry = change.entry, change.revision > session.revision, entry.value.text != session.online
        else { return }
        let node = (try? MemberReader(entry.value.text).text("nodeId")) ?? ""
        // Of two logins here the second kicks the first when its answer comes.
        guard node != id else { return }
        lease?.forget(change.key)
        kick(session, .superseded, "logged in on another node", by: node)
    }
}
