public import OmniwayWire

/// A mesh of many nodes in one process, on virtual time: ten or ten thousand. Nothing waits, and the same seed gives
/// the same run, event by event; `trace` tells one from another.
///
/// ```swift
/// let mesh = SimulatedMesh(seed: 7)
/// mesh.answering = { node, request in request.method == "echo" ? .bytes(request.bytes) : .unknownMethod }
/// mesh.join(100)
/// mesh.run(for: .seconds(20))
/// mesh.crash(mesh.some(50))
/// mesh.broadcast(from: mesh.alive[0], Array("still here?".utf8))
/// mesh.run(for: .seconds(5))
/// ```
public final class SimulatedMesh {
    /// What the network does. Links are reliable as TCP is: loss and disorder are for what is sent over them to spread
    /// messages or to one node, never for what keeps the links.
    public struct Network: Sendable {
        /// Drawn once for each pair of nodes, so nothing overtakes anything between two.
        public var latency: ClosedRange<Duration> = .milliseconds(10)...(.milliseconds(50))
        public var loss = 0.0
        public var duplication = 0.0
        /// So much later, at most, for each message by itself: then they do overtake one another.
        public var disorder = Duration.zero
        /// Bytes a second of each direction between two nodes; nil for no limit.
        public var bandwidth: Double?
        public init() {}
    }

    public var network: Network {
        get { terms }
        set { terms = newValue }
    }
    /// Whether what one node sends does not reach another: partitions, of both directions or of one.
    public var blocks: ((_ from: Int, _ to: Int) -> Bool)? {
        get { blocking }
        set { blocking = newValue }
    }
    /// What is slow besides, or clogged.
    public var delays: ((_ from: Int, _ to: Int) -> Duration)? {
        get { delaying }
        set { delaying = newValue }
    }
    /// What nodes make of requests: the handler of the application.
    public var answering: (Int, MeshRequest) -> MeshReply = { _, _ in .unknownMethod }
    /// What nodes tell their application.
    public var told: (Int, MeshEvent) -> Void = { _, _ in }
    /// Whom nodes ask that have lost everybody.
    public var seeds: [Int] = [0, 1, 2]
    /// Before nodes join.
    package var settings: Overlay.Settings
    /// What a node is about to send is given to whoever watches, or forges.
    package var sending: ((Int, MeshMessage, NodeID) -> MeshMessage?)? {
        get { watching }
        set { watching = newValue }
    }

    public var now: Duration { clock }
    /// So many things have happened.
    public var events: Int { happened }
    /// A number for the whole run so far.
    public var trace: UInt64 { hash }
    public var traffic: Traffic { sent }
    public let seed: UInt64

    /// What went over the network.
    public struct Traffic: Equatable, Sendable {
        public var messages = 0
        /// Copies of messages to everybody, and their bytes.
        public var payloads = 0
        public var bytes = 0
        /// How far a copy has come.
        public var mostHops = 0
        /// Messages of the failure detector.
        public var probes = 0
    }

    // Stored apart from their public names: what only this module can reach is free of run-time exclusivity checks.
    private var terms = Network()
    private var blocking: ((_ from: Int, _ to: Int) -> Bool)?
    private var delaying: ((_ from: Int, _ to: Int) -> Duration)?
    private var watching: ((Int, MeshMessage, NodeID) -> MeshMessage?)?
    private var clock = Duration.zero
    private var happened = 0
    private var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    private var sent = Traffic()

    var nodes: [SimulatedNode] = []
    private var numbers: [NodeID: Int] = [:]
    private var queue = EventHeap<Happening>()
    private var random: SeededRandom
    private var freeAt: [UInt64: Duration] = [:]
    var waiting: [Ticket: (Result<[UInt8], MeshFailure>) -> Void] = [:]

    struct Ticket: Hashable {
        let node: Int
        let number: UInt64
    }
    private enum Happening: Sendable {
        case arrival(Int, from: Int, MeshMessage, epoch: UInt64)
        case tick(Int)
        case overlay(Int, Overlay.Event)
        case answer(Int, MeshRequest, epoch: UInt64)
    }

    public convenience init(seed: UInt64) { self.init(seed: seed, Self.unsigned) }

    package init(seed: UInt64, _ settings: Overlay.Settings) {
        (self.seed, self.settings) = (seed, settings)
        random = SeededRandom(seed: seed)
    }

    /// Signatures cost more than everything else, and prove nothing about an application.
    package static var unsigned: Overlay.Settings {
        var settings = Overlay.Settings()
        settings.signs = false
        return settings
    }

    // MARK: Nodes

    public var count: Int { nodes.count }
    /// Those that run, by their numbers.
    public var alive: [Int] { nodes.indices.filter { nodes[$0].isAlive } }
    public func isAlive(_ node: Int) -> Bool { nodes[node].isAlive }
    public func id(_ node: Int) -> NodeID { nodes[node].id }
    public func number(of id: NodeID) -> Int? { numbers[id] }
    public func neighbors(_ node: Int) -> [Int] { nodes[node].overlay.membership.active.compactMap { numbers[$0] } }
    /// Whom a node knows besides, to replace neighbours.
    public func acquaintances(_ node: Int) -> [Int] {
        nodes[node].overlay.membership.passive.compactMap { numbers[$0] }
    }
    public func members(_ node: Int) -> [NodeID] { nodes[node].overlay.members }
    package func node(_ number: Int) -> SimulatedNode { nodes[number] }

    /// So many of all nodes, by chance.
    public func some(_ count: Int) -> [Int] { Array(nodes.indices.shuffled(using: &random).prefix(count)) }
    public func one(of nodes: [Int]) -> Int? { nodes.randomElement(using: &random) }

    /// So many nodes, each of which knows one that was there before. They are called `node0`, `node1` and so on.
    public func join(_ count: Int, every pause: Duration = .milliseconds(20)) {
        for _ in 0..<count {
            let before = nodes.isEmpty ? nil : Int(random.next() % UInt64(nodes.count))
            add(contact: before)
            run(for: pause)
        }
    }

    /// One more, which knows that one.
    @discardableResult
    public func add(contact: Int?) -> Int {
        let index = nodes.count
        var own = SeededRandom(seed: seed &* 31 &+ UInt64(index))
        let secret = (0..<32).map { _ in UInt8(truncatingIfNeeded: own.next()) }
        let identity = settings.signs ? NodeIdentity(secret: secret) : nil
        guard let id = identity?.id ?? NodeID(secret) else { preconditionFailure("32 bytes are an id") }
        numbers[id] = index
        nodes.append(SimulatedNode(id, identity: identity, name: "node\(index)", settings, at: now, random: own))
        if let contact { happen(index, .found(nodes[contact].id)) }
        schedule(nodes[index], index)
        return index
    }

    /// At once and without a word. Neighbours find out when they ping.
    public func crash(_ nodes: [Int]) { for node in nodes { self.nodes[node].isAlive = false } }

    /// Properly: its links end, and neighbours know at once.
    public func leave(_ node: Int) {
        nodes[node].isAlive = false
        for neighbor in neighbors(node) where blocking?(node, neighbor) != true { end(node, neighbor) }
    }

    /// A node that has crashed runs again, and remembers nothing but who it is.
    public func restart(_ node: Int, contact: Int) {
        guard !nodes[node].isAlive else { return }
        nodes[node].restart(settings, at: now)
        happen(node, .found(nodes[contact].id))
        schedule(nodes[node], node)
    }

    /// It stands still, and then finds everything that came meanwhile.
    public func pause(_ node: Int, for time: Duration) { nodes[node].pausedUntil = (clock + time).roundedUp }

    // MARK: Running

    public func run(for time: Duration) {
        let end = clock + time
        let last = end.nanoseconds
        while let (at, happening) = queue.pop(upTo: last) { happen(happening, at) }
        clock = end
    }

    /// Runs until something holds; false when it does not within the time.
    public func run(until limit: Duration, _ condition: () -> Bool) -> Bool {
        let end = clock + limit
        let last = end.nanoseconds
        while !condition() {
            guard let (at, happening) = queue.pop(upTo: last) else {
                clock = end
                return condition()
            }
            happen(happening, at)
        }
        return true
    }

    private func happen(_ happening: Happening, _ at: Int64) {
        clock = .nanoseconds(at)
        happened += 1
        switch happening {
        case .arrival(let index, let sender, let message, let epoch):
            let node = nodes[index]
            guard node.isAlive, node.starts == epoch else { return end(index, sender) }
            guard isAwake(node, happening) else { return }
            hash = (hash ^ (UInt64(index) << 32 | UInt64(sender)) ^ UInt64(bitPattern: at)) &* 0x1000_0000_01b3
            happen(index, .received(message, from: nodes[sender].id))
        case .tick(let index):
            let node = nodes[index]
            guard node.isAlive, node.tickAt == clock else { return }
            node.tickAt = .never
            guard clock >= node.pausedUntil else {
                node.tickAt = node.pausedUntil
                return insert(.tick(index), at: node.pausedUntil)
            }
            happen(index, .tick)
        case .overlay(let index, let event):
            if nodes[index].isAlive, isAwake(nodes[index], happening) { happen(index, event) }
        case .answer(let index, let request, let epoch):
            guard nodes[index].isAlive, nodes[index].starts == epoch else { return }
            answer(request, at: index, with: answering(index, request))
        }
    }

    private func insert(_ happening: Happening, at time: Duration) { queue.insert(happening, at: time.nanoseconds) }

    private func isAwake(_ node: SimulatedNode, _ happening: Happening) -> Bool {
        if clock >= node.pausedUntil { return true }
        insert(happening, at: node.pausedUntil)
        return false
    }

    /// The other one hears of it after the way there.
    private func end(_ node: Int, _ other: Int) {
        insert(.overlay(other, .unlinked(nodes[node].id)), at: clock + latency(node, other))
    }

    package func happen(_ index: Int, _ event: Overlay.Event) {
        let node = nodes[index]
        perform(node.overlay.handle(event, at: clock, random: &node.random), of: index)
        schedule(node, index)
    }

    func perform(_ actions: [Overlay.Action], of node: Int) {
        for action in actions {
            switch action {
            case .send(let message, let other):
                if let message = watching?(node, message, other) ?? (watching == nil ? message : nil) {
                    send(message, from: node, to: other)
                }
            case .drop(let other, _):
                happen(node, .unlinked(other))
                if let index = numbers[other], blocking?(node, index) != true { end(node, index) }
            case .tell(let event): told(node, event)
            case .ask(let request): insert(.answer(node, request, epoch: nodes[node].starts), at: clock)
            case .finished(let number, let result):
                waiting.removeValue(forKey: Ticket(node: node, number: number))?(result)
            case .findNodes: for seed in seeds where seed != node && seed < count { dial(seed, from: node) }
            }
        }
    }

    /// A handshake with it, if it is there, takes the way there and back.
    private func dial(_ seed: Int, from node: Int) {
        guard isAlive(seed), blocking?(node, seed) != true, blocking?(seed, node) != true else { return }
        insert(.overlay(node, .found(nodes[seed].id)), at: clock + latency(node, seed) * 2)
    }

    private func send(_ message: MeshMessage, from node: Int, to other: NodeID) {
        guard let index = numbers[other] else { return }
        count(message)
        if blocking?(node, index) == true { return }
        var arrival = clock + latency(node, index)
        if let delaying { arrival += delaying(node, index) }
        var copies = 1
        switch message {
        case .gossip, .packet, .detector:
            if terms.loss > 0, random.fraction() < terms.loss { return }
            if terms.duplication > 0, random.fraction() < terms.duplication { copies = 2 }
            if terms.disorder > .zero { arrival += terms.disorder * random.fraction() }
        case .hello, .ping, .pong, .close, .member: break
        }
        if let bandwidth = terms.bandwidth {
            let link = UInt64(node) << 32 | UInt64(index)
            let start = max(freeAt[link] ?? clock, clock)
            let over = start + .seconds(Double(message.size) / bandwidth)
            freeAt[link] = over
            arrival += over - clock
        }
        for _ in 0..<copies {
            insert(.arrival(index, from: node, message, epoch: nodes[index].starts), at: arrival)
        }
    }

    private func count(_ message: MeshMessage) {
        sent.messages += 1
        switch message {
        case .gossip(.payload(_, let hops, let payload)), .gossip(.repair(_, let hops, let payload)):
            sent.payloads += 1
            sent.bytes += payload.count
            sent.mostHops = max(sent.mostHops, Int(hops))
        case .detector: sent.probes += 1
        default: break
        }
    }

    public func resetTraffic() { sent = Traffic() }

    /// The same each time between the same two.
    package func latency(_ a: Int, _ b: Int) -> Duration {
        let range = terms.latency
        if range.lowerBound == range.upperBound { return range.lowerBound }
        var hash = SeededRandom(seed: seed ^ UInt64(min(a, b)) << 32 ^ UInt64(max(a, b)))
        return range.lowerBound + (range.upperBound - range.lowerBound) * hash.fraction()
    }

    func schedule(_ node: SimulatedNode, _ index: Int) {
        let deadline = max(clock, node.overlay.deadline)
        if node.tickAt <= deadline { return }
        // Time passes in whole nanoseconds here, and nothing is due before its time.
        let tickAt = deadline.roundedUp
        if node.tickAt == tickAt { return }
        node.tickAt = tickAt
        insert(.tick(index), at: tickAt)
    }
}
