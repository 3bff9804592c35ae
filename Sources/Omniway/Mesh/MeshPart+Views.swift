public import OmniwayAdmin
import OmniwayMesh
import OmniwayWire

/// What the dashboard shows of a mesh.
extension MeshPart {
    public var views: [AdminView] {
        let (name, node, peer) = (name, node, peer)
        return [
            AdminView("mesh") {
                var (figures, tables) = ([(name: "name", value: name)], [AdminTable]())
                var graph: AdminGraph?
                if let node {
                    let report = await node.report()
                    figures += [
                        ("id", "\(node.id)"), ("links", "\(report.links.count)"),
                        ("members", "\(report.members.count)"),
                    ]
                    tables += Self.tables(of: report)
                    graph = Self.graph(of: report, around: node.id, named: name)
                }
                if let peer {
                    let peers = await peer.peers()
                    let rows = peers.map { AdminTable.Row($0.address, [$0.name, $0.address]) }
                    figures.append(("peers of the original", "\(peers.count)"))
                    tables.append(AdminTable("peers of the original", ["name", "address"], rows))
                }
                return AdminReport(figures: figures, graph: graph, tables: tables)
            }
        ]
    }

    /// What this node knows: its links, and behind which of them the others are.
    private static func graph(of report: NodeReport, around own: NodeID, named name: String) -> AdminGraph {
        var nodes = [(id: "\(own)", label: name)]
        var seen: Set<NodeID> = [own]
        let linked = report.links.map(\.contact)
        for contact in linked + report.members + report.routes.map(\.contact) where seen.insert(contact.id).inserted {
            nodes.append(("\(contact.id)", contact.name.isEmpty ? "\("\(contact.id)".prefix(8))" : contact.name))
        }
        let near = Set(linked.map(\.id))
        var edges = linked.map { (from: "\(own)", to: "\($0.id)") }
        for route in report.routes where !near.contains(route.contact.id) {
            if let via = route.via, via != route.contact.id { edges.append(("\(via)", "\(route.contact.id)")) }
        }
        return AdminGraph(nodes, edges)
    }

    private static func tables(of report: NodeReport) -> [AdminTable] {
        let names = Dictionary(report.routes.map { ($0.contact.id, $0.contact.name) }) { first, _ in first }
        func row(_ contact: MeshContact, _ cells: [String]) -> AdminTable.Row {
            AdminTable.Row("\(contact.id)", [contact.name, "\(contact.id)"] + cells)
        }
        let links = report.links.map {
            row(
                $0.contact,
                [
                    $0.contact.address, $0.isNeighbor ? "kept" : "for a while", $0.isOurs ? "here" : "there",
                    "\($0.queued)",
                ])
        }
        let members = report.members.map { row($0, [$0.address]) }
        let origins = report.origins.map {
            row($0.contact, ["\($0.last)", "\($0.missing)", "\(Int($0.silence / .seconds(1))) s"])
        }
        let routes = report.routes.map { route in
            row(route.contact, [route.contact.address, route.via.map { names[$0] ?? "\($0)" } ?? ""])
        }
        return [
            AdminTable("links", ["name", "id", "address", "link", "opened", "bytes waiting"], links),
            AdminTable("members", ["name", "id", "address"], members),
            AdminTable("broadcasts", ["from", "id", "last number", "missing", "last one ago"], origins),
            AdminTable("routes", ["name", "id", "address", "behind"], routes),
        ]
    }
}
