/// Messages to everybody: signed by their origin, checked before they go on, so that what is forged dies at the first
/// honest node.
extension Overlay {
    /// Most bytes of a message, to everybody or to one.
    package static let largest = (1 << 20) - 1024

    /// Who delivers so many messages with a wrong signature is barred.
    private static let mostMisdeeds = 3

    /// A message of this node to everybody.
    package mutating func broadcast(
        _ bytes: [UInt8], topic: String, at now: Duration, random: inout SeededRandom
    ) throws(MeshFailure) -> [Action] {
        guard bytes.count <= Self.largest else { throw .tooLarge(bytes: bytes.count, limit: Self.largest) }
        guard topic.utf8.count <= MeshContact.longest else {
            throw .tooLarge(bytes: topic.utf8.count, limit: MeshContact.longest)
        }
        var actions: [Action] = []
        broadcast(.application(topic: topic, bytes), now, &random, &actions)
        return actions
    }

    mutating func broadcast(
        _ envelope: Envelope, _ now: Duration, _ random: inout SeededRandom, _ actions: inout [Action]
    ) {
        let bytes = envelope.bytes(signedBy: identity, as: gossip.nextID)
        guard let (_, spread) = gossip.broadcast(bytes, at: now) else { return }
        take(spread, from: nil, now, &random, &actions)
    }

    mutating func open(
        _ payload: [UInt8], of id: GossipID, _ now: Duration, _ random: inout SeededRandom,
        _ actions: inout [Action]
    ) {
        switch Envelope(payload, isSigned: settings.signs && identity != nil) {
        case .application(let topic, let bytes):
            actions.append(.tell(.broadcast(MeshBroadcast(source: id.origin, topic: topic, bytes: bytes))))
        case .find(let node):
            if node == own { sendHere(to: id.origin, id.epoch, now, &actions) }
        case .findName(let name):
            if name == contact.name { sendHere(to: id.origin, id.epoch, now, &actions) }
        case nil: break  // Of a version that is not known here.
        }
    }

    /// What is known already is not checked again.
    mutating func isAuthentic(
        _ message: GossipMessage, _ node: NodeID, _ now: Duration, _ actions: inout [Action]
    ) -> Bool {
        guard identity != nil else { return true }
        switch message {
        case .payload(let id, _, let payload), .repair(let id, _, let payload):
            if gossip.hasSeen(id) || Envelope.isSigned(payload, as: id) { return true }
            misdeed(of: node, now, &actions)
            return false
        case .have, .graft, .prune, .digest, .gone: return true
        }
    }

    mutating func misdeed(of node: NodeID, _ now: Duration, _ actions: inout [Action]) {
        counts.invalidSignatures += 1
        let count = (misdeeds[node]?.count ?? 0) + 1
        misdeeds[node] = (count, count >= Self.mostMisdeeds ? now + settings.barredTime : nil)
        if count >= Self.mostMisdeeds { actions.append(.drop(node, .barred)) }
    }
}
