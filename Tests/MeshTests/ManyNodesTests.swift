import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayMesh

/// Many nodes over loopback, and many that open links to one another at once.
@Suite(.timeLimit(.minutes(3))) struct ManyNodesTests {
    /// What a node has heard: how often each message came.
    private final class Heard: Sendable {
        private let counts = Lock<[String: Int]>([:])
        func add(_ text: String) { counts.withLock { $0[text, default: 0] += 1 } }
        var all: [String: Int] { counts.withLock { $0 } }
    }

    /// Reads until `wanted` different messages were heard.
    private func listen(_ node: MeshNode, _ heard: Heard, until wanted: Int) async {
        for await event in node.events {
            guard case .broadcast(let message) = event else { continue }
            heard.add("\(message.source) \(message.topic)")
            if heard.all.count >= wanted { return }
        }
    }

    @Test func `of fifty nodes half are cut off without warning, and the others hear everything once`() async throws {
        let loops = EventLoops(count: 2)
        var nodes: [MeshNode] = []
        var address = ""
        for index in 0..<50 {
            // Those of the second loop will go.
            let node = await MeshNode("node\(index)", on: loops.loops[index % 2])
            let listening = try await node.listenAndServe("127.0.0.1:0")
            if index == 0 { address = "\(listening.address)" } else { try await node.join(address) }
            nodes.append(node)
        }
        let left = nodes.indices.filter { $0 % 2 == 0 }.map { nodes[$0] }
        let heard = left.map { _ in Heard() }
        let rounds = 4
        let wanted = (left.count - 1) * rounds
        await withTaskGroup(of: Void.self) { group in
            for (node, heard) in zip(left, heard) { group.addTask { await self.listen(node, heard, until: wanted) } }
            group.addTask {
                for round in 0..<rounds {
                    if round == 1 { await loops.loops[1].shutdown() }
                    for node in left {
                        do { try await node.broadcast([1], topic: "\(round)") } catch { Issue.record("\(error)") }
                    }
                }
            }
            await group.waitForAll()
        }
        for node in left { await node.close() }
        for (index, node) in left.enumerated() {
            for await event in node.events {
                if case .broadcast(let message) = event { heard[index].add("\(message.source) \(message.topic)") }
            }
            #expect(heard[index].all.count == wanted, "node \(index * 2)")
            #expect(heard[index].all.values.allSatisfy { $0 == 1 }, "node \(index * 2)")
        }
        await loops.shutdown()
    }

    @Test(arguments: [2, 6, 12])
    func `E13 all open links to all at once, one of each pair is left, and nothing is lost`(_ count: Int) async throws {
        let mesh = MeshWorld()
        var nodes: [MeshNode] = []
        for index in 0..<count {
            let identity = try #require(NodeIdentity(secret: [UInt8](repeating: UInt8(index + 1), count: 32)))
            var settings = NodeSettings(identity: identity)
            settings.epoch = 1
            settings.idleLimit = .seconds(600)
            let net = mesh.net
            settings.dialer = { net[$0] }
            let node = await MeshNode("node\(index)", on: mesh.world.first, settings)
            try await node.serve(mesh.net.listen(at: "1:\(index)"), announcing: "1:\(index)")
            nodes.append(node)
        }
        let all = nodes
        try await mesh.world.play {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, node) in all.enumerated() {
                    for other in all.indices where other != index {
                        group.addTask { try await node.join("1:\(other)") }
                    }
                }
                try await group.waitForAll()
            }
            for node in all { try await node.broadcast([1]) }
            for node in all { for other in all where other !== node { try await node.send([2], to: other.id) } }
        }
        mesh.world.advance(by: .seconds(10))
        for node in all {
            #expect(await node.host.run { _, host in host.linkCount } == count - 1)
            await node.close()
            var (broadcasts, messages) = (0, 0)
            for await event in node.events {
                switch event {
                case .broadcast: broadcasts += 1
                case .message: messages += 1
                default: break
                }
            }
            #expect(broadcasts == count - 1)
            #expect(messages == count - 1)
        }
    }
}
