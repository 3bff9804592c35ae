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

    public var network = Network()
    /// Whether what one node sends does not reach another: partitions, of both directions or of one.
    public var blocks: ((_ from: Int, _ to: Int) -> Bool)?
    /// What is slow besides, or clogged.
    public var delays: ((_ from: Int, _ to: Int) -> Duration)?
    /// What nodes make of requests: the handler of the application.
    public var answering: (Int, MeshRequest) -> MeshReply = { _, _ in .unknownMethod }
    /// What nodes tell their application.
    public var told: (Int, MeshEvent) -> Void = { _, _ in }
    /// Whom nodes ask that have lost everybody.
    public var seeds: [Int] = [0, 1, 2]
    /// Before nodes join.
    package var settings: Overlay.Settings
    /// What a node is about to send is given to whoever watches, or forges.
    package var sending: ((Int, MeshMessage, NodeID) -> MeshMessage?)?

    public private(set) var now = Duration.zero
    /// So many things have happened.
    public private(set) var events = 0
    /// A number for the whole run so far.
    public private(set) var trace: UInt64 = 0xcbf2_9ce4_8422_2325
    public private(set) var traffic = Traffic()
    /// A message to everybody that was delivered twice to somebody.
    public private(set) var repeated = 0
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

    var overlays: [Overlay] = []
    var randoms: [SeededRandom] = []
    private var states: [State] = []
    private var indexOf: [NodeID: Int] = [:]
    private var queue = EventHeap<Happening>()
    private var random: SeededRandom
    private var freeAt: [UInt64: Duration] = [:]
    var waiting: [Ticket: (Result<[UInt8], MeshFailure>) -> Void] = [:]

    private struct State {
        var identity: NodeIdentity?
        var isAlive = true
        var pausedUntil = Duration.zero
        var tickAt: Duration?
        /// How often it was started.
        var starts: UInt64 = 1
    }
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

    public var count: Int { overlays.count }
    /// Those that run, by their numbers.
    public var alive: [Int] { states.indices.filter { states[$0].isAlive } }
    public func isAlive(_ node: Int) -> Bool { states[node].isAlive }
    public func id(_ node: Int) -> NodeID { overlays[node].own }
    public func number(of id: NodeID) -> Int? { indexOf[id] }
    public func neighbors(_ node: Int) -> [Int] { overlays[node].membership.active.compactMap { indexOf[$0] } }
    /// Whom a node knows besides, to replace neighbours.
    public func acquaintances(_ node: Int) -> [Int] { overlays[node].membership.passive.compactMap { indexOf[$0] } }
    public func members(_ node: Int) -> [NodeID] { overlays[node].members }
    package func overlay(_ node: Int) -> Overlay { overlays[node] }

    /// So many of all nodes, by chance.
    public func some(_ count: Int) -> [Int] { Array(overlays.indices.shuffled(using: &random).prefix(count)) }
    public func one(of nodes: [Int]) -> Int? { nodes.randomElement(using: &random) }

    /// So many nodes, each of which knows one that was there before. They are called `node0`, `node1` and so on.
    public func join(_ count: Int, every pause: Duration = .milliseconds(20)) {
        for _ in 0..<count {
            let before = overlays.isEmpty ? nil : Int(random.next() % UInt64(overlays.count))
            add(contact: before)
            run(for: pause)
        }
    }

    /// One more, which knows that one.
    @discardableResult
    public func add(contact: Int?) -> Int {
        let index = overlays.count
        var own = SeededRandom(seed: seed &* 31 &+ UInt64(index))
        let secret = (0..<32).map { _ in UInt8(truncatingIfNeeded: own.next()) }
        let identity = settings.signs ? NodeIdentity(secret: secret) : nil
        guard let id = identity?.id ?? NodeID(secret) else { preconditionFailure("32 bytes are an id") }
        states.append(State(identity: identity))
        randoms.append(own)
        indexOf[id] = index
        overlays.append(start(index, id))
        if let contact { happen(index, .found(overlays[contact].own)) }
        schedule(index)
        return index
    }

    private func start(_ index: Int, _ id: NodeID) -> Overlay {
        let contact = MeshContact(id, name: "node\(index)", epoch: states[index].starts)
        return Overlay(contact, identity: states[index].identity, settings, at: now, random: &randoms[index])
    }

    /// At once and without a word. Neighbours find out when they ping.
    public func crash(_ nodes: [Int]) { for node in nodes { states[node].isAlive = false } }

    /// Properly: its links end, and neighbours know at once.
    public func leave(_ node: Int) {
        states[node].isAlive = false
        for neighbor in neighbors(node) where blocks?(node, neighbor) != true {
            queue.insert(.overlay(neighbor, .unlinked(overlays[node].own)), at: now + latency(node, neighbor))
        }
    }

    /// A node that has crashed runs again, and remembers nothing but who it is.
    public func restart(_ node: Int, contact: Int) {
        guard !states[node].isAlive else { return }
        states[node].isAlive = true
        states[node].starts += 1
        states[node].tickAt = nil
        overlays[node] = start(node, overlays[node].own)
        happen(node, .found(overlays[contact].own))
        schedule(node)
    }

    /// It stands still, and then finds everything that came meanwhile.
    public func pause(_ node: Int, for time: Duration) { states[node].pausedUntil = (now + time).roundedUp }

    // MARK: Running

    public func run(for time: Duration) {
        let end = now + time
        while let (at, happening) = queue.pop(upTo: end) {
            now = at
            events += 1
            happen(happening)
        }
        now = end
    }

    /// Runs until something holds; false when it does not within the time.
    public func run(until limit: Duration, _ condition: () -> Bool) -> Bool {
        let end = now + limit
        while !condition() {
            guard let (at, happening) = queue.pop(upTo: end) else {
                now = end
                return condition()
            }
            now = at
            events += 1
            happen(happening)
        }
        return true
    }

    private func happen(_ happening: Happening) {
        switch happening {
        case .arrival(let node, let sender, let message, let epoch):
            guard states[node].isAlive, states[node].starts == epoch else {
                // The sender hears of it after another way back.
                return queue.insert(
                    .overlay(sender, .unlinked(overlays[node].own)), at: now + latency(node, sender))
            }
            guard isAwake(node, happening) else { return }
            note(UInt64(node) << 32 | UInt64(sender))
            happen(node, .received(message, from: overlays[sender].own))
        case .tick(let node):
            guard states[node].isAlive, states[node].tickAt == now else { return }
            states[node].tickAt = nil
            guard now >= states[node].pausedUntil else {
                states[node].tickAt = states[node].pausedUntil
                return queue.insert(.tick(node), at: states[node].pausedUntil)
            }
            happen(node, .tick)
        case .overlay(let node, let event):
            if states[node].isAlive, isAwake(node, happening) { happen(node, event) }
        case .answer(let node, let request, let epoch):
            guard states[node].isAlive, states[node].starts == epoch else { return }
            let reply = answering(node, request)
            perform(overlays[node].answered(request.number, reply, at: now), of: node)
            schedule(node)
        }
    }

    private func isAwake(_ node: Int, _ happening: Happening) -> Bool {
        if now >= states[node].pausedUntil { return true }
        queue.insert(happening, at: states[node].pausedUntil)
        return false
    }

    private func note(_ word: UInt64) {
        let (seconds, attoseconds) = now.components
        let time = UInt64(truncatingIfNeeded: seconds &* 1_000_000_000 &+ attoseconds / 1_000_000_000)
        trace = (trace ^ word ^ time) &* 0x1000_0000_01b3
    }

    package func happen(_ node: Int, _ event: Overlay.Event) {
        perform(overlays[node].handle(event, at: now, random: &randoms[node]), of: node)
        schedule(node)
    }

    func perform(_ actions: [Overlay.Action], of node: Int) {
        for action in actions {
            switch action {
            case .send(let message, let other):
                if let message = sending?(node, message, other) ?? (sending == nil ? message : nil) {
                    send(message, from: node, to: other)
                }
            case .drop(let other, _):
                happen(node, .unlinked(other))
                if let index = indexOf[other], blocks?(node, index) != true {
                    queue.insert(.overlay(index, .unlinked(overlays[node].own)), at: now + latency(node, index))
                }
            case .tell(let event): told(node, event)
            case .ask(let request):
                queue.insert(.answer(node, request, epoch: states[node].starts), at: now)
            case .finished(let number, let result):
                waiting.removeValue(forKey: Ticket(node: node, number: number))?(result)
            case .findNodes:
                if let seed = seeds.filter({ $0 != node && $0 < count }).randomElement(using: &random) {
                    queue.insert(.overlay(node, .found(overlays[seed].own)), at: now + .milliseconds(1))
                }
            }
        }
    }

    private func send(_ message: MeshMessage, from node: Int, to other: NodeID) {
        guard let index = indexOf[other] else { return }
        count(message)
        if blocks?(node, index) == true { return }
        var arrival = now + latency(node, index)
        if let delays { arrival += delays(node, index) }
        var copies = 1
        switch message {
        case .gossip, .packet, .detector:
            if network.loss > 0, random.fraction() < network.loss { return }
            if network.duplication > 0, random.fraction() < network.duplication { copies = 2 }
            if network.disorder > .zero { arrival += network.disorder * random.fraction() }
        case .hello, .ping, .pong, .close, .member: break
        }
        if let bandwidth = network.bandwidth {
            let link = UInt64(node) << 32 | UInt64(index)
            let start = max(freeAt[link] ?? now, now)
            let sent = start + .seconds(Double(message.size) / bandwidth)
            freeAt[link] = sent
            arrival += sent - now
        }
        for _ in 0..<copies {
            queue.insert(.arrival(index, from: node, message, epoch: states[index].starts), at: arrival)
        }
    }

    private func count(_ message: MeshMessage) {
        traffic.messages += 1
        switch message {
        case .gossip(.payload(_, let hops, let payload)), .gossip(.repair(_, let hops, let payload)):
            traffic.payloads += 1
            traffic.bytes += payload.count
            traffic.mostHops = max(traffic.mostHops, Int(hops))
        case .detector: traffic.probes += 1
        default: break
        }
    }

    public func resetTraffic() { traffic = Traffic() }

    /// The same each time between the same two.
    package func latency(_ a: Int, _ b: Int) -> Duration {
        let range = network.latency
        if range.lowerBound == range.upperBound { return range.lowerBound }
        var hash = SeededRandom(seed: seed ^ UInt64(min(a, b)) << 32 ^ UInt64(max(a, b)))
        return range.lowerBound + (range.upperBound - range.lowerBound) * hash.fraction()
    }

    func schedule(_ node: Int) {
        // Time passes in whole nanoseconds here, and nothing is due before its time.
        let deadline = max(now, overlays[node].deadline).roundedUp
        if let tickAt = states[node].tickAt, tickAt <= deadline { return }
        states[node].tickAt = deadline
        queue.insert(.tick(node), at: deadline)
    }
}
