import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayMesh

/// Nodes that find each other on a local network.
@Suite(.timeLimit(.minutes(3))) struct LocalNetworkTests {
    /// What one sends, all the others hear.
    private final class LocalNetwork: LinkIntake, LinkHandler, Sendable {
        private let machines = Lock<[InProcess]>([])

        func join(_ machine: InProcess) { machines.withLock { $0.append(machine) } }

        func accept(_ link: Link) -> (any LinkHandler)? { self }

        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
            for machine in machines.withLock({ $0 }) {
                let out = machine.dial(on: link.loop, deadline: .seconds(1), handler: self)
                out?.write(bytes, endOfMessage: true)
                out?.finish()
            }
            return bytes.byteCount
        }
    }

    private static let datagrams = LinkTraits(
        keepsMessages: true, isReliable: false, halfCloses: false, pausing: .buffers,
        peer: .ipv4(0x0a00_0001, port: 40_000))

    private func node(
        _ number: UInt8, in mesh: MeshWorld, group: UInt8? = nil, on network: LocalNetwork, _ hub: InProcess
    ) async throws -> MeshNode {
        let identity = try #require(NodeIdentity(secret: [UInt8](repeating: number, count: 32)))
        var settings = NodeSettings(identity: identity)
        settings.epoch = 1
        settings.groupSecret = group.map { [UInt8](repeating: $0, count: 32) }
        let net = mesh.net
        settings.dialer = { net[$0] }
        let node = await MeshNode("node\(number)", on: mesh.world.first, settings)
        let address = "10.0.0.1:\(number)"
        try await node.serve(net.listen(at: address), announcing: address)
        let ears = InProcess(traits: Self.datagrams)
        network.join(ears)
        try await node.discover(hearing: ears, speaking: hub)
        return node
    }

    @Test func `nodes of a network find each other, and only those of their group`() async throws {
        let (mesh, network) = (MeshWorld(), LocalNetwork())
        let hub = InProcess(traits: Self.datagrams)
        let intake = await mesh.world.first.own { _ in network }
        _ = try await hub.open(into: [intake])
        var nodes: [MeshNode] = []
        for (number, group) in [(1, nil), (2, nil), (3, nil), (4, 9), (5, 9)] as [(UInt8, UInt8?)] {
            nodes.append(try await node(number, in: mesh, group: group, on: network, hub))
        }
        mesh.world.advance(by: .seconds(20))
        let neighbors = [["node2", "node3"], ["node1", "node3"], ["node1", "node2"], ["node5"], ["node4"]]
        for (node, wanted) in zip(nodes, neighbors) {
            #expect(await node.neighbors().map(\.name).sorted() == wanted)
        }
        #expect(await mesh.meter("omniway_mesh_failed_handshakes_total") == 0)
        for node in nodes { await node.close() }
    }

    @Test func `nothing is said and nobody is heard by a node that was not asked to`() async throws {
        let mesh = MeshWorld()
        var settings = NodeSettings()
        settings.epoch = 1
        let node = await MeshNode("alone", on: mesh.world.first, settings)
        try await node.serve(mesh.net.listen(at: "1:1"), announcing: "1:1")
        mesh.world.advance(by: .seconds(20))
        #expect(await node.host.run { _, host in host.discovery == nil })
        #expect(await node.neighbors().isEmpty)
    }

    @Test func `two nodes find each other by datagrams of this machine`() async throws {
        let group = try #require(
            MulticastGroup(MulticastGroup.localMesh.address, through: .loopback()))
        let loops = EventLoops(count: 2)
        var nodes: [MeshNode] = []
        for index in 0..<2 {
            var settings = NodeSettings()
            // Whoever else looks for peers on this machine is not meant.
            settings.groupSecret = GroupSecret.bytes(of: "a secret of this test alone \(Self.drawn)")
            let node = await MeshNode("node\(index)", on: loops.loops[index], settings)
            try await node.listenAndServe("127.0.0.1:0")
            try await node.discover(on: group)
            nodes.append(node)
        }
        for (node, other) in [(nodes[0], nodes[1]), (nodes[1], nodes[0])] {
            for await event in node.events where event == .neighborUp(other.id) { break }
        }
        await loops.shutdown()
    }

    private static let drawn = UInt64.random(in: 0 ... .max)
}
