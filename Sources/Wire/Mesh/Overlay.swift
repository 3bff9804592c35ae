/// A node of the mesh as one value: whom it keeps links to, what it spreads, and what it says to one other. It has no
/// socket, no clock and no random source: whoever drives it gives it events and does what it answers. The same value
/// runs over real links and, by the thousand, in a simulation.
///
/// Times are counted from any moment that stays the same. It is never copied: it is large, and there is one of it.
package struct Overlay: ~Copyable, Sendable {
    package struct Settings: Sendable {
        package var membership = Membership.Settings()
        package var gossip = Gossip.Settings()
        package var detector = FailureDetector.Settings()
        /// Whether everybody knows everybody: up to about a thousand nodes.
        package var listsMembers = false
        /// What passes through others is signed. Within a closed group everybody is trusted, and it need not be.
        package var signs = true
        /// After so long without a word a neighbour is pinged, and after so many it counts as gone.
        package var keepAlive = Duration.seconds(1)
        package var mostSilent = 4
        /// When a message to one node is sent again. Then it has failed.
        package var retries: [Duration] = [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4)]
        /// How long an answer may take that was promised, before it is asked for again.
        package var answerPatience = Duration.seconds(2)
        package var findInterval = Duration.seconds(1)
        package var hops: UInt8 = 32
        package var routeTime = Duration.seconds(300)
        package var mostRoutes = 4096
        /// Messages and requests of this node that are under way; requests of others that are.
        package var mostUnderWay = 1024
        package var answerTime = Duration.seconds(60)
        package var answerBytes = 4 << 20
        package var mostSources = 4096
        /// Whether nodes are connected to for one message, where their address is known.
        package var dials = true
        package var barredTime = Duration.seconds(600)
        package init() {}
    }

    package enum Event: Equatable, Sendable {
        /// Somebody to begin with, who can be sent to.
        case found(NodeID)
        /// A link is there, whoever has opened it; it has ended; there is none and no making one.
        case linked(NodeID)
        case unlinked(NodeID)
        case unreachable(NodeID)
        case received(MeshMessage, from: NodeID)
        /// So much waits for this node that it gets announcements only, until it is told otherwise.
        case congested(NodeID, Bool)
        case tick
    }

    package enum Action: Equatable, Sendable {
        /// Over the link to it; where there is none yet it is made.
        case send(MeshMessage, to: NodeID)
        case drop(NodeID, MeshClosing)
        case tell(MeshEvent)
        /// Ends by `answered`.
        case ask(MeshRequest)
        /// What became of a message or a request of this node.
        case finished(UInt64, Result<[UInt8], MeshFailure>)
        /// Nobody is left to ask: look at seeds, at the local network, at a directory.
        case findNodes
    }

    /// Who this node is, and where it can be reached.
    package var contact: MeshContact
    let identity: NodeIdentity?
    let settings: Settings
    package internal(set) var membership: Membership
    package internal(set) var gossip: Gossip
    package internal(set) var detector: FailureDetector?
    var routes: RouteTable
    var inbox: Inbox
    var links: Set<NodeID> = []
    /// When each neighbour was heard last. They are few.
    private var heard: [(node: NodeID, at: Duration)] = []
    var keepAliveAt: Duration
    var outgoing: [UInt64: Outgoing] = [:]
    var timers = DeadlineQueue<UInt64>()
    var lastSequence: UInt64 = 0
    /// Requests of others that the application has not answered.
    var asked: [UInt64: (source: NodeID, epoch: UInt64, sequence: UInt64, endsAt: Duration)] = [:]
    var lastAsked: UInt64 = 0
    /// Whom this node looks for, and since when.
    var findings: [Target: Duration] = [:]
    var misdeeds: [NodeID: (count: Int, barredUntil: Duration?)] = [:]
    package internal(set) var counts = Counts()

    /// What has happened so far.
    package struct Counts: Equatable, Sendable {
        package var invalidSignatures = 0
        package var passedOn = 0
        package var noRoute = 0
        package var finds = 0
        package var repeated = 0
        package var sentAgain = 0
    }

    package var own: NodeID { contact.id }

    /// The identity signs; without one nothing is signed, as in a closed group.
    package init(
        _ contact: MeshContact, identity: NodeIdentity?, _ settings: Settings = Settings(), at now: Duration,
        random: inout SeededRandom
    ) {
        (self.contact, self.settings) = (contact, settings)
        self.identity = settings.signs ? identity : nil
        membership = Membership(contact.id, settings.membership, at: now, random: &random)
        gossip = Gossip(contact.id, epoch: contact.epoch, settings.gossip, at: now, random: &random)
        detector =
            settings.listsMembers ? FailureDetector(contact.id, settings.detector, at: now, random: &random) : nil
        routes = RouteTable(most: settings.mostRoutes, routeTime: settings.routeTime)
        inbox = Inbox(
            Inbox.Settings(
                answerTime: settings.answerTime, answerBytes: settings.answerBytes, sources: settings.mostSources))
        keepAliveAt = now + random.around(settings.keepAlive)
    }

    /// When the next `.tick` is due.
    package var deadline: Duration {
        var deadline = min(membership.deadline, gossip.deadline)
        // With nobody else there is nobody to keep alive, and no request of theirs to give up.
        if !membership.active.isEmpty || !asked.isEmpty { deadline = min(deadline, keepAliveAt) }
        if let detector { deadline = min(deadline, detector.deadline) }
        if let timer = timers.first { deadline = min(deadline, timer) }
        return deadline
    }

    /// Everybody whom this node knows to be there: neighbours, or all where there is a list.
    package var members: [NodeID] { detector?.living ?? membership.active.sorted() }

    /// A link to it is needed for longer than one message.
    package func isNeighbor(_ node: NodeID) -> Bool { membership.active.contains(node) }

    package func contact(of node: NodeID) -> MeshContact? { routes.contact(of: node) }

    /// Everybody this node has heard of, by id, and the neighbour behind which they are.
    package func knownRoutes(at now: Duration) -> [(contact: MeshContact, via: NodeID?)] { routes.all(at: now) }

    package func isBarred(_ node: NodeID, at now: Duration) -> Bool {
        misdeeds[node]?.barredUntil.map { $0 > now } ?? false
    }

    /// How a node can be reached, by hearsay.
    package mutating func learn(_ contact: MeshContact, at now: Duration) {
        if contact.id != own { routes.learn(contact, isProved: false, at: now) }
    }

    package mutating func handle(_ event: Event, at now: Duration, random: inout SeededRandom) -> [Action] {
        var actions: [Action] = []
        switch event {
        case .found(let node): member(.found(node), now, &random, &actions)
        case .linked(let node):
            if isBarred(node, at: now) { return [.drop(node, .barred)] }
            links.insert(node)
        case .unlinked(let node):
            links.remove(node)
            member(.lost(node), now, &random, &actions)
        case .unreachable(let node):
            routes.unreachable(node, at: now)
            member(.unreachable(node), now, &random, &actions)
            sendAgain(to: node, now, &random, &actions)
        case .received(let message, let node): receive(message, node, now, &random, &actions)
        case .congested(let node, let isCongested):
            spread(.congested(node, isCongested), now, &random, &actions)
        case .tick: tick(now, &random, &actions)
        }
        return actions
    }

    private mutating func receive(
        _ message: MeshMessage, _ node: NodeID, _ now: Duration, _ random: inout SeededRandom,
        _ actions: inout [Action]
    ) {
        guard node != own, !isBarred(node, at: now) else { return }
        if let index = heard.firstIndex(where: { $0.node == node }) { heard[index].at = now }
        switch message {
        case .hello(let contact): if contact.id == node { routes.learn(contact, isProved: true, at: now) }
        case .ping(let token): actions.append(.send(.pong(token), to: node))
        case .pong: break
        case .close: break  // The link ends next.
        case .member(let message): member(.message(message, from: node), now, &random, &actions)
        case .gossip(let message):
            guard isNeighbor(node) else { return member(.traffic(from: node), now, &random, &actions) }
            guard isAuthentic(message, node, now, &actions) else { return }
            spread(.message(message, from: node), now, &random, &actions, from: node)
        case .detector(let message): detect(.message(message, from: node), now, &random, &actions)
        case .packet(let packet): receive(packet, node, now, &random, &actions)
        }
    }

    // MARK: Parts

    mutating func member(
        _ event: Membership.Event, _ now: Duration, _ random: inout SeededRandom, _ actions: inout [Action]
    ) {
        for action in membership.handle(event, at: now, random: &random) {
            switch action {
            case .send(let message, let node): actions.append(.send(.member(message), to: node))
            case .up(let node):
                heard.append((node, now))
                actions.append(.tell(.neighborUp(node)))
                spread(.up(node), now, &random, &actions)
                if detector?.status(of: node) == nil { detect(.found(node), now, &random, &actions) }
            case .down(let node):
                heard.removeAll { $0.node == node }
                actions.append(.tell(.neighborDown(node)))
                spread(.down(node), now, &random, &actions)
            case .findNodes: actions.append(.findNodes)
            }
        }
    }

    /// `from` is the neighbour that a message has come from: behind it are those whose messages are new.
    mutating func spread(
        _ event: Gossip.Event, _ now: Duration, _ random: inout SeededRandom, _ actions: inout [Action],
        from neighbor: NodeID? = nil
    ) {
        take(gossip.handle(event, at: now, random: &random), from: neighbor, now, &random, &actions)
    }

    mutating func take(
        _ spread: [Gossip.Action], from neighbor: NodeID?, _ now: Duration, _ random: inout SeededRandom,
        _ actions: inout [Action]
    ) {
        for action in spread {
            switch action {
            case .send(let message, let node): actions.append(.send(.gossip(message), to: node))
            case .deliver(let id, let payload):
                if let neighbor { routes.learn(id.origin, epoch: id.epoch, via: neighbor, at: now) }
                open(payload, of: id, now, &random, &actions)
            case .gap(let origin, _, let sequences): actions.append(.tell(.missed(sequences.count, from: origin)))
            }
        }
    }

    private mutating func detect(
        _ event: FailureDetector.Event, _ now: Duration, _ random: inout SeededRandom, _ actions: inout [Action]
    ) {
        guard let changes = detector?.handle(event, at: now, random: &random) else { return }
        for action in changes {
            switch action {
            case .send(let message, let node): actions.append(.send(.detector(message), to: node))
            case .changed(let node, .alive): actions.append(.tell(.joined(node)))
            case .changed(let node, .dead): actions.append(.tell(.left(node)))
            case .changed(_, .suspect): break
            }
        }
    }

    // MARK: Time

    private mutating func tick(_ now: Duration, _ random: inout SeededRandom, _ actions: inout [Action]) {
        if membership.deadline <= now { member(.tick, now, &random, &actions) }
        if gossip.deadline <= now { spread(.tick, now, &random, &actions) }
        if let detector, detector.deadline <= now { detect(.tick, now, &random, &actions) }
        if keepAliveAt <= now {
            keepAliveAt = now + random.around(settings.keepAlive)
            keepAlive(now, &actions)
            abandonLate(now, &actions)
        }
        while let (sequence, at) = timers.popDue(now) {
            if outgoing[sequence]?.nextAt == at { retry(sequence, now, &random, &actions) }
        }
    }

    private mutating func keepAlive(_ now: Duration, _ actions: inout [Action]) {
        for (node, heardAt) in heard {
            let silence = now - heardAt
            if silence >= settings.keepAlive * settings.mostSilent {
                actions.append(.drop(node, .idle))
            } else if silence >= settings.keepAlive {
                actions.append(.send(.ping(0), to: node))
            }
        }
        if misdeeds.count > settings.mostRoutes { misdeeds = [:] }
    }
}
