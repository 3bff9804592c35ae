import Testing

@testable import OmniwayWire

/// Nodes in one process on virtual time, with links of 10 to 50 ms. The same seed gives the same run.
final class MeshSimulator {
    enum Packet: Sendable { case member(Membership.Message), gossip(GossipMessage) }
    private enum Happening: Sendable {
        case arrival(Int, from: Int, Packet)
        case tick(Int)
        case lost(Int, NodeID)
        case unreachable(Int, NodeID)
    }

    struct Node {
        let id: NodeID
        var membership: Membership
        var gossip: Gossip
        var isAlive = true
        var tickAt: Duration?
        /// When each message was delivered.
        var delivered: [GossipID: Duration] = [:]
        var gaps = 0
    }

    private(set) var nodes: [Node] = []
    private var randoms: [MeshRandom] = []
    private var indexOf: [NodeID: Int] = [:]
    private var queue = DeadlineQueue<Happening>()
    private(set) var now = Duration.zero
    private var random: MeshRandom
    private let seed: UInt64
    private(set) var events = 0
    /// Tells one run from another.
    private(set) var trace: UInt64 = 0xcbf2_9ce4_8422_2325
    /// How often a payload is lost on its way.
    var loss = 0.0
    private(set) var payloads = 0
    private(set) var mostHops: UInt8 = 0
    /// A message that was delivered twice somewhere.
    private(set) var repeated = 0

    init(seed: UInt64) {
        self.seed = seed
        random = MeshRandom(seed: seed)
    }

    // MARK: Nodes

    func add(
        contact: Int?, _ settings: Membership.Settings = Membership.Settings(),
        gossip: Gossip.Settings = Gossip.Settings()
    ) {
        let index = nodes.count
        var own = MeshRandom(seed: seed &* 31 &+ UInt64(index))
        let words = (0..<32).map { _ in UInt8(truncatingIfNeeded: own.next()) }
        let id = NodeID(words)!
        let membership = Membership(id, settings, at: now, random: &own)
        let spread = Gossip(id, epoch: 1, gossip, at: now, random: &own)
        nodes.append(Node(id: id, membership: membership, gossip: spread))
        randoms.append(own)
        indexOf[id] = index
        if let contact { handle(index, .found(nodes[contact].id)) }
        schedule(index)
    }

    /// So many, each of which knows one that was there before it.
    func join(_ count: Int, gossip: Gossip.Settings = Gossip.Settings()) {
        for index in 0..<count {
            add(contact: index == 0 ? nil : Int(random.next() % UInt64(index)), gossip: gossip)
            run(for: .milliseconds(20))
        }
    }

    /// At once and without a word. Neighbours find out when they ping, within a second.
    func kill(_ victims: [Int]) {
        for victim in victims { nodes[victim].isAlive = false }
        for index in nodes.indices where nodes[index].isAlive {
            for neighbor in nodes[index].membership.active where !isAlive(neighbor) {
                let wait = Duration.milliseconds(Int64(random.next() % 1000)) + latency(index, indexOf[neighbor]!) * 2
                queue.insert(.lost(index, neighbor), at: now + wait)
            }
        }
    }

    var alive: [Int] { nodes.indices.filter { nodes[$0].isAlive } }
    private func isAlive(_ id: NodeID) -> Bool { indexOf[id].map { nodes[$0].isAlive } ?? false }

    func broadcast(_ index: Int, _ payload: [UInt8] = [1]) -> GossipID {
        let (id, actions) = nodes[index].gossip.broadcast(payload, at: now)!
        nodes[index].delivered[id] = now
        perform(actions, of: index)
        schedule(index)
        return id
    }

    func congest(_ index: Int, _ isCongested: Bool) {
        for neighbor in nodes[index].membership.active {
            perform(
                nodes[index].gossip.handle(.congested(neighbor, isCongested), at: now, random: &randoms[index]),
                of: index)
        }
    }

    // MARK: Running

    func run(for time: Duration) {
        let end = now + time
        while let next = queue.first, next <= end {
            now = next
            guard let (happening, _) = queue.popDue(now) else { break }
            events += 1
            happen(happening)
        }
        now = end
    }

    private func happen(_ happening: Happening) {
        switch happening {
        case .arrival(let index, let sender, let packet):
            guard nodes[index].isAlive else {
                // The sender hears of it after another way back.
                let gone = nodes[index].id
                return queue.insert(.unreachable(sender, gone), at: now + latency(index, sender))
            }
            note(UInt64(index) << 32 | UInt64(sender))
            let from = nodes[sender].id
            switch packet {
            case .member(let message): handle(index, .message(message, from: from))
            case .gossip(let message):
                if nodes[index].membership.active.contains(from) {
                    spread(index, .message(message, from: from))
                } else {
                    handle(index, .traffic(from: from))
                }
            }
        case .tick(let index):
            guard nodes[index].isAlive, nodes[index].tickAt == now else { return }
            nodes[index].tickAt = nil
            if nodes[index].membership.deadline <= now { handle(index, .tick) }
            if nodes[index].gossip.deadline <= now { spread(index, .tick) }
            schedule(index)
        case .lost(let index, let node), .unreachable(let index, let node):
            if nodes[index].isAlive { handle(index, .lost(node)) }
        }
    }

    private func note(_ word: UInt64) { trace = (trace ^ word ^ UInt64(now / .microseconds(1))) &* 0x1000_0000_01b3 }

    private func handle(_ index: Int, _ event: Membership.Event) {
        let actions = nodes[index].membership.handle(event, at: now, random: &randoms[index])
        for action in actions {
            switch action {
            case .send(let message, let node): send(.member(message), index, node)
            case .up(let node): spread(index, .up(node))
            case .down(let node): spread(index, .down(node))
            case .findNodes: break
            }
        }
        check(index)
        schedule(index)
    }

    private func spread(_ index: Int, _ event: Gossip.Event) {
        perform(nodes[index].gossip.handle(event, at: now, random: &randoms[index]), of: index)
        schedule(index)
    }

    private func perform(_ actions: [Gossip.Action], of index: Int) {
        for action in actions {
            switch action {
            case .send(let message, let node): send(.gossip(message), index, node)
            case .deliver(let id, _):
                if nodes[index].delivered.updateValue(now, forKey: id) != nil { repeated += 1 }
            case .gap(_, _, let sequences): nodes[index].gaps += sequences.count
            }
        }
    }

    private func send(_ packet: Packet, _ index: Int, _ node: NodeID) {
        guard let other = indexOf[node] else { return }
        if case .gossip(let message) = packet, let hops = message.hops {
            payloads += 1
            mostHops = max(mostHops, hops)
            if loss > 0, Double(random.next() >> 11) / Double(1 << 53) < loss { return }
        }
        queue.insert(.arrival(other, from: index, packet), at: now + latency(index, other))
    }

    /// The same each time between the same two, so nothing overtakes anything on a link.
    private func latency(_ a: Int, _ b: Int) -> Duration {
        var hash = MeshRandom(seed: seed ^ UInt64(min(a, b)) << 32 ^ UInt64(max(a, b)))
        return .microseconds(10_000 + Int64(hash.next() % 40_000))
    }

    private func schedule(_ index: Int) {
        let deadline = max(now, min(nodes[index].membership.deadline, nodes[index].gossip.deadline))
        if let tickAt = nodes[index].tickAt, tickAt <= deadline { return }
        nodes[index].tickAt = deadline
        queue.insert(.tick(index), at: deadline)
    }

    func resetCounts() { (payloads, mostHops) = (0, 0) }

    // MARK: What must hold

    private func check(_ index: Int) {
        let membership = nodes[index].membership
        guard
            membership.active.count > 6 || membership.passive.count > 30 || membership.active.contains(nodes[index].id)
                || membership.passive.contains(nodes[index].id)
                || Set(membership.active).count != membership.active.count
                || !Set(membership.active).isDisjoint(with: membership.passive)
        else { return }
        Issue.record("views of node \(index) at \(now), seed \(seed)")
    }

    /// Links that only one of the two has.
    var asymmetric: Int {
        alive.reduce(0) { count, index in
            count
                + nodes[index].membership.active.count { neighbor in
                    guard let other = indexOf[neighbor], nodes[other].isAlive else { return true }
                    return !nodes[other].membership.active.contains(nodes[index].id)
                }
        }
    }

    /// How many of those alive are reached from the first of them.
    var reachable: Int {
        guard let first = alive.first else { return 0 }
        var seen: Set<Int> = [first]
        var front = [first]
        while let index = front.popLast() {
            for neighbor in nodes[index].membership.active {
                if let other = indexOf[neighbor], nodes[other].isAlive, seen.insert(other).inserted {
                    front.append(other)
                }
            }
        }
        return seen.count
    }

    /// The share of those alive that have a message.
    func coverage(of id: GossipID) -> Double {
        Double(alive.count { nodes[$0].delivered[id] != nil }) / Double(alive.count)
    }

    func some(_ count: Int) -> [Int] { Array(nodes.indices.shuffled(using: &random).prefix(count)) }
}

extension GossipMessage {
    /// How far a payload has come.
    fileprivate var hops: UInt8? {
        switch self {
        case .payload(_, let hops, _), .repair(_, let hops, _): hops
        case .have, .graft, .prune, .digest, .gone: nil
        }
    }
}
