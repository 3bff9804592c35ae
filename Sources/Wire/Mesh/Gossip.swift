/// Spreads messages to everybody: Plumtree (SRDS 2007) with a tree for each origin. A message goes along the tree; the
/// other links only say that it is there, and whoever misses it asks. What was lost is found by comparing digests.
///
/// A payload goes at most once over a link in each direction unless it is asked for, never back to where it came from,
/// and is delivered once. Times are counted from any moment that stays the same.
package struct Gossip: Sendable {
    package struct Settings: Sendable {
        /// How long to wait at least for a payload that was announced, and at most: as late as payloads have come.
        package var patience = Duration.milliseconds(300)
        package var mostPatience = Duration.seconds(1)
        /// How long then at least for each who was asked, and before it is known how long answers take: a round trip.
        package var nextPatience = (least: Duration.milliseconds(40), first: Duration.milliseconds(100))
        /// A large payload takes its time; who was asked and goes is replaced at once.
        package var largePatience = Duration.seconds(5)
        /// How long announcements are collected, and how many.
        package var haveDelay = Duration.milliseconds(5)
        package var haveBatch = 64
        /// By how many hops another way must be shorter to be taken: for an origin whose tree is its own, and for one
        /// that has only begun, along the tree of others. That one must not be pulled to and fro by each of them.
        package var threshold = (own: 3, shared: 5)
        /// So many messages make a tree an origin's own.
        package var ownTree = 3
        package var maxHops: UInt8 = 64
        package var cacheTime = Duration.seconds(30)
        package var cacheBytes = 8 << 20
        /// Payloads above are announced to everybody, and sent to who asks.
        package var largeSize = 64 << 10
        package var maxSize = 1 << 20
        package var origins = 4096
        /// Most messages that are waited for, and most ids that are read of one announcement.
        package var missing = 4096
        package var announcements = 5000
        /// Most messages that one neighbour is asked for at a time: who announces what nobody has costs no more.
        package var asked = 64
        /// Messages a second of one origin, and how many at once.
        package var rate = 100.0
        package var burst = 500.0
        package var digestInterval = Duration.seconds(10)
        /// So soon a digest follows when something is known to be missing, and so often at most in a row.
        package var hurry = Duration.seconds(1)
        package var mostHurries = 8
        /// Most messages that answer one digest.
        package var digestAnswer = 256
        package init() {}
    }

    package enum Event: Equatable, Sendable {
        case up(NodeID)
        case down(NodeID)
        case message(GossipMessage, from: NodeID)
        /// So much waits for this neighbour that it gets announcements only, until it is told otherwise.
        case congested(NodeID, Bool)
        case tick
    }

    package enum Action: Equatable, Sendable {
        case send(GossipMessage, to: NodeID)
        case deliver(GossipID, [UInt8])
        /// Messages of an origin that were sent and will not come.
        case gap(origin: NodeID, epoch: UInt64, sequences: [UInt64])
    }

    package let own: NodeID
    let settings: Settings
    private let epoch: UInt64
    private var lastSequence: UInt64 = 0
    var links: [Neighbor?] = []
    var origins = GossipOrigins()
    var cache = GossipCache()
    var missing: [GossipID: Missing] = [:]
    var timers = DeadlineQueue<GossipID>()
    /// How much later than an announcement payloads come, lately, and how much later than they are asked for.
    var lateness = Duration.zero
    var roundTrip: Duration
    /// What was asked for lately and has come. When it comes by itself too, the asking was too early.
    var hasty: [Missing] = []
    private var flushAt: Duration?
    private var digestAt: Duration
    private var hurries = 0
    package internal(set) var counts = Counts()

    /// What has happened so far.
    package struct Counts: Equatable, Sendable {
        package var delivered = 0
        package var duplicates = 0
        package var grafts = 0
        package var dropped = 0
    }

    /// Most neighbours: a tree has a bit for each.
    static let mostLinks = 16

    /// The epoch tells one start of a node from the next: the time of day in milliseconds, say.
    package init(
        _ own: NodeID, epoch: UInt64, _ settings: Settings = Settings(), at now: Duration, random: inout SeededRandom
    ) {
        (self.own, self.epoch, self.settings, roundTrip) = (own, epoch, settings, settings.nextPatience.first)
        digestAt = now + random.around(settings.digestInterval)
    }

    /// When the next `.tick` is due.
    package var deadline: Duration { min(digestAt, flushAt ?? digestAt, timers.first ?? digestAt) }

    /// What the next message of this node is called.
    package var nextID: GossipID { GossipID(origin: own, epoch: epoch, sequence: lastSequence + 1) }

    /// A message of this node to everybody. Nil when it is too large.
    package mutating func broadcast(_ payload: [UInt8], at now: Duration) -> (id: GossipID, actions: [Action])? {
        guard payload.count <= settings.maxSize else { return nil }
        lastSequence += 1
        let id = GossipID(origin: own, epoch: epoch, sequence: lastSequence)
        var actions: [Action] = []
        note(id, origins.place(of: own), now)
        cache.insert(id, hops: 0, payload, at: now, settings)
        push(id, hops: 0, payload, from: nil, now, &actions)
        return (id, actions)
    }

    package mutating func handle(_ event: Event, at now: Duration, random: inout SeededRandom) -> [Action] {
        var actions: [Action] = []
        switch event {
        case .up(let node): up(node, now, &actions)
        case .down(let node): down(node, now)
        case .congested(let node, let isCongested):
            if let slot = slot(of: node) { links[slot]?.isCongested = isCongested }
        case .message(let message, let node):
            guard let slot = slot(of: node) else { break }
            receive(message, slot, node, now, &actions)
        case .tick: tick(now, &actions, &random)
        }
        return actions
    }

    // MARK: Neighbours

    func slot(of node: NodeID) -> Int? { links.firstIndex { $0?.id == node } }

    private mutating func up(_ node: NodeID, _ now: Duration, _ actions: inout [Action]) {
        guard node != own, slot(of: node) == nil else { return }
        let slot = links.firstIndex { $0 == nil } ?? links.count
        guard slot < Self.mostLinks else { return }
        if slot == links.count { links.append(nil) }
        links[slot] = Neighbor(id: node)
        origins.reset(slot)
        actions.append(.send(.digest(digest(at: now)), to: node))
    }

    private mutating func down(_ node: NodeID, _ now: Duration) {
        guard let slot = slot(of: node) else { return }
        links[slot] = nil
        origins.reset(slot)
        // What it was asked for is asked of the next who has it.
        for id in missing.filter({ $0.value.asked == node }).keys.sorted() {
            missing[id]?.asked = nil
            missing[id]?.deadline = now
            timers.insert(id, at: now)
        }
    }

    // MARK: Receiving

    private mutating func receive(
        _ message: GossipMessage, _ slot: Int, _ node: NodeID, _ now: Duration, _ actions: inout [Action]
    ) {
        switch message {
        case .payload(let id, let hops, let payload):
            guard accept(id, hops, payload, now, &actions) else {
                guard hasSeen(id) else { return }
                learnFromLate(id, node, now)
                // Its tree is whole; a repair was only faster.
                if cache.followsRepair(id) {
                    takeMissing(id)
                    return origins.setLazy(false, slot, of: id.origin)
                }
                origins.setLazy(true, slot, of: id.origin)
                return actions.append(.send(.prune(id.origin), to: node))
            }
            origins.setLazy(false, slot, of: id.origin)
            var holders: [NodeID] = []
            if let waited = takeMissing(id) {
                holders = waited.announcers.map(\.node)
                if !holders.contains(node) {
                    came(late: now - waited.announcedAt)
                } else if waited.asked == node {
                    answered(waited, slot, now)
                }
                // Who was asked for it makes another way by that.
                if waited.next == 0 { shorten(id, hops, node, slot, waited.announcers, &actions) }
            }
            // Whoever has announced it has it. A copy would only be pruned, and the link with it.
            push(id, hops: hops, payload, from: slot, to: { !holders.contains($0) }, now, &actions)
        case .repair(let id, let hops, let payload):
            guard accept(id, hops, payload, isRepair: true, now, &actions) else { return }
            let holders = repaired(id)
            push(id, hops: hops, payload, from: slot, isRepair: true, to: { !holders.contains($0) }, now, &actions)
        case .have(let announcements):
            for one in announcements.prefix(settings.announcements) { announced(one, node, slot, now, &actions) }
        case .graft(let id):
            origins.setLazy(false, slot, of: id.origin)
            counts.grafts += 1
            guard let cached = cache[id], cached.hops < settings.maxHops else { return }
            actions.append(.send(.payload(id, hops: cached.hops + 1, cached.payload), to: node))
        case .prune(let origin): origins.setLazy(true, slot, of: origin)
        case .digest(let digests): actions += answer(digests, slot, node, now)
        case .gone(let origin, let epoch, let last): gone(origin, epoch, last, &actions)
        }
    }

    /// Delivers a message that is new. False for one that is known, or not taken.
    private mutating func accept(
        _ id: GossipID, _ hops: UInt8, _ payload: [UInt8], isRepair: Bool = false, _ now: Duration,
        _ actions: inout [Action]
    ) -> Bool {
        let place = origins.place(of: id.origin)
        if hasSeen(id, place) {
            counts.duplicates += 1
            return false
        }
        guard hops <= settings.maxHops, payload.count <= settings.maxSize, place.map({ takesToken($0, now) }) ?? true
        else {
            counts.dropped += 1
            return false
        }
        if let place, skips(id, place) { hurry(now) }
        note(id, place, now)
        counts.delivered += 1
        actions.append(.deliver(id, payload))
        cache.insert(id, hops: hops, payload, isRepair: isRepair, at: now, settings)
        return true
    }

    /// Somebody has announced it after far fewer hops: messages come from there from now on.
    private mutating func shorten(
        _ id: GossipID, _ hops: UInt8, _ sender: NodeID, _ slot: Int, _ announcers: [(node: NodeID, hops: UInt8)],
        _ actions: inout [Action]
    ) {
        guard let better = announcers.min(by: { $0.hops < $1.hops }), better.node != sender,
            Int(better.hops) + threshold(of: id.origin) <= Int(hops), let other = self.slot(of: better.node)
        else { return }
        takeUp(better.node, other, id, &actions)
        origins.setLazy(true, slot, of: id.origin)
        actions.append(.send(.prune(id.origin), to: sender))
    }

    private func threshold(of origin: NodeID) -> Int {
        (origins[origin]?.count ?? 0) > settings.ownTree ? settings.threshold.own : settings.threshold.shared
    }

    // MARK: Sending

    private mutating func push(
        _ id: GossipID, hops: UInt8, _ payload: [UInt8], from parent: Int?, isRepair: Bool = false,
        to isMeant: (NodeID) -> Bool = { _ in true }, _ now: Duration, _ actions: inout [Action]
    ) {
        guard hops < settings.maxHops else { return }
        let lazy = origins.lazyBits(of: id.origin)
        let isLarge = payload.count > settings.largeSize
        actions.reserveCapacity(actions.count + links.count)
        for slot in links.indices where slot != parent {
            guard let node = links[slot]?.id, isMeant(node) else { continue }
            if !isLarge, links[slot]?.isCongested == false, lazy >> slot & 1 == 0 {
                let copy = GossipMessage.copy(of: id, hops: hops + 1, payload, isRepair: isRepair)
                actions.append(.send(copy, to: node))
            } else {
                announce(GossipMessage.Announcement(id: id, hops: hops + 1, isLarge: isLarge), slot, now, &actions)
            }
        }
    }

    private mutating func announce(
        _ one: GossipMessage.Announcement, _ slot: Int, _ now: Duration, _ actions: inout [Action]
    ) {
        links[slot]?.announced.append(one)
        if let count = links[slot]?.announced.count, count >= settings.haveBatch { flush(slot, &actions) }
        if flushAt == nil { flushAt = now + settings.haveDelay }
    }

    private mutating func flush(_ slot: Int, _ actions: inout [Action]) {
        guard let node = links[slot]?.id, let announced = links[slot]?.announced, !announced.isEmpty else { return }
        actions.append(.send(.have(announced), to: node))
        links[slot]?.announced = []
    }

    // MARK: Time

    private mutating func tick(_ now: Duration, _ actions: inout [Action], _ random: inout SeededRandom) {
        if let flushAt, flushAt <= now {
            actions.reserveCapacity(links.count)
            for slot in links.indices { flush(slot, &actions) }
            self.flushAt = nil
        }
        while let (id, at) = timers.popDue(now) {
            if missing[id]?.deadline == at { askNext(id, now, &actions) }
        }
        cache.expire(before: now - settings.cacheTime)
        if digestAt <= now {
            let isHurried = hurries > 0 && misses(now)
            hurries = isHurried ? hurries - 1 : 0
            digestAt = now + random.around(isHurried ? settings.hurry : settings.digestInterval)
            if let neighbor = links.compactMap({ $0?.id }).randomElement(using: &random) {
                actions.append(.send(.digest(digest(at: now)), to: neighbor))
            }
        }
    }

    /// Something is missing that nobody will send unasked.
    mutating func hurry(_ now: Duration) {
        hurries = min(settings.mostHurries, hurries + settings.mostHurries / 2)
        digestAt = min(digestAt, now + settings.hurry)
    }

    private func misses(_ now: Duration) -> Bool {
        origins.all.contains { now - $0.heardAt <= settings.cacheTime && $0.seen.hasGaps }
    }
}
