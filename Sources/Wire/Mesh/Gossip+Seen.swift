/// Which messages of each origin have come, and how many of them may.
extension Gossip {
    func hasSeen(_ id: GossipID) -> Bool {
        if id.origin == own { return true }
        guard let origin = origins[id.origin], origin.seen.epoch >= id.epoch else { return false }
        return origin.seen.epoch > id.epoch || origin.seen.hasSeen(id.sequence)
    }

    mutating func note(_ id: GossipID, _ now: Duration) {
        if origins[id.origin]?.seen.epoch == id.epoch {
            _ = origins[id.origin]?.seen.insert(id.sequence)
        } else {
            let tokens = origins[id.origin]?.tokens ?? settings.burst
            if origins[id.origin] == nil { makeRoom() }
            origins[id.origin] = Origin(
                seen: SeenWindow(epoch: id.epoch, first: id.sequence), heardAt: now, tokens: tokens, filledAt: now)
        }
        origins[id.origin]?.heardAt = now
        origins[id.origin]?.count += 1
    }

    /// The quarter of the origins that was silent for longest.
    private mutating func makeRoom() {
        guard origins.count >= settings.origins else { return }
        let oldest = origins.map { ($0.value.heardAt, $0.key) }.sorted { $0 < $1 }.prefix(max(1, origins.count / 4))
        for (_, node) in oldest { origins[node] = nil }
    }

    /// An origin that sends without measure does not become a storm.
    mutating func takesToken(of id: GossipID, _ now: Duration) -> Bool {
        guard var origin = origins[id.origin] else { return true }
        let time = (now - origin.filledAt) / .seconds(1)
        origin.tokens = min(settings.burst, origin.tokens + time * settings.rate)
        origin.filledAt = now
        let takes = origin.tokens >= 1
        if takes { origin.tokens -= 1 }
        origins[id.origin] = origin
        return takes
    }

    mutating func gone(_ node: NodeID, _ epoch: UInt64, _ last: UInt64, _ actions: inout [Action]) {
        guard let origin = origins[node], origin.seen.epoch == epoch else { return }
        let missed = origin.seen.gaps(atMost: Int(SeenWindow.size)).filter { $0 <= last }
        for sequence in missed { _ = origins[node]?.seen.insert(sequence) }
        // Who has come later does not miss what was before.
        let lost = missed.filter { $0 > origin.seen.firstHeard }
        guard !lost.isEmpty else { return }
        actions.append(.gap(origin: node, epoch: epoch, sequences: lost))
    }
}
