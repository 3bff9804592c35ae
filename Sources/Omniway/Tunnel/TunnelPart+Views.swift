public import OmniwayAdmin
import OmniwayCluster
import OmniwayTransport
import OmniwayTunnel

extension TunnelPart {
    public nonisolated var views: [AdminView] {
        let (node, registry) = (node, registry)
        return [
            AdminView("cluster") {
                await node.run { _, node in
                    let nodes = node.nodeReports
                    let rows = nodes.map {
                        AdminTable.Row($0.node, [$0.node, $0.address, $0.since, "\($0.clients)"])
                    }
                    let leases = nodes.flatMap { [Int64](repeating: $0.lease, count: 1 + $0.clients) }
                    return AdminReport(
                        figures: [("registry", registry.health.text), ("nodes", "\(nodes.count)")],
                        tables: [
                            AdminTable("nodes", ["node", "address", "since", "clients"], rows),
                            .leases(leases) { lease in nodes.first { $0.lease == lease }?.node ?? "" },
                        ])
                }
            },
            AdminView("tunnel") {
                await node.run { _, node in
                    let clients = node.clientReports.map {
                        AdminTable.Row($0.tunnel, [$0.tunnel, $0.client, "\($0.address)"])
                    }
                    let rules = node.allRules
                    return AdminReport(
                        figures: [
                            ("clients", "\(clients.count)"), ("rules", "\(rules.count)"),
                            ("visitors", "\(node.transferCount)"),
                        ],
                        tables: [
                            AdminTable(
                                "clients", ["tunnelId", "id", "address"], clients,
                                actions: ["tunnel.kick", "tunnel.code", "tunnel.newCode"]),
                            node.table(of: rules),
                        ])
                }
            },
            AdminView("device") {
                await node.run { _, node in
                    AdminReport(tables: [node.table(of: node.allRules.filter { $0.owner == node.id })])
                }
            },
        ]
    }

    public nonisolated var actions: [AdminAction] { clientActions + deviceActions }

    private nonisolated var clientActions: [AdminAction] {
        let node = node
        return [
            AdminAction("tunnel.kick", fields: ["tunnelId"]) { fields in
                let tunnel = fields["tunnelId"] ?? ""
                let isGone = await node.run { _, node in
                    let client = node.clientReports.first { $0.tunnel == tunnel }
                    return client.map { node.kick($0.client, because: "an operator has let it go") } ?? false
                }
                guard isGone else { throw AdminRefusal("no such client is here") }
                return "\(tunnel) was let go"
            },
            AdminAction("tunnel.code", fields: ["tunnelId"]) { fields in
                let tunnel = fields["tunnelId"] ?? ""
                let code = try await node.answer { node, done in node.authCode(of: tunnel, done) }
                return "the AuthCode of \(tunnel) is \(code)"
            },
            AdminAction(
                "tunnel.newCode", fields: ["tunnelId", AdminField("revoke", choices: ["no", "yes"])]
            ) { fields in
                let (tunnel, revokes) = (fields["tunnelId"] ?? "", fields["revoke"] == "yes")
                let code = try await node.answer { node, done in
                    node.changeAuthCode(of: tunnel, revokes: revokes, done)
                }
                return "the AuthCode of \(tunnel) is \(code) from now on"
                    + (revokes ? "; rules that others had made with the old one are gone" : "")
            },
            AdminAction("tunnel.remove", fields: ["rule"]) { fields in
                let name = fields["rule"] ?? ""
                try await node.answer { node, done in node.removeRule(named: name, done) }
                return "\(name) is taken away"
            },
        ]
    }

    /// For people: who knows the number of a device and its AuthCode gets a way to it.
    private nonisolated var deviceActions: [AdminAction] {
        let node = node
        let key: [AdminField] = ["tunnelId", AdminField("authCode", isSecret: true)]
        let addresses = [
            AdminField("target", usual: "tcp://127.0.0.1:22"), AdminField("listen", usual: "node+tcp://:0"),
        ]
        return [
            AdminAction("device.look", fields: key) { fields in
                let (tunnel, code) = (fields["tunnelId"] ?? "", fields["authCode"] ?? "")
                let device = try await node.answer { node, done in node.device(tunnel, authCode: code, done) }
                let rules = await node.run { _, node in
                    device.rules.map { "\n\(node.place(of: $0)) leads to \($0.targetAddress)" }.joined()
                }
                guard let login = device.login else { return "\(tunnel) is offline" + rules }
                return "\(tunnel) is online from \(login.address) since \(login.since)" + rules
            },
            AdminAction("device.add", fields: key + addresses) { fields in
                let request = TunnelRuleRequest(
                    listen: fields["listen"] ?? "", target: fields["target"] ?? "", of: fields["tunnelId"] ?? "",
                    authCode: fields["authCode"] ?? "")
                let rule = try await node.answer { node, done in node.addRule(request, done) }
                let place = await node.run { _, node in node.place(of: rule) }
                return "\(place) leads to \(rule.targetAddress) of \(rule.targetTunnel)"
            },
        ]
    }
}

extension TunnelNode {
    /// Where visitors of a rule come, without the id of the node that they ask.
    fileprivate func place(of rule: TunnelRule) -> String {
        guard case .port(let kind, id, let port) = rule.listenAddress else { return rule.listenAddress.text }
        return TunnelAddress.port(kind, node: "", port).text
    }

    fileprivate func table(of rules: [TunnelRule]) -> AdminTable {
        let rows = rules.map { rule in
            let traffic = traffic(of: rule.name)
            return AdminTable.Row(
                rule.name,
                [
                    place(of: rule), "\(rule.targetAddress)", rule.targetTunnel, trouble(of: rule) ?? "ready",
                    rule.owner == id ? "node" : rule.owner, "\(traffic.connections)", "\(traffic.fromVisitors)",
                    "\(traffic.toVisitors)",
                ])
        }
        return AdminTable(
            "rules",
            ["listens", "target", "tunnelId", "state", "owner", "connections", "from visitors", "to visitors"], rows,
            actions: ["tunnel.remove"])
    }
}

extension LoopBound<TunnelNode> {
    /// What the node answers when it has asked its registry.
    fileprivate func answer<Answer: Sendable>(
        _ ask: @Sendable (TunnelNode, @escaping (Result<Answer, TunnelRefusal>) -> Void) -> Void
    ) async throws -> Answer {
        let (results, tell) = AsyncStream.makeStream(of: Result<Answer, TunnelRefusal>.self)
        await run { _, node in ask(node) { tell.yield($0) } }
        for await result in results { return try result.get() }
        throw AdminRefusal("the node has gone")
    }
}
