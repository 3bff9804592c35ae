import Testing

@testable import OmniwayWire

/// Many nodes at once: the overlay, and messages over it. Numbers of the experiments are those of the design.
@Suite(.timeLimit(.minutes(5))) struct OverlayTests {
    @Test(arguments: [(10, 1), (100, 2), (300, 3)] as [(Int, UInt64)])
    func `E1 an overlay that everybody joins by somebody is connected, symmetric and full`(
        _ count: Int, _ seed: UInt64
    ) {
        let world = MeshSimulator(seed: seed)
        world.join(count)
        world.run(for: .seconds(60))
        #expect(world.reachable == count)
        #expect(world.asymmetric == 0)
        // Who finds only nodes that are full has one neighbour less: a few, in however large an overlay.
        let full = world.nodes.count { $0.membership.active.count >= 5 }
        #expect(full >= count - 3, "\(full) of \(count)")
        #expect(world.nodes.allSatisfy { $0.membership.active.count >= 3 })
    }

    @Test(arguments: [(10, 1), (100, 2)] as [(Int, UInt64)])
    func `E2 one sender reaches everybody, and nobody gets a payload twice`(_ count: Int, _ seed: UInt64) {
        let world = MeshSimulator(seed: seed)
        world.join(count)
        world.run(for: .seconds(20))
        for _ in 0..<60 {
            _ = world.broadcast(0)
            world.run(for: .milliseconds(500))
        }
        world.resetCounts()
        for _ in 0..<20 {
            let id = world.broadcast(0)
            world.run(for: .milliseconds(500))
            #expect(world.coverage(of: id) == 1)
        }
        let redundancy = Double(world.payloads) / Double(20 * (count - 1)) - 1
        #expect(redundancy <= 0.01, "\(redundancy)")
        #expect(world.repeated == 0)
        #expect(world.mostHops <= 10)
    }

    @Test func `E3 ten senders have a tree each`() {
        let world = MeshSimulator(seed: 4)
        world.join(200)
        world.run(for: .seconds(20))
        for round in 0..<100 {
            _ = world.broadcast(round % 10)
            world.run(for: .milliseconds(500))
        }
        world.resetCounts()
        for round in 0..<50 {
            let id = world.broadcast(round % 10)
            world.run(for: .milliseconds(500))
            #expect(world.coverage(of: id) == 1)
        }
        let redundancy = Double(world.payloads) / Double(50 * 199) - 1
        #expect(redundancy <= 0.05, "\(redundancy)")
    }

    @Test func `E4 all send at once, and everybody has everything once`() {
        let world = MeshSimulator(seed: 5)
        world.join(50)
        world.run(for: .seconds(20))
        let ids = world.nodes.indices.map { world.broadcast($0) }
        world.run(for: .seconds(5))
        for id in ids { #expect(world.coverage(of: id) == 1) }
        #expect(world.repeated == 0)
    }

    @Test(arguments: [(50, 7), (80, 8), (90, 9)] as [(Int, UInt64)])
    func `E5 a message at the moment when most nodes crash reaches those that are left`(
        _ percent: Int, _ seed: UInt64
    ) {
        let world = MeshSimulator(seed: seed)
        world.join(150)
        world.run(for: .seconds(40))
        for _ in 0..<10 {
            _ = world.broadcast(0)
            world.run(for: .milliseconds(300))
        }
        world.kill(world.some(150 * percent / 100).filter { $0 != 0 })
        let first = world.broadcast(0)
        world.run(for: .seconds(10))
        #expect(world.reachable == world.alive.count, "the survivors are connected")
        #expect(world.coverage(of: first) == 1)
        let second = world.broadcast(0)
        world.run(for: .seconds(2))
        #expect(world.coverage(of: second) == 1)
        world.run(for: .seconds(10))
        #expect(world.asymmetric == 0)
    }

    @Test(arguments: [(0.01, 10), (0.05, 11), (0.2, 12)] as [(Double, UInt64)])
    func `E8 payloads that are lost are found by announcements and digests`(_ loss: Double, _ seed: UInt64) {
        let world = MeshSimulator(seed: seed)
        world.join(100)
        world.run(for: .seconds(20))
        world.loss = loss
        var ids: [GossipID] = []
        for _ in 0..<20 {
            ids.append(world.broadcast(0))
            world.run(for: .milliseconds(500))
        }
        world.run(for: .seconds(40))
        for id in ids { #expect(world.coverage(of: id) == 1) }
        #expect(world.repeated == 0)
        #expect(world.nodes.allSatisfy { $0.gaps == 0 })
    }

    @Test func `E12 a large payload crosses each link once, and only for who asks`() {
        let world = MeshSimulator(seed: 13)
        world.join(100)
        world.run(for: .seconds(20))
        world.resetCounts()
        let id = world.broadcast(0, [UInt8](repeating: 1, count: 100_000))
        world.run(for: .seconds(10))
        #expect(world.coverage(of: id) == 1)
        #expect(Double(world.payloads) <= 1.2 * 99, "\(world.payloads)")
    }

    @Test func `a node whose links are full announces, and everybody still gets everything`() {
        let world = MeshSimulator(seed: 14)
        world.join(50)
        world.run(for: .seconds(20))
        world.congest(0, true)
        world.resetCounts()
        let id = world.broadcast(0)
        #expect(world.payloads == 0)
        world.run(for: .seconds(10))
        #expect(world.coverage(of: id) == 1)
    }

    @Test func `who joins later is sent what is young enough, and misses nothing that it does not know of`() {
        let world = MeshSimulator(seed: 15)
        world.join(50)
        var ids: [GossipID] = []
        for _ in 0..<60 {
            ids.append(world.broadcast(0))
            world.run(for: .seconds(1))
        }
        world.add(contact: 7)
        world.run(for: .seconds(60))
        #expect(world.nodes[50].delivered[ids[59]] != nil)
        #expect(world.nodes[50].delivered[ids[40]] != nil)
        #expect(world.nodes[50].delivered[ids[0]] == nil)
        #expect(world.nodes[50].gaps == 0)
    }

    @Test func `the same seed gives the same run, and another one does not`() {
        func run(_ seed: UInt64) -> UInt64 {
            let world = MeshSimulator(seed: seed)
            world.join(60)
            for sender in 0..<10 { _ = world.broadcast(sender) }
            world.run(for: .seconds(30))
            return world.trace
        }
        #expect(run(1) == run(1))
        #expect(run(1) != run(2))
    }
}
