import Omniway
import OmniwayTesting
import Testing

/// Peers that nobody can reach meet through another face: a mesh over a gateway, and over a tunnel's node.
@Suite(.timeLimit(.minutes(3))) struct MeshRelayTests {
    /// Addresses that lead to pipes, as a network's do to sockets.
    private final class Pipes: Sendable {
        private let pipes = Lock<[String: InProcess]>([:])

        subscript(address: String) -> InProcess {
            pipes.withLock { pipes in
                let pipe = pipes[address] ?? InProcess()
                pipes[address] = pipe
                return pipe
            }
        }
    }

    /// Every peer asks every other one, and what one says to everybody comes to all.
    private func converse(_ peers: [MeshNode]) async throws {
        for one in peers {
            for other in peers where other !== one {
                #expect(try await one.request("name", to: other.name) == Array(other.name.utf8))
            }
        }
        try await peers[0].broadcast([1])
        for peer in peers.dropFirst() {
            for await event in peer.events {
                guard case .broadcast(let message) = event else { continue }
                #expect(message.source == peers[0].id)
                break
            }
        }
    }

    private func peer(_ name: String, on loop: EventLoop, _ settings: NodeSettings) async -> MeshNode {
        await MeshNode(name, on: loop, settings) { _ in .bytes(Array(name.utf8)) }
    }

    @Test func `peers behind NAT meet through a gateway, and none of them has a port`() async throws {
        let (loops, gatewayLoops) = (EventLoops(count: 1), EventLoops(count: 1))
        var settings = GatewaySettings()
        settings.keys = [Secret("gateway-key")]
        let gateway = await Gateway(on: gatewayLoops, settings)
        let clients = try await gateway.listen(for: .client, on: StreamAcceptor(.loopback()))
        let servers = try await gateway.listen(for: .server, on: StreamAcceptor(.loopback()))
        var peers: [MeshNode] = []
        for (name, number) in [("ann", 7), ("ben", 8), ("cleo", 9)] as [(String, EndpointID)] {
            let way = try await GatewayWay(through: StreamDialer(clients.address), on: loops.loops[0])
            let peer = await peer(name, on: loops.loops[0], way.settings(NodeSettings()))
            let entrance = Entrance.gateway("\(servers.address)", serverID: number, key: "gateway-key")
            try await peer.serve(entrance, announcing: GatewayWay.address(of: number))
            if !peers.isEmpty { try await peer.join(GatewayWay.address(of: 7)) }
            peers.append(peer)
        }
        try await converse(peers)
        #expect(await peers[1].neighbors().allSatisfy { $0.address.hasPrefix("gateway:") })
        await #expect(throws: MeshError.self) { try await peers[1].join("gateway:10") }
        await loops.shutdown()
        await gatewayLoops.shutdown()
    }

    @Test func `peers behind NAT meet through a tunnel's node, and none of them has a port`() async throws {
        let (loops, pipes) = (EventLoops(count: 2), Pipes())
        let registry = try await Registry.open(.memory, on: loops.loops[1])
        var settings = TunnelNodeSettings()
        settings.allowPorts = [8000...8010]
        settings.listen = { pipes["node:\($0.port)"] }
        let tunnel = await TunnelNode.start(on: loops.loops[1], registry: registry, settings: settings)
        _ = try await pipes["node:1"].open(into: [tunnel])
        var peers: [MeshNode] = []
        var first = ""
        for name in ["ann", "ben", "cleo"] {
            let door = InProcess()
            let address = try await expose(door, at: pipes["node:1"], on: loops.loops[1])
            var settings = NodeSettings()
            settings.dialer = { pipes[$0] }
            let peer = await peer(name, on: loops.loops[0], settings)
            try await peer.serve(door, announcing: address)
            if first.isEmpty { first = address } else { try await join(peer, first) }
            peers.append(peer)
        }
        try await converse(peers)
        #expect(await peers[1].neighbors().allSatisfy { $0.address.hasPrefix("node:80") })
        await loops.shutdown()
    }

    /// A port of the node leads to this acceptor alone: the address of it.
    private func expose(_ door: InProcess, at node: InProcess, on loop: EventLoop) async throws -> String {
        var settings = TunnelClientSettings()
        settings.dial = { _ in door }
        let (events, tell) = AsyncStream.makeStream(of: TunnelClientEvent.self)
        let client = await TunnelClient.start(on: loop, nodes: [node], settings: settings) { event, _ in
            tell.yield(event)
        }
        for await event in events { if case .loggedIn = event { break } }
        let (rules, made) = AsyncStream.makeStream(of: Result<TunnelRule, InvokeFailure>.self)
        await client.run { _, client in
            let own = client.identity?.tunnel ?? ""
            client.add(TunnelRuleRequest(listen: "node+tcp://:0", target: "tcp://127.0.0.1:1", of: own)) {
                made.yield($0)
            }
        }
        for await rule in rules {
            let port = try rule.get().listenAddress.text.split(separator: ":").last
            return "node:\(try #require(port))"
        }
        return ""
    }

    /// The node opens a port a moment after it has taken the rule.
    private func join(_ peer: MeshNode, _ address: String) async throws {
        for _ in 0..<1000 {
            do throws(MeshError) {
                try await peer.join(address)
                return
            } catch { await Task.yield() }
        }
        try await peer.join(address)
    }
}
