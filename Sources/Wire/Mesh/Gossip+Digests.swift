/// Comparing what two nodes have seen. When a link comes up both send a digest, so a message that was sent while most
/// nodes crashed still reaches those that are left.
extension Gossip {
    private static let mostOrigins = 64
    private static let mostGaps = 64
    /// Of one message over one link in a while.
    private static let mostRepairs = 2

    /// Whose messages were heard, by id: the number of the last one, how many below it are missing, and since when
    /// there was none.
    package func heard(at now: Duration) -> [(origin: NodeID, last: UInt64, missing: Int, silence: Duration)] {
        origins.all.map { origin in
            let missing = origin.seen.gaps(atMost: Self.mostGaps).count { $0 > origin.seen.firstHeard }
            return (origin.id, origin.seen.highest, missing, now - origin.heardAt)
        }.sorted { $0.origin < $1.origin }
    }

    /// What was seen of the origins that were heard of lately.
    func digest(at now: Duration) -> [GossipMessage.Digest] {
        // For longer than payloads are kept: who has had one early must not be sent it by who has had it late.
        let lately = origins.all.filter { now - $0.heardAt <= settings.cacheTime * 2 }
            .sorted { ($1.heardAt, $0.id) < ($0.heardAt, $1.id) }.prefix(Self.mostOrigins)
        return lately.sorted { $0.id < $1.id }.map { origin in
            GossipMessage.Digest(
                origin: origin.id, epoch: origin.seen.epoch, highest: origin.seen.highest,
                gaps: origin.seen.gaps(atMost: Self.mostGaps))
        }
    }

    /// What is here and was not seen there, oldest first. What is missing there and not here any more is said too.
    mutating func answer(
        _ digests: [GossipMessage.Digest], _ slot: Int, _ node: NodeID, _ now: Duration
    ) -> [Action] {
        guard var link = links[slot] else { return [] }
        if now - link.repairedSince >= settings.cacheTime / 2 { (link.repaired, link.repairedSince) = ([:], now) }
        var theirs: [NodeID: GossipMessage.Digest] = [:]
        for digest in digests.prefix(Self.mostOrigins) { theirs[digest.origin] = digest }
        var actions: [Action] = []
        for (id, cached) in cache.all where id.origin != node && cached.hops < settings.maxHops {
            guard actions.count < settings.digestAnswer else { break }
            guard Self.misses(id, theirs[id.origin]) else { continue }
            let before = link.repaired[id] ?? (0, now - settings.hurry)
            guard before.count < Self.mostRepairs, now - before.at >= settings.hurry else { continue }
            link.repaired[id] = (before.count + 1, now)
            actions.append(.send(.repair(id, hops: cached.hops + 1, cached.payload), to: node))
        }
        links[slot] = link
        for digest in digests.prefix(Self.mostOrigins) {
            let lost = digest.gaps.prefix(Self.mostGaps).filter { sequence in
                let id = GossipID(origin: digest.origin, epoch: digest.epoch, sequence: sequence)
                return cache[id] == nil && wasHere(id)
            }
            if let last = lost.max() {
                actions.append(.send(.gone(origin: digest.origin, epoch: digest.epoch, upTo: last), to: node))
            }
        }
        return actions
    }

    private static func misses(_ id: GossipID, _ digest: GossipMessage.Digest?) -> Bool {
        guard let digest, digest.epoch >= id.epoch else { return true }
        return digest.epoch == id.epoch && (id.sequence > digest.highest || digest.gaps.contains(id.sequence))
    }

    /// It was here once.
    private func wasHere(_ id: GossipID) -> Bool {
        guard let origin = origins[id.origin], origin.seen.epoch == id.epoch else { return false }
        return origin.seen.hasReceived(id.sequence)
    }
}
