import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// A node and one client, which is its own target, over sockets of this machine.
final class SocketWorld: Sendable {
    let loop = EventLoop()
    let client: LoopBound<TunnelClient>
    let node: LoopBound<TunnelNode>
    private let folder: TemporaryFolder

    init(prepare: @Sendable (inout TunnelClientSettings) -> Void = { _ in }) async throws {
        folder = try TemporaryFolder()
        let registry = try await Registry.open(.sqlite(folder.file("tunnel.db")), on: loop)
        node = await TunnelNode.start(on: loop, registry: registry)
        let entrance = try await StreamAcceptor(.loopback()).open(into: [node])
        var settings = TunnelClientSettings()
        prepare(&settings)
        client = await TunnelClient.start(on: loop, nodes: [StreamDialer(entrance.address)], settings: settings)
        while await !client.run({ _, client in client.isLoggedIn }) { try await Task.sleep(for: .milliseconds(5)) }
    }

    /// Listens at a free port of this machine for a target of this machine.
    func listen(
        _ kind: String, to target: String, _ change: (inout TunnelRuleRequest) -> Void = { _ in }
    ) async throws -> UInt16 {
        let nobody = await loop.own { _ in EchoIntake() }
        let free =
            kind == "udp"
            ? try await DatagramAcceptor(.loopback()).open(into: [nobody])
            : try await StreamAcceptor(.loopback()).open(into: [nobody])
        await free.stop()
        try await add("\(kind)://\(free.address)", to: target, change)
        return free.address.port
    }

    func add(
        _ listen: String, to target: String, isAtClient: Bool = true,
        _ change: (inout TunnelRuleRequest) -> Void = { _ in }
    ) async throws {
        let identity = try #require(await client.run { _, client in client.identity })
        var wanted = TunnelRuleRequest(listen: listen, target: target, of: identity.tunnel)
        change(&wanted)
        let request = wanted
        let isDone = Lock(false)
        await client.run { _, client in
            client.add(request) { result in
                if case .success = result { isDone.withLock { $0 = true } }
            }
        }
        while !isDone.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(5)) }
        while isAtClient, await client.run({ _, client in client.listening }).isEmpty {
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    func close() async {
        await client.run { _, client in client.close() }
        await loop.shutdown()
    }
}
