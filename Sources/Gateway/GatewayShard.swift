import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// A handler of a gateway's physical connection, in whatever state that is.
protocol GatewayHandler: LinkHandler {
    var shard: GatewayShard { get }
}

/// The part of a gateway on one loop: the virtual connections that have an end here.
final class GatewayShard {
    let loop: Loop
    let settings: GatewaySettings
    let directory: GatewayDirectory
    let counters: GatewayCounters
    let keys: [[UInt8]]
    /// For frames of other loops, whose dialect does not matter.
    let codec: GatewayCodec
    let table = VirtualTable()
    let index: UInt8
    private(set) var mailbox: Mailbox<GatewayBatch>
    /// The ways to the other loops, by their index; there is none to this one.
    private(set) var couriers: [Courier?] = []
    /// Servers of other loops that take no more, and the clients here that wait for them.
    var fullServers: [Place: Feeders] = [:]
    /// Servers of this loop of which the other loops have been told that they are full.
    var fullHere: Set<Place> = []

    init(on loop: Loop, _ settings: GatewaySettings, _ directory: GatewayDirectory) {
        (self.loop, self.settings, self.directory) = (loop, settings, directory)
        index = UInt8(loop.index)
        counters = GatewayCounters(loop.meters)
        keys = settings.keys.isEmpty ? [[]] : settings.keys.map { Array($0.revealed.utf8) }
        codec = GatewayCodec(.v2, maxPacketSize: settings.maxPacketSize)
        // What waits is bounded by the couriers' windows.
        mailbox = loop.mailbox(limit: .max) { _ in }
        mailbox = loop.mailbox(limit: .max) { [unowned self] in take($0) }
    }

    /// Called once, when all shards are there.
    func meet(_ others: [Mailbox<GatewayBatch>]) {
        guard others.count > 1 else { return }
        // What is under way to a full server must fit beyond its high mark.
        let limits = settings.servers.queue(.server, maxPacketSize: settings.maxPacketSize)
        let window = Load(
            bytes: limits.most / 2 / others.count, pieces: max(1, min(limits.messages / 3, 1 << 20) / others.count))
        couriers = others.enumerated().map { other, mailbox in
            other == loop.index ? nil : Courier(to: mailbox, from: loop.index, window: window)
        }
        loop.atEndOfTurn(self)
    }

    func courier(to loop: UInt8) -> Courier? { couriers.indices.contains(Int(loop)) ? couriers[Int(loop)] : nil }

    /// How many things it remembers of peers: none when all have left.
    var memories: Int {
        table.count + fullServers.count + fullHere.count + couriers.reduce(0) { $0 + ($1?.waiting.count ?? 0) }
    }

    /// Entries in lists of those who wait.
    var waitingCount: Int {
        var count = fullServers.values.reduce(0) { $0 + $1.count }
        for courier in couriers { count += courier?.waiting.count ?? 0 }
        loop.forEachLink { count += $0.heldBackCount }
        return count
    }

    // MARK: Peers

    /// A handler for a new connection of a port.
    func receive(_ link: Link, _ side: GatewaySide, _ dialect: GatewayDialect) -> (any LinkHandler)? {
        link.limits = settings[side].queue(side, maxPacketSize: settings.maxPacketSize)
        counters.came(side)
        switch side {
        case .server: return ServerLogin(link, dialect, self)
        case .client:
            guard let admission = settings.admission else { return join(link, .client, nil, dialect) }
            return WaitingRoom(link, .client, nil, dialect, self, admission)
        }
    }

    /// A server has logged in.
    func admit(_ link: Link, _ side: GatewaySide, _ server: EndpointID, _ dialect: GatewayDialect) {
        if let admission = settings.admission {
            let room = WaitingRoom(link, side, server, dialect, self, admission)
            link.handler = room
            room.ask()
        } else {
            join(link, side, server, dialect)?.opened(link)
        }
    }

    /// Makes a peer of a connection. From now on the other side can dial it.
    @discardableResult
    func join(_ link: Link, _ side: GatewaySide, _ server: EndpointID?, _ dialect: GatewayDialect) -> GatewayPeer? {
        let place = Place(link: link.id, loop: index)
        let id = server ?? directory.addClient(at: place)
        if side == .server, !directory.addServer(id, at: place, duplicates: settings.duplicateServers) {
            link.close(.duplicateServer.with("server \(id) is connected already"))
            return nil
        }
        let level = side == .server ? LogLevel.info : .debug
        Log.shared.log(
            level, "gateway peer joined", ["side": side.rawValue, "id": "\(id)", "peer": "\(link.traits.peer)"])
        let peer = GatewayPeer(
            side, id, GatewayCodec(dialect, maxPacketSize: settings.maxPacketSize), on: link, of: self)
        link.handler = peer
        return peer
    }

    func left(_ peer: GatewayPeer, _ reason: CloseReason) {
        ended(peer.link, peer.side, peer.id, reason)
        directory.remove(peer.side, peer.id, at: peer.place)
        for id in exchange(&peer.connections, with: []) { close(id) }
        isWritable(peer)
    }

    /// A physical connection has ended, of whoever it was.
    func ended(_ link: Link, _ side: GatewaySide, _ id: EndpointID?, _ reason: CloseReason) {
        counters.ended(side, reason)
        let isWorthKnowing = id == nil || side == .server || reason.isOurs
        Log.shared.log(
            isWorthKnowing ? .info : .debug, "gateway peer left",
            [
                "side": side.rawValue, "id": id.map { "\($0)" } ?? "none", "peer": "\(link.traits.peer)",
                "reason": "\(reason)",
            ])
    }

    /// Also those who have not said yet who they are.
    func closeAll(_ reason: CloseReason) {
        loop.forEachLink { link in
            if let handler = link.handler as? any GatewayHandler, handler.shard === self { link.close(reason) }
        }
    }

    /// In the order of their links.
    func forEachPeer(_ body: (GatewayPeer) -> Void) {
        loop.forEachLink { link in if let peer = peer(on: link) { body(peer) } }
    }

    /// The peer that is on a link, if it is one of this gateway.
    func peer(on link: Link) -> GatewayPeer? {
        guard let peer = link.handler as? GatewayPeer, peer.shard === self else { return nil }
        return peer
    }

    private func peer(at place: Place) -> GatewayPeer? {
        place.loop == index ? loop.link(place.link).flatMap(peer(on:)) : nil
    }

    // MARK: Dialling

    /// False when the dialler must wait, and dial again then.
    func dial(_ remote: EndpointID, as wanted: ConnectionID, by peer: GatewayPeer) -> Bool {
        guard let place = directory.find(peer.side.other, remote) else {
            return refuse(remote, wanted, peer, .unknown)
        }
        let isV1 = peer.codec.dialect == .v1
        if isV1, !peer.hasOpened(wanted) { return refuse(remote, wanted, peer, .notOpened) }
        if isFull(place, for: peer) {
            hold(peer, for: place)
            return false
        }
        // As the originals do, a dial that is refused from here on has used up an id.
        let id = isV1 ? wanted : directory.newConnection()
        let most = settings.connectionsPerClient
        let isTooMany = peer.side == .client && most > 0 && peer.connections.count >= most
        let isHere = place.loop == index
        let other = isHere ? self.peer(at: place) : nil
        if isTooMany || isHere && other == nil {
            if !isV1 { directory.release(id) }
            return refuse(remote, wanted, peer, isTooMany ? .tooMany : .left)
        }
        if isV1 {
            peer.uses(id)
            directory.use(id)
        }

        let (client, server) = peer.side == .client ? (peer.place, place) : (place, peer.place)
        insert(VirtualConnection(id, client: client, server: server), peer, other)
        // The client hears first, whoever has dialled.
        if peer.side == .server { other?.say(.connect(id, peer.id)) }
        peer.say(.accept(id, remote))
        if peer.side == .client { other?.say(.connect(id, peer.id)) }
        if !isHere {
            courier(to: place.loop)?.add(
                .opened(id, client: client, server: server, remote: peer.id, dialledBy: peer.side))
        }
        return true
    }

    private func refuse(
        _ remote: EndpointID, _ id: ConnectionID, _ peer: GatewayPeer, _ refusal: GatewayCounters.Refusal
    ) -> Bool {
        counters.refused(peer.side, refusal)
        peer.say(.refuse(remote, as: id))
        return true
    }

    /// A peer of another loop has dialled one of this.
    func opened(
        _ id: ConnectionID, _ client: Place, _ server: Place, _ remote: EndpointID, _ dialler: GatewaySide
    ) {
        let far = dialler == .client ? client : server
        guard let peer = peer(at: dialler == .client ? server : client) else {
            courier(to: far.loop)?.add(.closed(id))
            if client.loop == index { directory.release(id) }
            return
        }
        insert(VirtualConnection(id, client: client, server: server), peer, nil)
        peer.say(.connect(id, remote))
        if peer.side == .server { checkFull(server) }
    }

    private func insert(_ connection: VirtualConnection, _ one: GatewayPeer, _ other: GatewayPeer?) {
        var connection = connection
        for peer in [one, other].compactMap(\.self) {
            switch peer.side {
            case .client: connection.clientIndex = UInt32(peer.connections.count)
            case .server: connection.serverIndex = UInt32(peer.connections.count)
            }
            peer.connections.append(connection.id)
        }
        table.insert(connection)
        // A connection between two loops is counted where its client is.
        if connection.client.loop == index { counters.connections.add(1) }
    }

    // MARK: Hanging up

    /// One of the ends closes. Strangers cannot; and the answer to a close of ours is a close again.
    func hangUp(_ id: ConnectionID, by peer: GatewayPeer) {
        guard let position = table.find(id) else { return }
        let ends = table[position]
        if (peer.side == .client ? ends.client : ends.server) == peer.place { close(id) }
    }

    /// Ends a connection for those of its ends that live here, and tells the other loop.
    func close(_ id: ConnectionID, isTold: Bool = false) {
        guard let connection = table.remove(id) else { return }
        if connection.client.loop == index {
            counters.connections.add(-1)
            directory.release(id)
        } else if !isTold {
            directory.retire(id)
        }
        for place in [connection.client, connection.server] {
            if let peer = peer(at: place) {
                remove(connection, from: peer)
                peer.say(.close(id))
            } else if place.loop != index, !isTold {
                courier(to: place.loop)?.add(.closed(id))
            }
        }
    }

    private func remove(_ connection: VirtualConnection, from peer: GatewayPeer) {
        let last = peer.connections.removeLast()
        let gap: UInt32
        switch peer.side {
        case .client:
            gap = connection.clientIndex
            peer.received += connection.fromServer
        case .server:
            gap = connection.serverIndex
            peer.received += connection.fromClient
        }
        guard last != connection.id, let moved = table.find(last) else { return }
        peer.connections[Int(gap)] = last
        switch peer.side {
        case .client: table[moved].clientIndex = gap
        case .server: table[moved].serverIndex = gap
        }
    }
}
