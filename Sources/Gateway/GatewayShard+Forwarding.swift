import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// The path of a frame, and who waits on it.
extension GatewayShard {
    /// Passes a message on as it came. False when it was not taken: the sender waits, or was closed.
    @inline(__always)
    func forward(_ frame: RawSpan, of id: ConnectionID, from peer: GatewayPeer) -> Bool {
        guard let position = table.find(id) else { return isUnknown(id, to: peer) }
        switch peer.side {
        case .client:
            guard table[position].client == peer.place else { return isForeign(id, to: peer) }
            let server = table[position].server
            guard server.loop == index ? offer(frame, to: server, from: peer) : send(frame, to: server, from: peer)
            else { return false }
            table[position].fromClient.add(frame.byteCount)
        case .server:
            guard table[position].server == peer.place else { return isForeign(id, to: peer) }
            let client = table[position].client
            if client.loop == index {
                loop.write(frame, to: client.link)  // A client that does not read is closed at its limit.
            } else if !send(frame, to: client, from: peer) {
                return false
            }
            table[position].fromServer.add(frame.byteCount)
        }
        return true
    }

    /// To a server of this loop. A full one takes nothing, and its feeder is not read until it takes again.
    @inline(__always)
    private func offer(_ frame: RawSpan, to server: Place, from peer: GatewayPeer) -> Bool {
        switch loop.offer(frame, to: server.link) {
        case .queued, .gone: return true  // Who has just left is followed by a close.
        case .full:
            loop.link(server.link)?.holdBack(peer.link)
            counters.heldBack.add(1)
            return false
        }
    }

    /// To an end on another loop.
    private func send(_ frame: RawSpan, to place: Place, from peer: GatewayPeer) -> Bool {
        guard let courier = courier(to: place.loop) else { return true }
        if !fullServers.isEmpty, fullServers[place] != nil {
            fullServers[place]?.append(peer.place.link)
        } else if courier.offer(frame) {
            return true
        } else {
            courier.waits(peer.place.link)
        }
        peer.hold()
        counters.heldBack.add(1)
        return false
    }

    private func letGo(_ feeders: [LinkID]) {
        for feeder in feeders { (loop.link(feeder)?.handler as? GatewayPeer)?.letGo() }
    }

    /// The sender is told that there is no such connection any more; if it is somebody else's, it is closed.
    private func isUnknown(_ id: ConnectionID, to peer: GatewayPeer) -> Bool {
        // The other loops' connections are not in this table. Ids of v1 that wait for their dial are nobody's yet.
        if directory.isUsed(id), !peer.hasOpened(id) { return isForeign(id, to: peer) }
        peer.say(.close(id))
        return true
    }

    private func isForeign(_ id: ConnectionID, to peer: GatewayPeer) -> Bool {
        peer.link.close(.foreignConnection.with("\(peer.side) \(peer.id) sent a message into connection \(id)"))
        return false
    }

    // MARK: From other loops

    func take(_ batch: GatewayBatch) {
        var offset = 0
        for (end, note) in batch.notes {
            deliver(batch.frames, offset..<end)
            offset = end
            take(note, from: UInt8(batch.sender))
        }
        deliver(batch.frames, offset..<batch.frames.count)
        if !batch.frames.isEmpty { courier(to: UInt8(batch.sender))?.add(.taken(batch.frames.count)) }
    }

    private func take(_ note: GatewayBatch.Note, from sender: UInt8) {
        switch note {
        case .opened(let id, let client, let server, let remote, let dialler):
            opened(id, client, server, remote, dialler)
        case .closed(let id): close(id, isTold: true)
        case .full(let server): if fullServers[server] == nil { fullServers[server] = [] }
        case .writable(let server): letGo(fullServers.removeValue(forKey: server) ?? [])
        case .taken(let count): letGo(courier(to: sender)?.taken(count) ?? [])
        }
    }

    private func deliver(_ frames: [UInt8], _ range: Range<Int>) {
        // Safe because the range lies within the array, which the call keeps.
        unsafe frames.withUnsafeBytes { bytes in
            let bytes = unsafe RawSpan(_unsafeBytes: bytes[range])
            var offset = 0
            do throws(GatewayError) {
                while let frame = try codec.frame(in: bytes, at: offset) {
                    deliver(bytes.extracting(frame.range), of: frame.connection)
                    offset = frame.end
                }
            } catch { preconditionFailure("a frame that was checked on one loop is wrong on another: \(error)") }
        }
    }

    /// A message whose connection has ended meanwhile is dropped: both ends have been told.
    private func deliver(_ frame: RawSpan, of id: ConnectionID) {
        guard let position = table.find(id) else { return }
        let connection = table[position]
        if connection.client.loop == index {
            table[position].fromServer.add(frame.byteCount)
            loop.write(frame, to: connection.clientLink)
        } else {
            table[position].fromClient.add(frame.byteCount)
            loop.write(frame, to: connection.serverLink)
            if loop.link(connection.serverLink)?.isFull == true { isFull(connection.server) }
        }
    }

    // MARK: Servers that feeders of other loops wait for

    private func isFull(_ server: Place) {
        guard fullHere.insert(server).inserted else { return }
        for courier in couriers { courier?.add(.full(server)) }
    }

    func isWritable(_ peer: GatewayPeer) {
        guard fullHere.remove(peer.place) != nil else { return }
        for courier in couriers { courier?.add(.writable(peer.place)) }
    }
}

extension GatewayShard: TurnObserver {
    func turnEnds(on loop: Loop) {
        for courier in couriers { courier?.handOver() }
    }
}
