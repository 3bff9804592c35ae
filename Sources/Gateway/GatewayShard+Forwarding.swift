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
            hold(peer, for: server)
            return false
        }
    }

    /// To an end on another loop.
    private func send(_ frame: RawSpan, to place: Place, from peer: GatewayPeer) -> Bool {
        guard let courier = courier(to: place.loop) else { return true }
        if courier.isFull(for: frame.byteCount) || !fullServers.isEmpty && fullServers[place] != nil {
            hold(peer, for: place)
            return false
        }
        courier.add(frame)
        return true
    }

    /// Whether one who feeds it must wait: a server takes no more, or its loop. Nobody waits for a client.
    func isFull(_ place: Place, for peer: GatewayPeer) -> Bool {
        guard place.loop == index else {
            return courier(to: place.loop)?.isFull() == true || fullServers[place] != nil
        }
        return peer.side == .client && loop.link(place.link)?.isFull == true
    }

    /// The peer is read no more until whoever is there takes more.
    func hold(_ peer: GatewayPeer, for place: Place) {
        counters.heldBack.add(1)
        peer.quiet.isHeld = true
        if place.loop == index {
            loop.link(place.link)?.holdBack(peer.link)
            return
        }
        if fullServers[place] != nil {
            fullServers[place]?.append(peer.place.link, on: loop)
        } else {
            courier(to: place.loop)?.waits(peer.place.link, on: loop)
        }
        peer.link.pauseReading()
    }

    private func letGo(_ feeders: [LinkID]) {
        for feeder in feeders { loop.link(feeder)?.resumeReading() }
    }

    /// The sender is told that there is no such connection any more; if it is somebody else's, it is closed.
    private func isUnknown(_ id: ConnectionID, to peer: GatewayPeer) -> Bool {
        // The other loops' connections are not in this table.
        if directory.isConnection(id) { return isForeign(id, to: peer) }
        peer.say(.close(id))
        return peer.link.state != .closed
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
        if batch.load.pieces > 0 { courier(to: UInt8(batch.sender))?.add(.taken(batch.load)) }
    }

    private func take(_ note: GatewayBatch.Note, from sender: UInt8) {
        switch note {
        case .opened(let id, let client, let server, let remote, let dialler):
            opened(id, client, server, remote, dialler)
        case .closed(let id): close(id, isTold: true)
        case .full(let server): if fullServers[server] == nil { fullServers[server] = Feeders() }
        case .writable(let server):
            if var feeders = fullServers.removeValue(forKey: server) { letGo(feeders.takeAll()) }
        case .taken(let load): letGo(courier(to: sender)?.taken(load) ?? [])
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
            checkFull(connection.server)
        }
    }

    // MARK: Servers that feeders of other loops wait for

    /// A server of this loop was sent something by another: if it takes no more, the others are told.
    func checkFull(_ server: Place) {
        guard loop.link(server.link)?.isFull == true, fullHere.insert(server).inserted else { return }
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
