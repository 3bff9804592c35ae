import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// A listener, a target's client, and a rule of any kind between them.
struct ForwardScene {
    let world: TunnelWorld
    let listener: Somebody
    let target: Somebody
    let name: String

    init(
        _ listen: String, to targetAddress: String, nodes: Int = 1, listenerAt: Int = 0, targetAt: Int = 0,
        node prepareNode: @escaping @Sendable (inout TunnelNodeSettings) -> Void = { _ in },
        target prepare: @escaping @Sendable (inout TunnelClientSettings) -> Void = { _ in },
        rule change: (inout TunnelRuleRequest) -> Void = { _ in }
    ) async throws {
        world = try await TunnelWorld(nodes: nodes, prepare: prepareNode)
        listener = await world.client(at: listenerAt)
        target = await world.client(at: targetAt, prepare: prepare)
        let identity = try #require(await target.identity)
        var request = TunnelRuleRequest(
            listen: listen, target: targetAddress, of: identity.tunnel, authCode: identity.authCode)
        change(&request)
        let added = await world.add(request, by: listener)
        name = try #require(added.rule).name
        world.world.advance(by: .milliseconds(100))
    }

    func advance(_ duration: Duration) { world.world.advance(by: duration) }
}

extension TunnelWorld {
    /// Somebody who sends datagrams to an address.
    func flow(to address: String, _ datagrams: [UInt8]...) async -> LoopBound<Recorder> {
        let pipe = network.datagrams(address)
        let recorder = await world.loops[3].own { loop in
            let recorder = Recorder()
            let link = pipe.dial(on: loop, deadline: .seconds(5), handler: recorder)
            for datagram in datagrams { link?.write(datagram) }
            return recorder
        }
        world.advance(by: .milliseconds(200))
        return recorder
    }
}

extension LoopBound where Value == Recorder {
    /// Nothing more comes.
    var hasEnded: Bool {
        get async { await run { _, recorder in recorder.events.contains(.finished) || recorder.closeReason != nil } }
    }
    var messages: [[UInt8]] { get async { await run { _, recorder in recorder.messages } } }
    func send(_ datagrams: [UInt8]...) async {
        await run { _, recorder in for datagram in datagrams { recorder.link?.write(datagram) } }
    }
}
