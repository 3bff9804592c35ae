public import OmniwayAdmin
import OmniwayGateway

extension GatewayNode {
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

extension ConnectionRecord {
    fileprivate init(_ peer: GatewayReport.Peer, on link: LinkID) {
        self.init(side: peer.side.rawValue, id: "\(peer.id)", peer: peer.address, link: link)
        virtual = peer.connections
        (queued, quiet) = (peer.queued, peer.silence)
        held = peer.queued
        if let resumes = peer.resumes { session = "snet, resumed \(resumes) times" }
    }
}
