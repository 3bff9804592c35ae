import Testing

@testable import OmniwayWire

/// Nodes that know everybody, on virtual time.
private final class DetectorWorld {
    private enum Happening: Sendable {
        case arrival(Int, from: Int, FailureDetector.Message)
        case tick(Int)
    }

    struct Node {
        let id: NodeID
        var detector: FailureDetector
        var isAlive = true
        /// It hears and does nothing until then.
        var sleepsUntil = Duration.zero
        var tickAt: Duration?
        var sent = 0
    }

    private(set) var nodes: [Node] = []
    private var randoms: [SeededRandom] = []
    private var indexOf: [NodeID: Int] = [:]
    private var queue = DeadlineQueue<Happening>()
    private(set) var now = Duration.zero
    private var random: SeededRandom
    /// When each node first said this of another.
    private(set) var firstSaid: [NodeID: [FailureDetector.Status: Duration]] = [:]
    var loss = 0.0

    init(_ count: Int, seed: UInt64, _ settings: FailureDetector.Settings = FailureDetector.Settings()) {
        random = SeededRandom(seed: seed)
        for index in 0..<count {
            var own = SeededRandom(seed: seed &* 131 &+ UInt64(index))
            let id = NodeID((0..<32).map { _ in UInt8(truncatingIfNeeded: own.next()) })!
            let detector = FailureDetector(id, settings, at: now, random: &own)
            nodes.append(Node(id: id, detector: detector))
            randoms.append(own)
            indexOf[id] = index
            if index > 0 { handle(index, .found(nodes[Int(random.next() % UInt64(index))].id)) }
            schedule(index)
            run(for: .milliseconds(50))
        }
    }

    func kill(_ index: Int) { nodes[index].isAlive = false }
    func pause(_ index: Int, for time: Duration) { nodes[index].sleepsUntil = now + time }
    func resetCounts() {
        for index in nodes.indices { nodes[index].sent = 0 }
        firstSaid = [:]
    }

    func run(for time: Duration) {
        let end = now + time
        while let next = queue.first, next <= end {
            now = next
            guard let (happening, _) = queue.popDue(now) else { break }
            switch happening {
            case .arrival(let index, let sender, let message):
                guard nodes[index].isAlive else { continue }
                if nodes[index].sleepsUntil > now {
                    queue.insert(happening, at: nodes[index].sleepsUntil)
                } else {
                    handle(index, .message(message, from: nodes[sender].id))
                }
            case .tick(let index):
                guard nodes[index].isAlive, nodes[index].tickAt == now else { continue }
                if nodes[index].sleepsUntil > now {
                    nodes[index].tickAt = nodes[index].sleepsUntil
                    queue.insert(happening, at: nodes[index].sleepsUntil)
                } else {
                    nodes[index].tickAt = nil
                    handle(index, .tick)
                }
            }
        }
        now = end
    }

    private func handle(_ index: Int, _ event: FailureDetector.Event) {
        for action in nodes[index].detector.handle(event, at: now, random: &randoms[index]) {
            switch action {
            case .send(let message, let node):
                nodes[index].sent += 1
                guard let other = indexOf[node], Double(random.next() % 10_000) >= loss * 10_000 else { continue }
                let delay = Duration.microseconds(5_000 + Int64(random.next() % 20_000))
                queue.insert(.arrival(other, from: index, message), at: now + delay)
            case .changed(let node, let status):
                if firstSaid[node, default: [:]][status] == nil { firstSaid[node, default: [:]][status] = now }
            }
        }
        schedule(index)
    }

    private func schedule(_ index: Int) {
        let deadline = max(now, nodes[index].detector.deadline)
        if let tickAt = nodes[index].tickAt, tickAt <= deadline { return }
        nodes[index].tickAt = deadline
        queue.insert(.tick(index), at: deadline)
    }

    /// How many of those alive say this of a node.
    func count(_ index: Int, is status: FailureDetector.Status?) -> Int {
        nodes.filter { $0.isAlive && $0.id != nodes[index].id }
            .count { $0.detector.status(of: nodes[index].id) == status }
    }
}

@Suite(.timeLimit(.minutes(5))) struct FailureDetectorTests {
    @Test func `everybody who comes by somebody is known to everybody, and nobody is doubted`() {
        let world = DetectorWorld(60, seed: 1)
        world.run(for: .seconds(60))
        #expect(world.nodes.allSatisfy { $0.detector.living.count == 59 })
        #expect(world.firstSaid.values.allSatisfy { $0[.suspect] == nil && $0[.dead] == nil })
        #expect(world.nodes.allSatisfy { $0.detector.unhealthiness == 0 })
    }

    @Test(arguments: [(10, 2), (40, 3), (80, 4)] as [(Int, UInt64)])
    func `E10 a crash is suspected within a few probes, and known to all when the suspicion ends`(
        _ count: Int, _ seed: UInt64
    ) throws {
        let world = DetectorWorld(count, seed: seed)
        world.run(for: .seconds(20))
        world.resetCounts()
        let crash = world.now
        world.kill(3)
        world.run(for: .seconds(40))
        let said = try #require(world.firstSaid[world.nodes[3].id])
        #expect(try #require(said[.suspect]) - crash <= .seconds(6))
        #expect(try #require(said[.dead]) - crash <= .seconds(24))
        #expect(world.count(3, is: .dead) + world.count(3, is: nil) == count - 1)
        #expect(world.firstSaid.count == 1, "nobody else is doubted")
        let perSecond = world.nodes.map { Double($0.sent) / 40 }.reduce(0, +) / Double(count)
        #expect(perSecond <= 6, "\(perSecond) messages a second, however many nodes there are")
    }

    @Test(arguments: 5...8 as ClosedRange<UInt64>)
    func `E9 a node that stands still for a while objects, and takes nobody else for dead`(_ seed: UInt64) {
        let world = DetectorWorld(40, seed: seed)
        world.run(for: .seconds(20))
        world.resetCounts()
        world.pause(5, for: .seconds(5))
        world.run(for: .seconds(60))
        #expect(world.firstSaid.values.allSatisfy { $0[.dead] == nil }, "seed \(seed)")
        #expect(world.count(5, is: .alive) == 39, "seed \(seed)")
        #expect(world.nodes[5].detector.incarnation > 0, "seed \(seed)")
    }

    /// One of forty was, in two minutes: there is no second way to ask, as a stream would be.
    @Test func `with a tenth of all messages lost hardly anybody is taken for dead, and who was comes back`() {
        let world = DetectorWorld(40, seed: 9)
        world.run(for: .seconds(10))
        world.resetCounts()
        world.loss = 0.1
        world.run(for: .seconds(120))
        #expect(world.firstSaid.values.count { $0[.dead] != nil } <= 2)
        world.loss = 0
        world.run(for: .seconds(60))
        #expect(world.nodes.allSatisfy { $0.detector.living.count == 39 })
    }

    @Test func `the same seed gives the same run`() {
        func run(_ seed: UInt64) -> [Int] {
            let world = DetectorWorld(20, seed: seed)
            world.run(for: .seconds(20))
            return world.nodes.map(\.sent)
        }
        #expect(run(1) == run(1))
        #expect(run(1) != run(2))
    }

    private let own = NodeID([UInt8](repeating: 1, count: 32))!
    private let other = NodeID([UInt8](repeating: 2, count: 32))!
    private let third = NodeID([UInt8](repeating: 3, count: 32))!

    private func update(_ node: NodeID, _ incarnation: UInt64, _ status: FailureDetector.Status)
        -> FailureDetector.Update
    {
        FailureDetector.Update(node: node, incarnation: incarnation, status: status, accuser: third)
    }

    @Test(
        arguments: [
            (0, .suspect, .suspect), (0, .dead, .dead), (1, .alive, .alive), (1, .suspect, .suspect),
        ] as [(UInt64, FailureDetector.Status, FailureDetector.Status)])
    func `newer news wins, and bad news of the same age does`(
        _ incarnation: UInt64, _ status: FailureDetector.Status, _ expected: FailureDetector.Status
    ) {
        var random = SeededRandom(seed: 1)
        var detector = FailureDetector(own, at: .zero, random: &random)
        _ = detector.handle(.message(.news([update(other, 0, .alive)]), from: third), at: .zero, random: &random)
        _ = detector.handle(
            .message(.news([update(other, incarnation, status)]), from: third), at: .zero, random: &random)
        #expect(detector.status(of: other) == expected)
        // What is dead stays so, whatever older news there are.
        _ = detector.handle(.message(.news([update(other, 5, .dead)]), from: third), at: .zero, random: &random)
        for old in [update(other, 5, .alive), update(other, 5, .suspect), update(other, 4, .alive)] {
            _ = detector.handle(.message(.news([old]), from: third), at: .zero, random: &random)
            #expect(detector.status(of: other) == .dead)
        }
        _ = detector.handle(.message(.news([update(other, 6, .alive)]), from: third), at: .zero, random: &random)
        #expect(detector.status(of: other) == .alive)
    }

    @Test func `who is doubted says that it lives, with a higher incarnation`() {
        var random = SeededRandom(seed: 1)
        var detector = FailureDetector(own, at: .zero, random: &random)
        _ = detector.handle(.message(.news([update(other, 0, .alive)]), from: third), at: .zero, random: &random)
        let actions = detector.handle(
            .message(.ping(7, [update(own, 4, .suspect)]), from: other), at: .zero, random: &random)
        #expect(detector.incarnation == 5)
        #expect(detector.unhealthiness == 1)
        guard case .send(.ack(7, let news), let node)? = actions.last else {
            Issue.record("no ack")
            return
        }
        #expect(node == other)
        #expect(news.contains { $0.node == own && $0.incarnation == 5 && $0.status == .alive })
    }

    @Test func `a peer cannot fill the table, nor the relays`() {
        var random = SeededRandom(seed: 1)
        var detector = FailureDetector(own, at: .zero, random: &random)
        for batch in 0..<200 {
            let updates = (0..<12).map { number in
                var bytes = [UInt8](repeating: 9, count: 32)
                (bytes[0], bytes[1]) = (UInt8(batch), UInt8(number))
                return update(NodeID(bytes)!, 0, .alive)
            }
            _ = detector.handle(.message(.news(updates), from: other), at: .zero, random: &random)
        }
        #expect(detector.living.count == 1024)
        var pings = 0
        for number in 0..<100 {
            let request = FailureDetector.Message.pingRequest(UInt64(number), third, [])
            pings += detector.handle(.message(request, from: other), at: .zero, random: &random).count
        }
        #expect(pings == 64)
    }

    @Test(arguments: [1.0, 2, 3, 10, 32, 1000, 0.5, 12345.678])
    func `logarithms are those of mathematics`(_ number: Double) {
        // By what they undo: e to the power of it, by its series.
        let logarithm = Logarithm.natural(number)
        var (sum, term) = (1.0, 1.0)
        for step in 1...200 {
            term *= logarithm / Double(step)
            sum += term
        }
        #expect(abs(sum - number) <= 1e-9 * number)
        #expect(Logarithm.decimal(1000) > 2.999_999_999 && Logarithm.decimal(1000) < 3.000_000_001)
    }
}
