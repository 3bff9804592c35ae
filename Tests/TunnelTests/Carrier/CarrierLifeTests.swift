import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// Connections come, carry bulk, die, and are replaced.
@Suite struct CarrierLifeTests {
    private func settings(
        connections: ClosedRange<Int> = 1...4, bulkPool: Int = 0, _ change: (inout CarrierSettings) -> Void = { _ in }
    ) -> CarrierSettings {
        var settings = CarrierSettings()
        settings.connections = connections
        settings.bulkPool = bulkPool
        change(&settings)
        return settings
    }

    @Test func `one connection is enough until it carries bulk, then another is opened ahead`() async throws {
        let world = try await CarrierWorld()
        #expect(await world.client.run { _, client in client.peer?.connectionCount } == 1)
        await world.dial(String(repeating: "x", count: 1_200_000))
        world.world.advance(by: .milliseconds(10))
        await world.client.run { _, client in
            #expect(client.peer?.connectionCount == 2)
            client.dial("small")
        }
        world.world.settle()
        await world.node.run { _, node in #expect(node.peers[0].connectionCount == 2) }
        // Bulk that is over, and connections that nobody uses, are forgotten.
        await world.client.run { _, client in for link in client.links { link.finish() } }
        world.world.advance(by: .seconds(90))
        #expect(await world.client.run { _, client in client.peer?.connectionCount } == 1)
    }

    @Test func `no more connections than allowed are opened`() async throws {
        let world = try await CarrierWorld(settings: settings(connections: 2...3))
        #expect(await world.client.run { _, client in client.peer?.connectionCount } == 2)
        for _ in 0..<8 {
            await world.dial(String(repeating: "x", count: 1_200_000))
            world.world.advance(by: .milliseconds(10))
        }
        #expect(await world.client.run { _, client in client.peer?.connectionCount } == 3)
        #expect(await world.texts.map(\.count) == Array(repeating: 1_200_000, count: 8))
    }

    @Test func `a connection that died is replaced, and streams that came meanwhile wait`() async throws {
        let world = try await CarrierWorld { $0.echoes = true }
        await world.dial("one")
        await world.client.run { loop, client in
            client.endDataConnections(on: loop)
            client.dial("two")
        }
        world.world.advance(by: .seconds(5))
        #expect(await world.client.run { _, client in client.recorders[0].closeReason } == .carrierLost)
        #expect(await world.answers[1] == "two")
    }

    @Test func `a carrier that was closed has no more streams`() async throws {
        let world = try await CarrierWorld { $0.echoes = true }
        await world.dial("one")
        await world.client.run { _, client in client.client?.close() }
        world.world.settle()
        await world.dial("two")
        await world.client.run { _, client in
            #expect(client.recorders.map(\.closeReason) == [.carrierLost, .carrierLost])
            #expect(client.peer?.invoker == nil)
        }
    }

    @Test func `before the login there are no streams`() async throws {
        let world = try await CarrierWorld()
        let transport = world.transport
        let early = await world.world.loops[0].own { loop in EarlySide(on: loop, transport) }
        world.world.settle()
        #expect(await early.run { _, early in early.recorder.closeReason } == .carrierLost)
    }

    @Test func `who has another key brings no connection`() async throws {
        let world = try await CarrierWorld { $0.echoes = true }
        await world.client.run { loop, client in
            client.key = [UInt8](repeating: 9, count: 32)
            client.peer?.authorize(client.key)
            client.endDataConnections(on: loop)
            client.dial("x")
        }
        world.world.advance(by: .seconds(9))
        #expect(await world.client.run { _, client in client.peer?.connectionCount } == 0)
        #expect(await world.node.run { _, node in node.peers[0].connectionCount } == 0)
        world.world.advance(by: .seconds(9))
        #expect(await world.client.run { _, client in client.recorders[0].closeReason } == .connectTimeout)
    }

    @Test func `who has the key again brings connections again`() async throws {
        let world = try await CarrierWorld { $0.echoes = true }
        let right = await world.client.run { loop, client in
            let right = client.key
            client.peer?.authorize([UInt8](repeating: 9, count: 32))
            client.endDataConnections(on: loop)
            return right
        }
        world.world.advance(by: .seconds(9))
        #expect(await world.node.run { _, node in node.peers[0].connectionCount } == 0)
        await world.client.run { _, client in client.peer?.authorize(right) }
        world.world.advance(by: .seconds(60))
        #expect(await world.node.run { _, node in node.peers[0].connectionCount } == 1)
        await world.dial("x")
        #expect(await world.client.run { _, client in client.recorders[0].text } == "x")
    }

    @Test(arguments: [false, true])
    func `streams outlive the command connection, and go on under the next one`(isBulk: Bool) async throws {
        let world = try await CarrierWorld(settings: settings(bulkPool: 1)) { $0.echoes = true }
        await world.dial("before", bulk: isBulk)
        await world.client.run { _, client in client.peer?.invoker?.close(.reset) }
        world.world.advance(by: .seconds(20))
        await world.client.run { _, client in
            #expect(client.lost == [.reset])
            client.links[0].write(Array(" alone".utf8))
            client.connect()
        }
        world.world.advance(by: .seconds(60))
        await world.client.run { _, client in
            client.links[0].write(Array(" after".utf8))
            client.dial("new", bulk: isBulk)
        }
        world.world.settle()
        #expect(await world.answers == ["before alone after", "new"])
        await world.node.run { _, node in
            #expect(node.server?.peerCount == 1)
            #expect(node.peers.count == 2)
            #expect(node.peers[1].streamCount == (isBulk ? 0 : 2))
            #expect(node.peers[1].bulkCount == (isBulk ? 2 : 0))
            #expect(node.peers[0].connectionCount == 0)
        }
    }

    @Test func `with another server streams that are open go on, and new ones wait until they lead there`()
        async throws
    {
        let world = try await CarrierWorld { $0.echoes = true }
        await world.dial("old")
        let elsewhere = InProcess()
        let other = await world.world.loops[1].own { loop in
            let node = NodeSide(on: loop, CarrierSettings())
            node.echoes = true
            return node
        }
        _ = try await elsewhere.open(into: [await other.map { _, node in ServerIntake(node.server) }])
        await world.client.run { _, client in
            client.attaching = { client.dial("new") }
            client.peer?.invoker?.close(.reset)
            client.client?.connect(by: elsewhere)
        }
        world.world.advance(by: .seconds(1))
        await world.client.run { _, client in client.links[0].write(Array(" goes on".utf8)) }
        world.world.settle()
        #expect(await world.answers == ["old goes on", "new"])
        #expect(await world.node.run { _, node in node.peers[0].streamCount } == 1)
        #expect(await other.run { _, node in node.peers[0].streamCount } == 1)
        // The first server forgets a client that does not come back.
        world.world.advance(by: .seconds(31))
        #expect(await world.client.run { _, client in client.recorders[0].closeReason } == .carrierLost)
        #expect(await world.client.run { _, client in client.recorders[1].closeReason } == nil)
    }

    @Test(arguments: [(false, CloseReason.carrierLost), (true, .reset)])
    func `streams of a client that does not come back end after a while`(isBulk: Bool, reason: CloseReason)
        async throws
    {
        let world = try await CarrierWorld(settings: settings(bulkPool: 1)) { $0.echoes = true }
        await world.dial("x", bulk: isBulk)
        await world.client.run { _, client in client.peer?.invoker?.close(.reset) }
        world.world.advance(by: .seconds(29))
        #expect(await world.client.run { _, client in client.recorders[0].closeReason } == nil)
        world.world.advance(by: .seconds(2))
        #expect(await world.client.run { _, client in client.recorders[0].closeReason } == reason)
        #expect(await world.node.run { _, node in node.server?.peerCount } == 0)
    }

    @Test func `a connection without use lives, because the other end answers`() async throws {
        let world = try await CarrierWorld { $0.echoes = true }
        await world.dial("x")
        world.world.advance(by: .seconds(600))
        await world.client.run { _, client in client.links[0].write(Array("y".utf8)) }
        world.world.settle()
        #expect(await world.answers == ["xy"])
    }

    @Test func `bulk has a connection of its own, with its bytes as they are`() async throws {
        let world = try await CarrierWorld(settings: settings(bulkPool: 2)) { $0.echoes = true }
        #expect(await world.node.run { _, node in node.peers[0].idleCount } == 2)
        await world.dial("bulk", bulk: true)
        world.world.advance(by: .seconds(1))
        #expect(await world.answers == ["bulk"])
        await world.client.run { _, client in
            #expect(client.peer?.streamCount == 0)
            #expect(client.peer?.idleCount == 2)
            #expect(client.recorders[0].events == [.opened])
            client.links[0].finish()
        }
        world.world.advance(by: .seconds(1))
        #expect(await world.client.run { _, client in client.recorders[0].closeReason } == .finished)
        #expect(await world.node.run { _, node in node.peers[0].idleCount } == 2)
    }

    @Test func `without an idle connection bulk goes with the others`() async throws {
        let world = try await CarrierWorld { $0.echoes = true }
        await world.dial("bulk", bulk: true)
        #expect(await world.answers == ["bulk"])
        #expect(await world.client.run { _, client in client.peer?.streamCount } == 1)
    }

    @Test(arguments: [[1], [0x58, 0, 0, 0, 0, 0, 0, 0, 1], [0x58, 0x7f, 0, 0, 0, 0, 0, 0, 0]] as [[UInt8]])
    func `a peer that does not greet loses its connection`(_ bytes: [UInt8]) async throws {
        let world = try await CarrierWorld()
        let transport = world.transport
        let stranger = await world.world.loops[0].own { _ in Recorder() }
        await stranger.run { loop, stranger in
            transport.dial(on: loop, deadline: .seconds(5), handler: stranger)?.write(bytes)
        }
        world.world.advance(by: .milliseconds(10))
        #expect(await stranger.run { _, stranger in stranger.closeReason } == .reset)
    }

    @Test func `a peer that says nothing is not waited for`() async throws {
        let world = try await CarrierWorld()
        let transport = world.transport
        let stranger = await world.world.loops[0].own { _ in Recorder() }
        await stranger.run { loop, stranger in
            transport.dial(on: loop, deadline: .seconds(5), handler: stranger)?.write([CarrierHello.opener])
        }
        world.world.advance(by: .seconds(4))
        #expect(await stranger.run { _, stranger in stranger.closeReason } == nil)
        world.world.advance(by: .seconds(2))
        #expect(await stranger.run { _, stranger in stranger.closeReason } == .reset)
    }

    /// What a peer sends as frames costs it the connection at most.
    @Test(arguments: 1...60) func `random frames never trap`(_ seed: UInt64) async throws {
        let world = try await CarrierWorld { $0.echoes = true }
        await world.dial("x", count: 3)
        var random = SeededRandom(seed: seed)
        var bytes: [UInt8] = []
        for _ in 0..<200 {
            let length = Int.random(in: 0...12, using: &random)
            bytes += [UInt8.random(in: 1...7, using: &random), UInt8.random(in: 0...1, using: &random)]
            bytes += [0, 0, UInt8.random(in: 0...8, using: &random), 0, 0, UInt8(length)]
            bytes += (0..<length).map { _ in UInt8.random(in: 0...3, using: &random) }
        }
        let garbage = bytes
        await world.client.run { loop, client in client.sendOnDataConnections(garbage, on: loop) }
        world.world.advance(by: .seconds(60))
        await world.client.run { _, client in
            client.dial("later")
        }
        world.world.advance(by: .seconds(60))
        #expect(await world.answers.last == "later", "seed \(seed)")
    }
}

extension ClientSide {
    /// Breaks off whatever carries streams.
    func endDataConnections(on loop: Loop) { forEachDataConnection(on: loop) { $0.close(.reset) } }
    func sendOnDataConnections(_ bytes: [UInt8], on loop: Loop) { forEachDataConnection(on: loop) { $0.write(bytes) } }

    private func forEachDataConnection(on loop: Loop, _ body: (Link) -> Void) {
        var links: [Link] = []
        loop.forEachLink { link in
            if link.height == 0, link !== peer?.invoker?.link { links.append(link) }
        }
        for link in links { body(link) }
    }
}

/// Wants a stream before it has logged in.
private final class EarlySide: CarrierOwner {
    let recorder = Recorder()
    private var client: CarrierClient?

    init(on loop: Loop, _ dialer: some Dialer) {
        client = CarrierClient(on: loop, dialer: dialer, owner: self)
        client?.connect()
    }
    func opened(_ peer: CarrierPeer) { _ = peer.dial(handler: recorder) }
    func accept(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)? { nil }
}
