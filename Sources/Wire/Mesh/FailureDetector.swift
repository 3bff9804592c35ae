/// Who is alive, where everybody knows everybody: SWIM (DSN 2002) with Lifeguard (arXiv 1707.00788). Each node asks one
/// other a second, directly and then by way of others, so its load does not grow with their number. Who does not answer
/// is suspected first, and may object. A node that is slow itself gives others more time.
///
/// Times are counted from any moment that stays the same.
package struct FailureDetector: Sendable {
    package struct Settings: Sendable {
        package var interval = Duration.seconds(1)
        package var timeout = Duration.milliseconds(500)
        /// How many are asked to ask for us.
        package var helpers = 3
        package var suspicion = 4.0
        /// By how much longer a suspicion lasts that nobody confirms.
        package var unconfirmed = 6.0
        package var retransmissions = 4
        package var gossipInterval = Duration.milliseconds(200)
        package var gossipNodes = 3
        package var exchangeInterval = Duration.seconds(30)
        package var mostUnhealthy = 8
        package var updatesPerMessage = 12
        /// How long it is remembered that a node is dead, so that old news does not wake it.
        package var deadTime = Duration.seconds(30)
        package var mostMembers = 1024
        package init() {}
    }

    package enum Status: UInt8, Equatable, Sendable { case alive, suspect, dead }

    /// What is said of a node. Only it raises its own incarnation.
    package struct Update: Equatable, Sendable {
        package let node: NodeID
        package let incarnation: UInt64
        package let status: Status
        /// Who suspects it.
        package let accuser: NodeID

        package init(node: NodeID, incarnation: UInt64, status: Status, accuser: NodeID) {
            (self.node, self.incarnation, self.status, self.accuser) = (node, incarnation, status, accuser)
        }
    }

    package enum Message: Equatable, Sendable {
        case ping(UInt64, [Update])
        case ack(UInt64, [Update])
        /// Ask that node for me.
        case pingRequest(UInt64, NodeID, [Update])
        /// It has not answered me either; but I am here.
        case nack(UInt64, [Update])
        case news([Update])
        /// Everything that is known.
        case state([Update], wantsReply: Bool)
    }

    package enum Event: Equatable, Sendable {
        /// Somebody to begin with.
        case found(NodeID)
        case message(Message, from: NodeID)
        case tick
    }

    package enum Action: Equatable, Sendable {
        case send(Message, to: NodeID)
        case changed(NodeID, Status)
    }

    private struct Member: Sendable {
        var status: Status
        var incarnation: UInt64
        var since: Duration
        var accusers: [NodeID] = []
        /// When a suspicion becomes certainty.
        var deadline: Duration?
    }

    private struct Probe: Sendable {
        let node: NodeID
        let number: UInt64
        let helpAt: Duration
        let endAt: Duration
        /// Who was asked for help and has said nothing.
        var helpers: [NodeID]?
        var isAnswered = false
    }

    private struct Relay: Sendable {
        let number: UInt64
        let asker: NodeID
        let askersNumber: UInt64
        let until: Duration
    }

    package let own: NodeID
    private let settings: Settings
    package private(set) var incarnation: UInt64 = 0
    /// How badly this node itself is doing: 0 is well.
    package private(set) var unhealthiness = 0
    private var members: [NodeID: Member] = [:]
    private var round: [NodeID] = []
    /// Where a new member comes in the round: at the end, all nodes would ask the oldest last.
    private var places: SeededRandom
    private var probe: Probe?
    private var relays: [Relay] = []
    private var lastNumber: UInt64 = 0
    private var news: [(update: Update, sent: Int)] = []
    private var gossipAt: Duration
    private var exchangeAt: Duration

    private static let mostRelays = 64

    package init(_ own: NodeID, _ settings: Settings = Settings(), at now: Duration, random: inout SeededRandom) {
        (self.own, self.settings) = (own, settings)
        places = SeededRandom(seed: random.next())
        gossipAt = now + random.around(settings.gossipInterval)
        exchangeAt = now + random.around(settings.exchangeInterval)
    }

    package func status(of node: NodeID) -> Status? { node == own ? .alive : members[node]?.status }

    /// Everybody who is not dead, this node left out.
    package var living: [NodeID] { members.filter { $0.value.status != .dead }.map(\.key).sorted() }

    /// When the next `.tick` is due.
    package var deadline: Duration {
        var deadline = min(gossipAt, exchangeAt)
        if let probe {
            deadline = min(deadline, probe.helpers == nil && !probe.isAnswered ? probe.helpAt : probe.endAt)
        }
        for relay in relays { deadline = min(deadline, relay.until) }
        for member in members.values { if let end = member.deadline { deadline = min(deadline, end) } }
        return deadline
    }

    package mutating func handle(_ event: Event, at now: Duration, random: inout SeededRandom) -> [Action] {
        var actions: [Action] = []
        switch event {
        case .found(let node):
            guard node != own else { break }
            actions.append(.send(.state(everything, wantsReply: true), to: node))
        case .message(let message, let node): if node != own { receive(message, node, now, &actions) }
        case .tick: tick(now, &actions, &random)
        }
        return actions
    }

    // MARK: Messages

    private mutating func receive(_ message: Message, _ sender: NodeID, _ now: Duration, _ actions: inout [Action]) {
        switch message {
        case .ping(let number, let updates):
            take(updates, now, &actions)
            actions.append(.send(.ack(number, nextNews(about: sender)), to: sender))
        case .ack(let number, let updates):
            take(updates, now, &actions)
            if probe?.number == number, probe?.isAnswered == false {
                probe?.isAnswered = true
                unhealthiness = max(0, unhealthiness - 1)
            }
            if let index = relays.firstIndex(where: { $0.number == number }) {
                let relay = relays.remove(at: index)
                actions.append(.send(.ack(relay.askersNumber, nextNews(about: relay.asker)), to: relay.asker))
            }
        case .pingRequest(let number, let node, let updates):
            take(updates, now, &actions)
            guard node != own, relays.count < Self.mostRelays else { return }
            lastNumber += 1
            let until = now + settings.timeout * 0.8
            relays.append(Relay(number: lastNumber, asker: sender, askersNumber: number, until: until))
            actions.append(.send(.ping(lastNumber, nextNews(about: node)), to: node))
        case .nack(let number, let updates):
            take(updates, now, &actions)
            if probe?.number == number { probe?.helpers?.removeAll { $0 == sender } }
        case .news(let updates): take(updates, now, &actions)
        case .state(let updates, let wantsReply):
            // Whoever says it is there.
            if members[sender] == nil, !updates.contains(where: { $0.node == sender }) {
                take([Update(node: sender, incarnation: 0, status: .alive, accuser: sender)], now, &actions)
            }
            take(updates, now, &actions, most: settings.mostMembers)
            if wantsReply { actions.append(.send(.state(everything, wantsReply: false), to: sender)) }
        }
    }

    private var everything: [Update] {
        let others = members.sorted { $0.key < $1.key }.map { node, member in
            Update(
                node: node, incarnation: member.incarnation, status: member.status,
                accuser: member.accusers.first ?? own)
        }
        return [Update(node: own, incarnation: incarnation, status: .alive, accuser: own)] + others
    }

    // MARK: News

    private mutating func take(
        _ updates: [Update], _ now: Duration, _ actions: inout [Action], most: Int? = nil
    ) {
        for update in updates.prefix(most ?? 2 * settings.updatesPerMessage) { take(update, now, &actions) }
    }

    private mutating func take(_ update: Update, _ now: Duration, _ actions: inout [Action]) {
        guard update.node != own else { return object(to: update) }
        guard let member = members[update.node] else {
            guard members.count < settings.mostMembers, update.status != .dead else { return }
            set(update, now, &actions)
            return
        }
        switch (update.status, member.status) {
        case (.alive, _) where update.incarnation > member.incarnation: set(update, now, &actions)
        case (.suspect, .suspect) where update.incarnation == member.incarnation: confirm(update, now)
        case (.suspect, .alive) where update.incarnation >= member.incarnation,
            (.suspect, .suspect) where update.incarnation > member.incarnation,
            (.dead, .alive) where update.incarnation >= member.incarnation,
            (.dead, .suspect) where update.incarnation >= member.incarnation,
            (.dead, .dead) where update.incarnation > member.incarnation:
            set(update, now, &actions)
        case (.alive, _), (.suspect, _), (.dead, _): break  // Old news.
        }
    }

    /// Somebody doubts this node. It says that it lives, and takes more time for others: it may have been slow.
    private mutating func object(to update: Update) {
        guard update.status != .alive, update.incarnation >= incarnation else { return }
        incarnation = update.incarnation + 1
        worsen(by: 1)
        spread(Update(node: own, incarnation: incarnation, status: .alive, accuser: own))
    }

    private mutating func set(_ update: Update, _ now: Duration, _ actions: inout [Action]) {
        let before = members[update.node]?.status
        var member = Member(status: update.status, incarnation: update.incarnation, since: now)
        if update.status == .suspect {
            member.accusers = [update.accuser]
            member.deadline = now + suspicionTime(confirmations: 0)
        }
        members[update.node] = member
        if before != update.status { actions.append(.changed(update.node, update.status)) }
        if before == nil { round.insert(update.node, at: Int.random(in: 0...round.count, using: &places)) }
        spread(update)
    }

    /// One more suspects it, independently: the suspicion ends sooner.
    private mutating func confirm(_ update: Update, _ now: Duration) {
        guard var member = members[update.node], !member.accusers.contains(update.accuser),
            member.accusers.count <= wantedConfirmations
        else { return }
        member.accusers.append(update.accuser)
        member.deadline = member.since + suspicionTime(confirmations: member.accusers.count - 1)
        members[update.node] = member
        spread(update)
    }

    private var count: Int { members.count + 1 }
    private var wantedConfirmations: Int {
        let wanted = Int(settings.suspicion) - 2
        return count - 2 < wanted ? 0 : wanted
    }

    private func suspicionTime(confirmations: Int) -> Duration {
        let least = settings.interval * (settings.suspicion * max(1, Logarithm.decimal(Double(count))))
        guard wantedConfirmations > 0 else { return least }
        let share = Logarithm.natural(Double(confirmations + 1)) / Logarithm.natural(Double(wantedConfirmations + 1))
        return max(least, least * settings.unconfirmed - (least * settings.unconfirmed - least) * share)
    }

    private mutating func spread(_ update: Update) {
        news.removeAll { $0.update.node == update.node }
        news.append((update, 0))
    }

    /// What was told least often. Whoever is told hears also what is thought of itself, so that it can object.
    private mutating func nextNews(about node: NodeID? = nil) -> [Update] {
        let most = settings.retransmissions * Int(Logarithm.decimal(Double(count + 1)).rounded(.up))
        var order = news.indices.sorted { (news[$0].sent, $1) < (news[$1].sent, $0) }
        order = Array(order.prefix(settings.updatesPerMessage))
        var chosen = order.map { news[$0].update }
        for index in order { news[index].sent += 1 }
        news.removeAll { $0.sent >= most }
        if let node, let member = members[node], member.status != .alive, !chosen.contains(where: { $0.node == node }) {
            let accuser = member.accusers.first ?? own
            chosen.append(
                Update(node: node, incarnation: member.incarnation, status: member.status, accuser: accuser))
        }
        return chosen
    }

    // MARK: Time

    private mutating func tick(_ now: Duration, _ actions: inout [Action], _ random: inout SeededRandom) {
        endSuspicions(now, &actions)
        for relay in relays where relay.until <= now {
            actions.append(.send(.nack(relay.askersNumber, nextNews(about: relay.asker)), to: relay.asker))
        }
        relays.removeAll { $0.until <= now }
        advanceProbe(now, &actions, &random)
        if gossipAt <= now {
            gossipAt = now + settings.gossipInterval
            gossip(&actions, &random)
        }
        if exchangeAt <= now {
            exchangeAt = now + random.around(settings.exchangeInterval * exchangeFactor)
            if let node = living.randomElement(using: &random) {
                actions.append(.send(.state(everything, wantsReply: true), to: node))
            }
        }
    }

    private var exchangeFactor: Int {
        count <= 32 ? 1 : Int((Logarithm.natural(Double(count)) / Logarithm.natural(2) - 5).rounded(.up)) + 1
    }

    private mutating func endSuspicions(_ now: Duration, _ actions: inout [Action]) {
        let due = members.filter { $0.value.deadline.map { $0 <= now } ?? false }
            .sorted { ($0.value.deadline ?? now, $0.key) < ($1.value.deadline ?? now, $1.key) }
        for (node, member) in due {
            set(Update(node: node, incarnation: member.incarnation, status: .dead, accuser: own), now, &actions)
        }
        let forgotten = members.filter { $0.value.status == .dead && now - $0.value.since >= settings.deadTime }
        for (node, _) in forgotten {
            members[node] = nil
            round.removeAll { $0 == node }
        }
    }

    private mutating func gossip(_ actions: inout [Action], _ random: inout SeededRandom) {
        guard !news.isEmpty else { return }
        for node in living.shuffled(using: &random).prefix(settings.gossipNodes) {
            let updates = nextNews(about: node)
            if !updates.isEmpty { actions.append(.send(.news(updates), to: node)) }
        }
    }

    private mutating func advanceProbe(_ now: Duration, _ actions: inout [Action], _ random: inout SeededRandom) {
        if var current = probe {
            if current.endAt <= now {
                probe = nil
                if !current.isAnswered { failed(current, now, &actions) }
            } else if current.helpAt <= now, !current.isAnswered, current.helpers == nil {
                let others = living.filter { $0 != current.node }.shuffled(using: &random).prefix(settings.helpers)
                current.helpers = Array(others)
                probe = current
                for node in others {
                    actions.append(.send(.pingRequest(current.number, current.node, nextNews(about: node)), to: node))
                }
            }
        }
        if probe == nil { beginProbe(now, &actions, &random) }
    }

    /// In an order that is drawn anew for each round, so nobody is forgotten for longer than two rounds.
    private mutating func beginProbe(_ now: Duration, _ actions: inout [Action], _ random: inout SeededRandom) {
        if round.isEmpty { round = members.keys.sorted().shuffled(using: &random) }
        while let node = round.popLast() {
            guard let member = members[node], member.status != .dead else { continue }
            lastNumber += 1
            let slower = unhealthiness + 1
            probe = Probe(
                node: node, number: lastNumber, helpAt: now + settings.timeout * slower,
                endAt: now + settings.interval * slower)
            return actions.append(.send(.ping(lastNumber, nextNews(about: node)), to: node))
        }
    }

    /// Those who were to help and have said nothing make it likely that the fault is here.
    private mutating func failed(_ probe: Probe, _ now: Duration, _ actions: inout [Action]) {
        let helpers = probe.helpers ?? []
        worsen(by: helpers.isEmpty ? 1 : helpers.count)
        guard let member = members[probe.node], member.status != .dead else { return }
        let update = Update(node: probe.node, incarnation: member.incarnation, status: .suspect, accuser: own)
        take(update, now, &actions)
    }

    private mutating func worsen(by amount: Int) { unhealthiness = min(settings.mostUnhealthy, unhealthiness + amount) }
}

/// What the standard library does not have, exact to twelve digits.
enum Logarithm {
    /// Of a number above zero.
    static func natural(_ number: Double) -> Double {
        let ratio = (number.significand - 1) / (number.significand + 1)
        var (sum, power) = (0.0, ratio)
        for odd in stride(from: 1.0, through: 41, by: 2) {
            sum += power / odd
            power *= ratio * ratio
        }
        return 2 * sum + Double(number.exponent) * 0.693_147_180_559_945_3
    }

    static func decimal(_ number: Double) -> Double { natural(number) / 2.302_585_092_994_045_7 }
}
