/// Asking for what was announced and does not come: whom, when, and for how much at a time.
extension Gossip {
    struct Missing: Sendable {
        let id: GossipID
        /// Who has it, the first to say so first.
        var announcers: [(node: NodeID, hops: UInt8)]
        let isLarge: Bool
        let announcedAt: Duration
        var deadline: Duration
        /// Who was asked last and when, and which of the announcers is next: all of them are asked a few times.
        var asked: NodeID?
        var askedAt = Duration.zero
        var next = 0
    }

    private static let askRounds = 3
    private static let mostHasty = 64

    mutating func announced(
        _ one: GossipMessage.Announcement, _ node: NodeID, _ slot: Int, _ now: Duration, _ actions: inout [Action]
    ) {
        guard !hasSeen(one.id) || (cache.isAheadOfTree(one.id) && !one.isLarge) else { return }
        if missing[one.id] != nil {
            guard let known = missing[one.id]?.announcers, known.count < Self.mostLinks,
                !known.contains(where: { $0.node == node })
            else { return }
            missing[one.id]?.announcers.append((node, one.hops))
            return
        }
        guard missing.count < settings.missing else { return counts.dropped += 1 }
        // What is not sent unasked need not be waited for.
        let deadline = one.isLarge ? now : now + patience
        missing[one.id] = Missing(
            id: one.id, announcers: [(node, one.hops)], isLarge: one.isLarge, announcedAt: now, deadline: deadline)
        timers.insert(one.id, at: deadline)
    }

    /// The next who has said that it has it. When nobody answers, a digest finds it.
    mutating func askNext(_ id: GossipID, _ now: Duration, _ actions: inout [Action]) {
        guard var waited = takeMissing(id) else { return }
        if hasSeen(id) { return mendTree(id, waited, &actions) }
        if let slot = waited.asked.flatMap({ slot(of: $0) }) { links[slot]?.hasNotAnswered(at: now) }
        let patience = max(settings.nextPatience.least, roundTrip * 1.2)
        waited.deadline = now + (waited.isLarge ? settings.largePatience : patience)
        (waited.asked, waited.askedAt) = (nil, now)
        var isSomebodyThere = false
        for _ in waited.announcers where waited.next < Self.askRounds * waited.announcers.count {
            let node = waited.announcers[waited.next % waited.announcers.count].node
            waited.next += 1
            guard let slot = slot(of: node) else { continue }
            isSomebodyThere = true
            guard links[slot]?.mayBeAsked(at: now) == true else { continue }
            links[slot]?.asked += 1
            waited.asked = node
            origins.setLazy(false, slot, of: id.origin)
            actions.append(.send(.graft(id), to: node))
            break
        }
        // Of what those were asked who cannot be asked now, some will have come or been given up by then.
        guard isSomebodyThere else { return hurry(now) }
        missing[id] = waited
        timers.insert(id, at: waited.deadline)
    }

    /// A repair has brought the message and its tree has not: the tree has lost this node, and takes it up again where
    /// the message was first.
    private mutating func mendTree(_ id: GossipID, _ waited: Missing, _ actions: inout [Action]) {
        guard cache.followsRepair(id) else { return }
        for announcer in waited.announcers {
            guard let slot = slot(of: announcer.node) else { continue }
            return takeUp(announcer.node, slot, id, &actions)
        }
    }

    /// For the tree alone: it asks for a number that nobody has used.
    mutating func takeUp(_ node: NodeID, _ slot: Int, _ id: GossipID, _ actions: inout [Action]) {
        origins.setLazy(false, slot, of: id.origin)
        actions.append(.send(.graft(GossipID(origin: id.origin, epoch: id.epoch, sequence: 0)), to: node))
    }

    /// A repair has brought it. Whether its tree still does is seen when who waits for it would ask.
    mutating func repaired(_ id: GossipID) -> [NodeID] {
        guard let waited = missing[id] else { return [] }
        if waited.isLarge || waited.asked != nil { takeMissing(id) }
        return waited.announcers.map(\.node)
    }

    /// Who was asked has it, as it said.
    mutating func answered(_ waited: Missing, _ slot: Int, _ now: Duration) {
        links[slot]?.hasAnswered(atMost: settings.asked)
        guard !waited.isLarge else { return }
        roundTrip = min(settings.mostPatience, max(now - waited.askedAt, roundTrip * 0.95))
        if hasty.count >= Self.mostHasty { hasty.removeFirst() }
        hasty.append(waited)
    }

    /// Whoever was asked for it has one question less to answer.
    @discardableResult
    mutating func takeMissing(_ id: GossipID) -> Missing? {
        guard let waited = missing.removeValue(forKey: id) else { return nil }
        if let slot = waited.asked.flatMap({ slot(of: $0) }) { links[slot]?.asked -= 1 }
        return waited
    }

    private var patience: Duration { min(settings.mostPatience, max(settings.patience, lateness * 1.5)) }

    /// A payload has come by itself, so much later than somebody has announced it.
    mutating func came(late time: Duration) { lateness = max(time, lateness * 0.95) }

    /// The same for one that was asked for before it came.
    mutating func learnFromLate(_ id: GossipID, _ node: NodeID, _ now: Duration) {
        guard let index = hasty.firstIndex(where: { $0.id == id }),
            !hasty[index].announcers.contains(where: { $0.node == node })
        else { return }
        came(late: now - hasty.remove(at: index).announcedAt)
    }
}

/// A neighbour, as one that spreads messages.
extension Gossip {
    struct Neighbor: Sendable {
        let id: NodeID
        var announced: [GossipMessage.Announcement] = []
        var isCongested = false
        /// How many messages it was asked for that have not come, how many may be, and from when on.
        var asked = 0
        private var credit = 16
        private var restsUntil = Duration.zero
        /// What it was sent in answer to digests lately, how often and when for the last time: what was lost is sent a
        /// second time, and who asks again and again is not sent it again and again.
        var repaired: [GossipID: (count: Int, at: Duration)] = [:]
        var repairedSince = Duration.zero

        init(id: NodeID) { self.id = id }

        func mayBeAsked(at now: Duration) -> Bool { asked < credit && now >= restsUntil }

        /// Who gives what it announces is asked for more at a time.
        mutating func hasAnswered(atMost most: Int) { credit = min(most, credit + 2) }

        /// Who announces what it does not give is asked for one message a second in the end.
        mutating func hasNotAnswered(at now: Duration) {
            if credit > 1 { credit -= 1 } else { restsUntil = now + .seconds(1) }
        }
    }
}
