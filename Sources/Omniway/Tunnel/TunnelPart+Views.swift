public import OmniwayAdmin
import OmniwayTunnel

extension TunnelPart {
    public nonisolated var views: [AdminView] {
        let node = node
        return [
            AdminView("tunnel") {
                await node.run { _, node in
                    let clients = node.clientReports.map {
                        AdminTable.Row($0.client, [$0.tunnel, $0.client, "\($0.address)"])
                    }
                    let rules = node.allRules.map { rule in
                        let traffic = node.traffic(of: rule.name)
                        return AdminTable.Row(
                            rule.name,
                            [
                                rule.listenAddress.text, "\(rule.targetAddress)", rule.targetTunnel, rule.owner,
                                "\(traffic.connections)", "\(traffic.fromVisitors)", "\(traffic.toVisitors)",
                            ])
                    }
                    return AdminReport(
                        figures: [
                            ("clients", "\(clients.count)"), ("rules", "\(rules.count)"),
                            ("visitors", "\(node.transferCount)"),
                        ],
                        tables: [
                            AdminTable("clients", ["tunnelId", "id", "address"], clients, actions: ["tunnel.kick"]),
                            AdminTable(
                                "rules",
                                [
                                    "listens", "target", "tunnelId", "owner", "connections", "from visitors",
                                    "to visitors",
                                ], rules, actions: ["tunnel.remove"]),
                        ])
                }
            }
        ]
    }

    public nonisolated var actions: [AdminAction] {
        let node = node
        return [
            AdminAction("tunnel.kick", fields: ["client"]) { fields in
                let client = fields["client"] ?? ""
                let isGone = await node.run { _, node in node.kick(client, because: "an operator has let it go") }
                guard isGone else { throw AdminRefusal("no such client is here") }
                return "\(client) was let go"
            },
            AdminAction("tunnel.remove", fields: ["rule"]) { fields in
                let name = fields["rule"] ?? ""
                let (results, tell) = AsyncStream.makeStream(of: Result<Void, TunnelRefusal>.self)
                await node.run { _, node in node.removeRule(named: name) { tell.yield($0) } }
                for await result in results {
                    try result.get()
                    break
                }
                return "\(name) is taken away"
            },
        ]
    }
}
