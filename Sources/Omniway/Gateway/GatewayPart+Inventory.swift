public import OmniwayAdmin
import OmniwayGateway

extension GatewayPart {
    /// What the commands for operators list: each physical connection, and the tables.
    public nonisolated var inventory: Inventory {
        let gateway = gateway
        return Inventory("gateway") { loop, slot in
            var page = InventoryPage()
            let (peers, next) = await gateway.peers(on: loop.index, from: slot, atMost: 256)
            page.connections = peers.map { link, peer in ConnectionRecord(peer, on: link) }
            page.next = next
            if slot == 0 {
                let (entries, bytes) = await gateway.tables(on: loop.index)
                page.tables = [TableRecord("virtual connections", entries: entries, bytes: bytes)]
            }
            return page
        }
    }
}

extension GatewayPart {
    public nonisolated var views: [AdminView] {
        let gateway = gateway
        return [
            AdminView("gateway") {
                let report = await gateway.report(topClients: AdminTable.mostRows)
                return AdminReport(
                    figures: [
                        ("clients", "\(report.clients)"), ("servers", "\(report.servers.count)"),
                        ("virtual connections", "\(report.connections)"),
                    ],
                    tables: [table("servers", report.servers), table("clients", report.topClients)])
            }
        ]
    }
}

private func table(_ name: String, _ peers: [GatewayReport.Peer]) -> AdminTable {
    let columns = ["id", "address", "virtual connections", "received bytes", "sent bytes", "queued", "quiet"]
    let rows = peers.map { peer in
        AdminTable.Row(
            "\(peer.id)",
            [
                "\(peer.id)", "\(peer.address)", "\(peer.connections)", "\(peer.received.bytes)",
                "\(peer.sent.bytes)", "\(peer.queued)", "\(peer.silence.components.seconds) s",
            ])
    }
    return AdminTable(name, columns, rows)
}

extension ConnectionRecord {
    fileprivate init(_ peer: GatewayReport.Peer, on link: LinkID) {
        self.init(side: peer.side.rawValue, id: "\(peer.id)", peer: peer.address, link: link)
        virtual = peer.connections
        (queued, quiet) = (peer.queued, peer.silence)
        held = peer.queued
        if let resumes = peer.resumes { session = "snet, resumed \(resumes) times" }
    }
}
