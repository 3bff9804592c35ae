/// Which messages of each origin have come, and how many of them may.
extension Gossip {
    func hasSeen(_ id: GossipID) -> Bool { hasSeen(id, origins.place(of: id.origin)) }

    func hasSeen(_ id: GossipID, _ place: Int?) -> Bool {
        if id.origin == own { return true }
        guard let place, origins[place].seen.epoch >= id.epoch else { return false }
        return origins[place].seen.epoch > id.epoch || origins[place].seen.hasSeen(id.sequence)
    }

    mutating func note(_ id: GossipID, _ place: Int?, _ now: Duration) {
        var place = place
        if let place, origins[place].seen.epoch == id.epoch {
            _ = origins[place].seen.insert(id.sequence)
        } else {
            place = origins.begin(id, at: place, tokens: settings.burst, most: settings.origins, now)
        }
        guard let place else { return }
        origins[place].heardAt = now
        origins[place].count += 1
    }

    /// Between the last that was seen and this one are others.
    func skips(_ id: GossipID, _ place: Int) -> Bool {
        let seen = origins[place].seen
        return seen.epoch == id.epoch && id.sequence > seen.highest && id.sequence - seen.highest > 1
    }

    /// An origin that sends without measure does not become a storm.
    mutating func takesToken(_ place: Int, _ now: Duration) -> Bool {
        let time = (now - origins[place].filledAt) / .seconds(1)
        origins[place].filledAt = now
        let tokens = min(settings.burst, origins[place].tokens + time * settings.rate)
        origins[place].tokens = tokens >= 1 ? tokens - 1 : tokens
        return tokens >= 1
    }

    mutating func gone(_ node: NodeID, _ epoch: UInt64, _ last: UInt64, _ actions: inout [Action]) {
        guard let place = origins.place(of: node), origins[place].seen.epoch == epoch else { return }
        let missed = origins[place].seen.gaps(atMost: Int(SeenWindow.size)).filter { $0 <= last }
        for sequence in missed { _ = origins[place].seen.insert(sequence) }
        // Who has come later does not miss what was before.
        let lost = missed.filter { $0 > origins[place].seen.firstHeard }
        guard !lost.isEmpty else { return }
        actions.append(.gap(origin: node, epoch: epoch, sequences: lost))
    }
}
