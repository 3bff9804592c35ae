import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayGateway

/// Physical connections that are snet streams: the connections below them may be cut, and nobody above notices.
@Suite struct GatewaySnetTests {
    /// A gateway whose ports speak snet, a server that echoes behind it, and a client.
    private struct SnetGateway {
        let world: SimulatedWorld
        let server: LoopBound<TestEndpoint>
        let client: LoopBound<TestEndpoint>
        let carriers = Carriers()
        let streams: SnetServer

        init(_ dialect: SnetDialect, encrypts: Bool, cuts: SeededNetwork? = nil) async throws {
            let world = SimulatedWorld(loops: 2)
            let ports = (client: InProcess(), server: InProcess())
            var settings = GatewaySettings()
            settings.keys = [Secret("gateway-key")]
            let gateway = await Gateway(on: world.loops, settings)
            let streams = SnetServer(dialect: dialect, encrypts: encrypts)
            try await gateway.listen(for: .client, on: streams.over(ports.client))
            try await gateway.listen(for: .server, on: streams.over(ports.server))

            let snet = SnetClient(dialect: dialect, encrypts: encrypts)
            let carriers = carriers
            server = try await world.loops[1].own { loop throws(EndpointError) in
                let server =
                    if let cuts {
                        try TestEndpoint(GatewayWorld.server(7), over: snet.over(cuts.over(ports.server)), on: loop)
                    } else { try TestEndpoint(GatewayWorld.server(7), over: snet.over(ports.server), on: loop) }
                server.echoes()
                return server
            }
            world.settle()
            client = try await world.first.own { loop throws(EndpointError) in
                guard let cuts else {
                    let kept = KeptDialer(inner: ports.client, carriers: carriers)
                    return try TestEndpoint(GatewayWorld.client(), over: snet.over(kept), on: loop)
                }
                return try TestEndpoint(GatewayWorld.client(), over: snet.over(cuts.over(ports.client)), on: loop)
            }
            (self.world, self.streams) = (world, streams)
            world.advance(by: .seconds(2))
        }
    }

    @Test(arguments: [SnetDialect.a, .b], [false, true])
    func `conversations go on while connections are cut under them`(_ dialect: SnetDialect, _ encrypts: Bool)
        async throws
    {
        var faults = SeededNetwork.Faults()
        faults.delay = .milliseconds(1)...(.milliseconds(5))
        faults.cutAfter = 300...20_000
        let gateway = try await SnetGateway(
            dialect, encrypts: encrypts, cuts: SeededNetwork(seed: 11, faults: faults))
        await gateway.client.run { _, client in client.dial(7) }
        let texts = (0..<300).map { "message \($0) " + String(repeating: "x", count: $0 * 7 % 900) }
        gateway.world.advance(by: .seconds(20))
        for (index, text) in texts.enumerated() {
            await gateway.client.run { _, client in client.links.first?.write(Array(text.utf8)) }
            if index % 5 == 0 { gateway.world.advance(by: .milliseconds(100)) }
        }
        gateway.world.advance(by: .seconds(60))
        #expect(await gateway.client.run { _, client in client.dialled[0].texts } == texts)
        let resumes = await gateway.client.run { _, client in client.session.carrier?.snet?.resumes ?? 0 }
        #expect(resumes > 5)
    }

    @Test func `a ping that is not answered gives up the connection, and the stream goes on over another`() async throws
    {
        let gateway = try await SnetGateway(.b, encrypts: false)
        await gateway.client.run { _, client in client.dial(7, saying: "before") }
        gateway.world.advance(by: .seconds(1))
        // The connection is dead from here on: nothing that comes is heard.
        await gateway.world.first.run { [carriers = gateway.carriers] loop in
            carriers.last.flatMap(loop.link)?.pauseReading()
        }
        gateway.world.advance(by: .seconds(20))
        await gateway.client.run { _, client in client.links.first?.write(Array("after".utf8)) }
        gateway.world.advance(by: .seconds(1))
        #expect(await gateway.client.run { _, client in client.dialled[0].texts } == ["before", "after"])
        #expect(await gateway.client.run { _, client in client.session.carrier?.snet?.resumes ?? 0 } == 1)
    }

    @Test func `a stream that waits for a connection is not idle`() async throws {
        let gateway = try await SnetGateway(.b, encrypts: false)
        await gateway.client.run { _, client in client.dial(7, saying: "before") }
        gateway.world.advance(by: .seconds(1))
        gateway.carriers.isDown = true
        await gateway.world.first.run { [carriers = gateway.carriers] loop in
            carriers.last.flatMap(loop.link)?.close(.reset)
        }
        gateway.world.advance(by: .seconds(45))  // Idle is who says nothing for 30 seconds.
        gateway.carriers.isDown = false
        gateway.world.advance(by: .seconds(14))
        await gateway.client.run { _, client in client.links.first?.write(Array("after".utf8)) }
        gateway.world.advance(by: .seconds(1))
        #expect(await gateway.client.run { _, client in client.dialled[0].texts } == ["before", "after"])
    }
}

/// The carriers of one client, for a test that breaks them.
private final class Carriers: Sendable {
    private let state = Lock((links: [LinkID](), isDown: false))
    var last: LinkID? { state.withLock { $0.links.last } }
    func add(_ link: LinkID) { state.withLock { $0.links.append(link) } }
    /// Nobody can be reached.
    var isDown: Bool {
        get { state.withLock { $0.isDown } }
        set { state.withLock { $0.isDown = newValue } }
    }
}

private struct KeptDialer<Inner: Dialer>: Dialer {
    let inner: Inner
    let carriers: Carriers

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        if carriers.isDown { return InProcess().dial(on: loop, deadline: deadline, handler: handler) }
        let link = inner.dial(on: loop, deadline: deadline, handler: handler)
        if let link { carriers.add(link.id) }
        return link
    }
}
