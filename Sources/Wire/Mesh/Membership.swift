/// Whom a node keeps links to: HyParView (DSN 2007). A few active neighbours, which are symmetric, and a larger passive
/// view to replace them from. It needs no list of everybody, and heals when most nodes are gone at once.
///
/// Times are counted from any moment that stays the same. Whoever sends connects where there is no link yet, and says
/// `.unreachable` when that fails.
package struct Membership: Sendable {
    package struct Settings: Sendable {
        package var active = 5
        /// One more for a node that has no neighbour at all.
        package var reserve = 1
        package var passive = 30
        /// How far a join walks, and where on its way it enters passive views.
        package var joinWalk: UInt8 = 6
        package var passiveWalk: UInt8 = 3
        package var shuffleWalk: UInt8 = 6
        /// What of its own views a node gives away in a shuffle.
        package var shuffledActive = 3
        package var shuffledPassive = 4
        /// In the first minute, and then.
        package var shuffleInterval = (first: Duration.seconds(10), later: Duration.seconds(60))
        package var replyLimit = Duration.milliseconds(500)
        /// How long until those are asked again who have refused.
        package var retryInterval = Duration.seconds(1)
        /// With fewer than so many in its passive view a node asks for seeds, at most this often.
        package var floor = 3
        package var seedInterval = Duration.seconds(5)
        /// Neighbours that were lost without a word are looked for again, so that what a partition has cut grows
        /// together: how often in the first minute and then, how long, and how many of them.
        package var reunionInterval = (first: Duration.seconds(5), later: Duration.seconds(30))
        package var reunionTime = Duration.seconds(900)
        package var mostMissed = 4
        package init() {}
    }

    package enum Message: Equatable, Sendable {
        case join
        case forwardJoin(NodeID, walk: UInt8)
        /// Urgent when the asker has no neighbour: it is not refused then.
        case neighbor(isUrgent: Bool)
        case neighborReply(isAccepted: Bool)
        case disconnect
        case shuffle(origin: NodeID, walk: UInt8, nodes: [NodeID])
        case shuffleReply([NodeID])
    }

    package enum Event: Equatable, Sendable {
        /// Somebody to begin with: a seed, a node that was found.
        case found(NodeID)
        case message(Message, from: NodeID)
        /// Something of another layer, which only neighbours send.
        case traffic(from: NodeID)
        /// A link has ended without a word, or the node did not answer in time.
        case lost(NodeID)
        /// There was no link, and there is no connecting to it.
        case unreachable(NodeID)
        /// `deadline` has come.
        case tick
    }

    package enum Action: Equatable, Sendable {
        case send(Message, to: NodeID)
        case up(NodeID)
        case down(NodeID)
        /// Nobody is left to ask: look at seeds, at the local network, at a directory.
        case findNodes
    }

    package let own: NodeID
    private let settings: Settings
    private let startedAt: Duration
    package private(set) var active: [NodeID] = []
    package private(set) var passive: [NodeID] = []
    /// Who was asked to be a neighbour and has not answered.
    private var asked: (node: NodeID, until: Duration)?
    /// Who has refused lately.
    private var refused: [NodeID] = []
    private var retryAt: Duration?
    private var shuffleAt: Duration
    private var lastShuffled: [NodeID] = []
    private var seedsAskedAt: Duration?
    /// Neighbours that were lost without a word, and since when.
    private var missed: [(node: NodeID, since: Duration)] = []
    private var reunionAt: Duration?

    /// Most nodes that are taken of one message.
    private static let mostNodes = 16

    package init(_ own: NodeID, _ settings: Settings = Settings(), at now: Duration, random: inout SeededRandom) {
        (self.own, self.settings, startedAt) = (own, settings, now)
        shuffleAt = now + random.around(settings.shuffleInterval.first)
    }

    /// When the next `.tick` is due.
    package var deadline: Duration {
        min(shuffleAt, asked?.until ?? shuffleAt, nextTry ?? shuffleAt, reunionAt ?? shuffleAt)
    }
    /// With nobody to ask nothing comes of it before those may be asked who know others.
    private var nextTry: Duration? {
        guard let retryAt, let seedsAskedAt, passive.isEmpty else { return retryAt }
        return max(retryAt, seedsAskedAt + settings.seedInterval)
    }

    package mutating func handle(_ event: Event, at now: Duration, random: inout SeededRandom) -> [Action] {
        var actions: [Action] = []
        switch event {
        case .found(let node): found(node, &actions, &random)
        case .message(let message, let node): receive(message, node, now, &actions, &random)
        case .traffic(let node): if !active.contains(node) { actions.append(.send(.disconnect, to: node)) }
        case .lost(let node):
            if active.contains(node) { miss(node, now, &random) }
            lose(node, &actions)
        case .unreachable(let node): lose(node, &actions)
        case .tick: tick(now, &actions, &random)
        }
        fill(now, &actions, &random)
        return actions
    }

    // MARK: Joining

    private mutating func found(_ node: NodeID, _ actions: inout [Action], _ random: inout SeededRandom) {
        guard node != own, !active.contains(node) else { return }
        if active.isEmpty, asked == nil {
            add(node, saying: .join, &actions, &random)
        } else {
            remember([node], instead: [], &random)
        }
    }

    private mutating func receive(
        _ message: Message, _ sender: NodeID, _ now: Duration, _ actions: inout [Action], _ random: inout SeededRandom
    ) {
        guard sender != own else { return }
        switch message {
        case .join:
            add(sender, &actions, &random)
            for neighbor in active where neighbor != sender {
                actions.append(.send(.forwardJoin(sender, walk: settings.joinWalk), to: neighbor))
            }
        case .forwardJoin(let node, let walk):
            guard isNeighbor(sender, &actions), node != own else { return }
            forwardJoin(node, min(walk, settings.joinWalk), from: sender, &actions, &random)
        case .neighbor(let isUrgent):
            let room = settings.active + (isUrgent ? settings.reserve : 0)
            let isAccepted = active.contains(sender) || isUrgent || active.count < room
            let reply = Message.neighborReply(isAccepted: isAccepted)
            if isAccepted, !active.contains(sender) {
                add(sender, saying: reply, room: room, &actions, &random)
            } else {
                actions.append(.send(reply, to: sender))
            }
        case .neighborReply(let isAccepted): answered(sender, isAccepted, now, &actions, &random)
        case .disconnect:
            guard remove(sender, &actions) else { return }
            remember([sender], instead: [], &random)
            // It had a reason; somebody else is asked first.
            refuse(sender, now)
        case .shuffle(let origin, let walk, let nodes):
            guard isNeighbor(sender, &actions), origin != own else { return }
            shuffle(origin, min(walk, settings.shuffleWalk), nodes, from: sender, &actions, &random)
        case .shuffleReply(let nodes):
            remember(Array(nodes.prefix(Self.mostNodes)), instead: lastShuffled, &random)
            lastShuffled = []
        }
    }

    private mutating func forwardJoin(
        _ node: NodeID, _ walk: UInt8, from sender: NodeID, _ actions: inout [Action], _ random: inout SeededRandom
    ) {
        let next = active.filter { $0 != sender && $0 != node }.randomElement(using: &random)
        if walk > 0, active.count > 1, let next {
            if walk == settings.passiveWalk { remember([node], instead: [], &random) }
            actions.append(.send(.forwardJoin(node, walk: walk - 1), to: next))
        } else if !active.contains(node) {
            add(node, saying: .neighbor(isUrgent: true), &actions, &random)
        }
    }

    /// Links are symmetric: who takes this node for a neighbour and is none is told.
    private func isNeighbor(_ sender: NodeID, _ actions: inout [Action]) -> Bool {
        if active.contains(sender) { return true }
        actions.append(.send(.disconnect, to: sender))
        return false
    }

    // MARK: Views

    /// What makes it a neighbour there is said before anything else can be.
    private mutating func add(
        _ node: NodeID, saying message: Message? = nil, room: Int? = nil, _ actions: inout [Action],
        _ random: inout SeededRandom
    ) {
        if asked?.node == node { asked = nil }
        guard node != own, !active.contains(node) else { return }
        passive.removeAll { $0 == node }
        while active.count >= room ?? settings.active {
            let dropped = active.remove(at: Int.random(in: active.indices, using: &random))
            actions += [.send(.disconnect, to: dropped), .down(dropped)]
            remember([dropped], instead: [], &random)
        }
        active.append(node)
        if let message { actions.append(.send(message, to: node)) }
        actions.append(.up(node))
    }

    private mutating func remove(_ node: NodeID, _ actions: inout [Action]) -> Bool {
        guard let index = active.firstIndex(of: node) else { return false }
        active.remove(at: index)
        actions.append(.down(node))
        return true
    }

    private mutating func lose(_ node: NodeID, _ actions: inout [Action]) {
        _ = remove(node, &actions)
        passive.removeAll { $0 == node }
        if asked?.node == node { asked = nil }
    }

    /// Nodes for the passive view. When it is full those give way first that somebody else has been given.
    private mutating func remember(_ nodes: [NodeID], instead given: [NodeID], _ random: inout SeededRandom) {
        var given = given
        for node in nodes where node != own && !active.contains(node) && !passive.contains(node) {
            while passive.count >= settings.passive {
                if let first = given.popLast() {
                    passive.removeAll { $0 == first }
                } else {
                    passive.remove(at: Int.random(in: passive.indices, using: &random))
                }
            }
            passive.append(node)
        }
    }

    // MARK: Filling the active view

    private mutating func fill(_ now: Duration, _ actions: inout [Action], _ random: inout SeededRandom) {
        guard active.count < settings.active else { return retryAt = nil }
        if asked == nil {
            let willing = passive.filter { !refused.contains($0) }
            if let node = willing.randomElement(using: &random) {
                asked = (node, now + settings.replyLimit)
                actions.append(.send(.neighbor(isUrgent: active.isEmpty), to: node))
            } else if retryAt == nil {
                retryAt = now + settings.retryInterval
            }
        }
        if passive.count < settings.floor, seedsAskedAt.map({ now - $0 >= settings.seedInterval }) ?? true {
            seedsAskedAt = now
            actions.append(.findNodes)
        }
    }

    private mutating func answered(
        _ node: NodeID, _ isAccepted: Bool, _ now: Duration, _ actions: inout [Action], _ random: inout SeededRandom
    ) {
        let wasAsked = asked?.node == node
        if wasAsked { asked = nil }
        if active.contains(node) { return }
        if let index = missed.firstIndex(where: { $0.node == node }) {
            missed.remove(at: index)
            return add(node, saying: isAccepted ? nil : .join, &actions, &random)
        }
        if isAccepted, wasAsked, active.count < settings.active {
            add(node, &actions, &random)
        } else if isAccepted {
            actions.append(.send(.disconnect, to: node))
        } else {
            refuse(node, now)
        }
    }

    private mutating func refuse(_ node: NodeID, _ now: Duration) {
        if !refused.contains(node) { refused.append(node) }
        if retryAt == nil { retryAt = now + settings.retryInterval }
    }

    private mutating func tick(_ now: Duration, _ actions: inout [Action], _ random: inout SeededRandom) {
        if let asked, asked.until <= now {
            refuse(asked.node, now)
            self.asked = nil
        }
        if let retryAt, retryAt <= now {
            refused = []
            self.retryAt = nil
        }
        if let reunionAt, reunionAt <= now { lookForMissed(now, &actions, &random) }
        if shuffleAt <= now {
            let isYoung = now - startedAt < .seconds(60)
            shuffleAt = now + random.around(isYoung ? settings.shuffleInterval.first : settings.shuffleInterval.later)
            beginShuffle(&actions, &random)
        }
    }

    // MARK: Growing together again

    private mutating func miss(_ node: NodeID, _ now: Duration, _ random: inout SeededRandom) {
        missed.removeAll { $0.node == node }
        if missed.count >= settings.mostMissed { missed.removeFirst() }
        missed.append((node, now))
        if reunionAt == nil { reunionAt = now + random.around(settings.reunionInterval.first) }
    }

    /// One of them is asked, and by what it answers it is there.
    private mutating func lookForMissed(_ now: Duration, _ actions: inout [Action], _ random: inout SeededRandom) {
        missed.removeAll { now - $0.since > settings.reunionTime || active.contains($0.node) }
        guard let one = missed.randomElement(using: &random) else { return reunionAt = nil }
        let isRecent = now - one.since < .seconds(60)
        reunionAt = now + random.around(isRecent ? settings.reunionInterval.first : settings.reunionInterval.later)
        actions.append(.send(.neighbor(isUrgent: false), to: one.node))
    }

    // MARK: Shuffling

    private mutating func beginShuffle(_ actions: inout [Action], _ random: inout SeededRandom) {
        guard let neighbor = active.randomElement(using: &random) else { return }
        let some = active.filter { $0 != neighbor }.shuffled(using: &random).prefix(settings.shuffledActive)
        lastShuffled = Array(passive.shuffled(using: &random).prefix(settings.shuffledPassive))
        let shuffle = Message.shuffle(origin: own, walk: settings.shuffleWalk, nodes: some + lastShuffled)
        actions.append(.send(shuffle, to: neighbor))
    }

    private mutating func shuffle(
        _ origin: NodeID, _ walk: UInt8, _ nodes: [NodeID], from sender: NodeID, _ actions: inout [Action],
        _ random: inout SeededRandom
    ) {
        let nodes = Array(nodes.prefix(Self.mostNodes))
        let next = active.filter { $0 != sender && $0 != origin }.randomElement(using: &random)
        if walk > 1, let next {
            return actions.append(.send(.shuffle(origin: origin, walk: walk - 1, nodes: nodes), to: next))
        }
        let given = Array(passive.shuffled(using: &random).prefix(nodes.count))
        actions.append(.send(.shuffleReply(given), to: origin))
        remember([origin] + nodes, instead: given, &random)
    }
}
