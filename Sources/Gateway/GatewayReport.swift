public import OmniwayTransport
public import OmniwayWire

/// A gateway at one moment, for dashboards and operators.
public struct GatewayReport: Sendable {
    /// One physical connection that takes part.
    public struct Peer: Sendable {
        public let side: GatewaySide
        public let id: EndpointID
        public let dialect: GatewayDialect
        public let address: SocketAddress
        /// How long it is there, and how long ago it said something whole.
        public let age: Duration
        public let silence: Duration
        public let connections: Int
        /// Frames that it has sent, and frames that others have sent it.
        public let sent: Traffic
        public let received: Traffic
        /// Bytes that wait for it, and the most that ever waited behind its connection.
        public let queued: Int
        public let mostQueued: Int
        /// How often its stream has gone on over another connection; nil when it is no snet stream.
        public let resumes: Int?
        /// It is not read, because somebody whom it feeds takes no more.
        public let isHeldBack: Bool
    }

    public fileprivate(set) var clients = 0
    /// By id; servers with one id in the order in which dials find them, the last one first.
    public fileprivate(set) var servers: [Peer] = []
    /// Those that have moved most bytes.
    public fileprivate(set) var topClients: [Peer] = []
    public fileprivate(set) var connections = 0
    /// Loops that did not answer in time, and are not in the numbers.
    public fileprivate(set) var silentLoops: [Int] = []
}

extension GatewayReport.Peer {
    /// Bytes both ways.
    public var bytes: UInt64 { sent.bytes &+ received.bytes }
}

/// What one loop adds to a report.
struct GatewayShardReport: Sendable {
    var clients = 0
    var servers: [GatewayReport.Peer] = []
    var topClients: [GatewayReport.Peer] = []
}

extension Gateway {
    /// Asks all loops. One that is stuck is named, not waited for.
    public func report(topClients most: Int = 20, within limit: Duration = .seconds(1)) async -> GatewayReport {
        var report = GatewayReport()
        report.connections = directory.connectionCount
        let parts = await shards.ask(within: limit) { _, shard in shard.report(topClients: most) }
        for (loop, part) in parts.enumerated() {
            guard let part else {
                report.silentLoops.append(loop)
                continue
            }
            report.clients += part.clients
            report.servers += part.servers
            report.topClients += part.topClients
        }
        report.servers.sort { ($0.id.rawValue, $0.age) < ($1.id.rawValue, $1.age) }
        report.topClients = Array(report.topClients.sorted { $0.bytes > $1.bytes }.prefix(most))
        return report
    }
}

extension Gateway {
    /// Some of the peers on one loop, with their links: the first from 0, then from where the page before said.
    public func peers(
        on loop: Int, from slot: Int, atMost count: Int
    ) async -> (peers: [(link: LinkID, peer: GatewayReport.Peer)], next: Int?) {
        guard shards.indices.contains(loop) else { return ([], nil) }
        return await shards[loop].run { loop, shard in
            var peers: [(link: LinkID, peer: GatewayReport.Peer)] = []
            let next = loop.forEachLink(from: slot, atMost: count) { link in
                guard let peer = shard.peer(on: link) else { return }
                peers.append((link.id, shard.report(of: peer)))
            }
            return (peers, next)
        }
    }

    /// Entries of the tables of virtual connections on one loop, and their bytes.
    public func tables(on loop: Int) async -> (entries: Int, bytes: Int) {
        guard shards.indices.contains(loop) else { return (0, 0) }
        return await shards[loop].run { _, shard in (shard.table.count, shard.table.bytes) }
    }
}

extension GatewayShard {
    func report(topClients most: Int) -> GatewayShardReport {
        var report = GatewayShardReport()
        forEachPeer { peer in
            switch peer.side {
            case .server: report.servers.append(self.report(of: peer))
            case .client:
                report.clients += 1
                report.topClients.append(self.report(of: peer))
                // Sorted now and then, so that a report of many clients holds few of them.
                if report.topClients.count >= 2 * most + 64 { report.topClients.keepTop(most) }
            }
        }
        report.topClients.keepTop(most)
        return report
    }

    func report(of peer: GatewayPeer) -> GatewayReport.Peer {
        var received = peer.received
        for id in peer.connections {
            guard let position = table.find(id) else { continue }
            received += peer.side == .client ? table[position].fromServer : table[position].fromClient
        }
        return GatewayReport.Peer(
            side: peer.side, id: peer.id, dialect: peer.codec.dialect, address: peer.link.traits.peer,
            age: loop.now - peer.since, silence: loop.now - peer.quiet.heardLast, connections: peer.connections.count,
            sent: peer.sent, received: received, queued: peer.link.queued, mostQueued: peer.link.mostQueued,
            resumes: peer.link.snet?.resumes, isHeldBack: !peer.link.isReading)
    }
}

extension [GatewayReport.Peer] {
    fileprivate mutating func keepTop(_ most: Int) {
        sort { $0.bytes > $1.bytes }
        if count > most { removeLast(count - most) }
    }
}
