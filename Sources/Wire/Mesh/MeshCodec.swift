/// Messages as frames. Where a message names nodes that its receiver may want to connect to, their addresses go along.
package enum MeshCodec {
    private enum Kind: UInt8 {
        case ping = 0x01, pong, close, hello
        case join = 0x10, forwardJoin, neighbor, neighborReply, disconnect, shuffle, shuffleReply
        case gossip = 0x20, have, graft, prune, digest, repair, gone
        case message = 0x30, acknowledged, noRoute, here, restarted
        case request = 0x40, response, cancel
        case probe = 0x60, ack, probeRequest, nack, news, state
    }

    /// Kinds from here on are passed over when they are not known.
    private static let firstOptional: UInt8 = 0x80

    // MARK: Writing

    package static func frame(_ message: MeshMessage, addresses: (NodeID) -> String = { _ in "" }) -> MeshFrame {
        var writer = MeshWriter()
        let kind: Kind
        switch message {
        case .ping(let token):
            kind = .ping
            writer.write(token)
        case .pong(let token):
            kind = .pong
            writer.write(token)
        case .close(let why, let text):
            kind = .close
            writer.write(why.rawValue)
            writer.write(text)
        case .hello(let contact):
            kind = .hello
            writer.write(contact)
        case .member(let message): kind = write(message, &writer, addresses)
        case .gossip(let message): kind = write(message, &writer)
        case .detector(let message): kind = write(message, &writer, addresses)
        case .packet(let packet): kind = write(packet, &writer)
        }
        return MeshFrame(kind: kind.rawValue, body: writer.bytes)
    }

    private static func write(
        _ message: Membership.Message, _ writer: inout MeshWriter, _ addresses: (NodeID) -> String
    ) -> Kind {
        func write(_ node: NodeID, _ writer: inout MeshWriter) {
            writer.write(node)
            writer.write(addresses(node))
        }
        switch message {
        case .join: return .join
        case .forwardJoin(let node, let walk):
            write(node, &writer)
            writer.write(walk)
            return .forwardJoin
        case .neighbor(let isUrgent):
            writer.write(UInt8(isUrgent ? 1 : 0))
            return .neighbor
        case .neighborReply(let isAccepted):
            writer.write(UInt8(isAccepted ? 1 : 0))
            return .neighborReply
        case .disconnect: return .disconnect
        case .shuffle(let origin, let walk, let nodes):
            write(origin, &writer)
            writer.write(walk)
            writer.write(many: nodes) { write($1, &$0) }
            return .shuffle
        case .shuffleReply(let nodes):
            writer.write(many: nodes) { write($1, &$0) }
            return .shuffleReply
        }
    }

    private static func write(_ message: GossipMessage, _ writer: inout MeshWriter) -> Kind {
        switch message {
        case .payload(let id, let hops, let payload), .repair(let id, let hops, let payload):
            writer.write(id)
            writer.write(hops)
            writer.bytes += payload
            if case .repair = message { return .repair }
            return .gossip
        case .have(let announcements):
            writer.write(many: announcements) {
                $0.write($1.id)
                $0.write($1.hops)
                $0.write(UInt8($1.isLarge ? 1 : 0))
            }
            return .have
        case .graft(let id):
            writer.write(id)
            return .graft
        case .prune(let origin):
            writer.write(origin)
            return .prune
        case .digest(let digests):
            writer.write(many: digests) {
                $0.write($1.origin)
                $0.write($1.epoch)
                $0.write($1.highest)
                $0.write(many: $1.gaps) { $0.write($1) }
            }
            return .digest
        case .gone(let origin, let epoch, let last):
            writer.write(origin)
            writer.write(epoch)
            writer.write(last)
            return .gone
        }
    }

    private static func write(
        _ message: FailureDetector.Message, _ writer: inout MeshWriter, _ addresses: (NodeID) -> String
    ) -> Kind {
        func write(_ updates: [FailureDetector.Update], _ writer: inout MeshWriter) {
            writer.write(many: updates) {
                $0.write($1.node)
                $0.write(addresses($1.node))
                $0.write($1.incarnation)
                $0.write($1.status.rawValue)
                $0.write($1.accuser)
            }
        }
        switch message {
        case .ping(let number, let updates), .ack(let number, let updates), .nack(let number, let updates):
            writer.write(number)
            write(updates, &writer)
            if case .ping = message { return .probe }
            if case .ack = message { return .ack }
            return .nack
        case .pingRequest(let number, let node, let updates):
            writer.write(number)
            writer.write(node)
            writer.write(addresses(node))
            write(updates, &writer)
            return .probeRequest
        case .news(let updates):
            write(updates, &writer)
            return .news
        case .state(let updates, let wantsReply):
            writer.write(UInt8(wantsReply ? 1 : 0))
            write(updates, &writer)
            return .state
        }
    }

    private static func write(_ packet: MeshPacket, _ writer: inout MeshWriter) -> Kind {
        writer.write(packet.hops)
        writer.write(UInt8(packet.signature.isEmpty ? 0 : 1))
        writer.bytes += packet.signature
        return writeSigned(packet, &writer)
    }

    /// What the source of a packet signs: all of it but how far it may still go.
    package static func signed(_ packet: MeshPacket) -> [UInt8] {
        var writer = MeshWriter(bytes: Array("omniway mesh 2: a message to one node".utf8))
        writer.write(writeSigned(packet, &writer).rawValue)
        return writer.bytes
    }

    private static func writeSigned(_ packet: MeshPacket, _ writer: inout MeshWriter) -> Kind {
        writer.write(packet.source)
        writer.write(packet.epoch)
        writer.write(packet.sequence)
        writer.write(packet.destination)
        writer.write(packet.destinationEpoch)
        switch packet.kind {
        case .message(let bytes):
            writer.bytes += bytes
            return .message
        case .request(let method, let bytes, let deadline):
            writer.write(method)
            writer.write(deadline)
            writer.bytes += bytes
            return .request
        case .cancelled(let sequence):
            writer.write(sequence)
            return .cancel
        case .answer(let sequence, let status, let bytes):
            writer.write(sequence)
            writer.write(status.rawValue)
            writer.bytes += bytes
            return .response
        case .acknowledged(let sequence):
            writer.write(sequence)
            return .acknowledged
        case .restarted(let sequence, let epoch):
            writer.write(sequence)
            writer.write(epoch)
            return .restarted
        case .noRoute(let sequence, let node):
            writer.write(sequence)
            writer.write(node)
            return .noRoute
        case .here(let contact):
            writer.write(contact)
            return .here
        }
    }

    // MARK: Reading

    /// A message, and how the nodes that it names can be reached. Nil for a frame that may be passed over.
    package static func read(
        _ frame: MeshFrame
    ) throws(MeshFrameError) -> (message: MeshMessage, contacts: [MeshContact])? {
        guard let kind = Kind(rawValue: frame.kind) else {
            if frame.kind >= firstOptional { return nil }
            throw .unknownKind(frame.kind)
        }
        var reader = MeshReader(frame.body)
        var contacts: [MeshContact] = []
        let message = try read(kind, &reader, &contacts)
        try reader.end()
        return (message, contacts.filter { !$0.address.isEmpty })
    }

    private static func read(
        _ kind: Kind, _ reader: inout MeshReader, _ contacts: inout [MeshContact]
    ) throws(MeshFrameError) -> MeshMessage {
        func node(_ reader: inout MeshReader) throws(MeshFrameError) -> NodeID {
            let contact = MeshContact(try reader.node(), address: try reader.text())
            contacts.append(contact)
            return contact.id
        }
        switch kind {
        case .ping: return .ping(try reader.number())
        case .pong: return .pong(try reader.number())
        case .close:
            guard let why = MeshClosing(rawValue: try reader.number()) else { throw .badValue }
            return .close(why, try reader.text())
        case .hello: return .hello(try reader.contact())
        case .join: return .member(.join)
        case .forwardJoin: return .member(.forwardJoin(try node(&reader), walk: try reader.number()))
        case .neighbor: return .member(.neighbor(isUrgent: try reader.number(UInt8.self).flag()))
        case .neighborReply: return .member(.neighborReply(isAccepted: try reader.number(UInt8.self).flag()))
        case .disconnect: return .member(.disconnect)
        case .shuffle:
            let origin = try node(&reader)
            let walk = try reader.number(UInt8.self)
            let nodes = try reader.many(size: 33) { (r: inout MeshReader) throws(MeshFrameError) in try node(&r) }
            return .member(.shuffle(origin: origin, walk: walk, nodes: nodes))
        case .shuffleReply:
            return .member(
                .shuffleReply(
                    try reader.many(size: 33) { (r: inout MeshReader) throws(MeshFrameError) in try node(&r) }))
        case .gossip, .repair, .have, .graft, .prune, .digest, .gone: return .gossip(try gossip(kind, &reader))
        case .probe, .ack, .probeRequest, .nack, .news, .state:
            return .detector(try detector(kind, &reader, node))
        case .message, .request, .cancel, .response, .acknowledged, .restarted, .noRoute, .here:
            return .packet(try packet(kind, &reader))
        }
    }

    private static func gossip(_ kind: Kind, _ reader: inout MeshReader) throws(MeshFrameError) -> GossipMessage {
        switch kind {
        case .have:
            return .have(
                try reader.many(size: 50) { (r: inout MeshReader) throws(MeshFrameError) in
                    GossipMessage.Announcement(
                        id: try r.gossipID(), hops: try r.number(), isLarge: try r.number(UInt8.self).flag())
                })
        case .graft: return .graft(try reader.gossipID())
        case .prune: return .prune(try reader.node())
        case .digest:
            return .digest(
                try reader.many(size: 50) { (r: inout MeshReader) throws(MeshFrameError) in
                    GossipMessage.Digest(
                        origin: try r.node(), epoch: try r.number(), highest: try r.number(),
                        gaps: try r.many(size: 8) { (r: inout MeshReader) throws(MeshFrameError) in try r.number() })
                })
        case .gone: return .gone(origin: try reader.node(), epoch: try reader.number(), upTo: try reader.number())
        default:
            let (id, hops) = (try reader.gossipID(), try reader.number(UInt8.self))
            let payload = reader.takeRest()
            return kind == .repair ? .repair(id, hops: hops, payload) : .payload(id, hops: hops, payload)
        }
    }

    private static func detector(
        _ kind: Kind, _ reader: inout MeshReader, _ node: (inout MeshReader) throws(MeshFrameError) -> NodeID
    ) throws(MeshFrameError) -> FailureDetector.Message {
        func updates(_ reader: inout MeshReader) throws(MeshFrameError) -> [FailureDetector.Update] {
            try reader.many(size: 74) { (r: inout MeshReader) throws(MeshFrameError) in
                let (subject, incarnation) = (try node(&r), try r.number(UInt64.self))
                guard let status = FailureDetector.Status(rawValue: try r.number()) else { throw .badValue }
                return FailureDetector.Update(
                    node: subject, incarnation: incarnation, status: status, accuser: try r.node())
            }
        }
        switch kind {
        case .probe: return .ping(try reader.number(), try updates(&reader))
        case .ack: return .ack(try reader.number(), try updates(&reader))
        case .nack: return .nack(try reader.number(), try updates(&reader))
        case .probeRequest: return .pingRequest(try reader.number(), try node(&reader), try updates(&reader))
        case .news: return .news(try updates(&reader))
        default:
            let wantsReply = try reader.number(UInt8.self).flag()
            return .state(try updates(&reader), wantsReply: wantsReply)
        }
    }

    private static func packet(_ kind: Kind, _ reader: inout MeshReader) throws(MeshFrameError) -> MeshPacket {
        let hops = try reader.number(UInt8.self)
        let signature = try reader.number(UInt8.self).flag() ? Array(try reader.take(64)) : []
        let (source, epoch) = (try reader.node(), try reader.number(UInt64.self))
        let sequence = try reader.number(UInt64.self)
        let (destination, destinationEpoch) = (try reader.node(), try reader.number(UInt64.self))
        let content: MeshPacket.Kind
        switch kind {
        case .request:
            let (method, deadline) = (try reader.text(), try reader.duration())
            content = .request(method: method, reader.takeRest(), deadline: deadline)
        case .response:
            let number = try reader.number(UInt64.self)
            guard let status = MeshStatus(rawValue: try reader.number()) else { throw .badValue }
            content = .answer(to: number, status, reader.takeRest())
        case .cancel: content = .cancelled(try reader.number())
        case .acknowledged: content = .acknowledged(try reader.number())
        case .restarted: content = .restarted(try reader.number(), epoch: try reader.number())
        case .noRoute: content = .noRoute(try reader.number(), to: try reader.node())
        case .here: content = .here(try reader.contact())
        default: content = .message(reader.takeRest())
        }
        return MeshPacket(
            source: source, epoch: epoch, sequence: sequence, destination: destination,
            destinationEpoch: destinationEpoch, hops: hops, kind: content, signature: signature)
    }
}
