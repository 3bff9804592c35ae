import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// Stops after each piece.
private final class Hesitating: LinkHandler {
    private(set) var count = 0
    private(set) var link: Link?

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        self.link = link
        count += bytes.byteCount
        link.pauseReading()
        return bytes.byteCount
    }
}

@Suite struct CarrierTests {
    @Test func `a stream brings its bytes both ways, and ends one direction at a time`() async throws {
        let world = try await CarrierWorld { $0.echoes = true }
        await world.dial("hello")
        #expect(await world.answers == ["hello"])
        await world.client.run { _, client in
            client.links[0].write(Array(" and bye".utf8))
            client.links[0].finish()
        }
        world.world.settle()
        #expect(await world.answers == ["hello and bye"])
        await world.client.run { _, client in
            #expect(client.recorders[0].events == [.opened, .closed(.finished)])
            #expect(client.peer?.streamCount == 0)
        }
        #expect(await world.node.run { _, node in node.peers[0].streamCount } == 0)
    }

    @Test func `a stream opens without waiting for the other end`() async throws {
        let world = try await CarrierWorld()
        await world.client.run { _, client in client.dial("first bytes") }
        for _ in 0..<2 { _ = world.world.loops[0].simulateTurn() }
        #expect(await world.client.run { _, client in client.recorders[0].events } == [.opened])
        world.world.settle()
        #expect(await world.texts == ["first bytes"])
    }

    @Test func `what was written before a close arrives, and a broken end looks broken`() async throws {
        let world = try await CarrierWorld()
        await world.dial("all of it", count: 2)
        await world.client.run { _, client in
            client.links[0].write([UInt8](repeating: 65, count: 300_000))
            client.links[0].close(.done)
            client.links[1].close(.reset)
        }
        world.world.advance(by: .milliseconds(10))
        await world.node.run { _, node in
            #expect(node.recorders[0].bytes.count == 300_009)
            #expect(node.recorders[0].events.last == .closed(.finished))
            #expect(node.recorders[1].events.last == .closed(.reset))
            #expect(node.peers[0].streamCount == 0)
        }
        #expect(await world.client.run { _, client in client.peer?.streamCount } == 0)
    }

    @Test func `a stream that nobody wants is refused`() async throws {
        let world = try await CarrierWorld { $0.refuses = true }
        await world.dial("x")
        #expect(await world.client.run { _, client in client.recorders[0].closeReason } == .refused)
    }

    @Test func `the node opens streams too`() async throws {
        let world = try await CarrierWorld()
        await world.client.run { _, client in client.refuses = false }
        await world.node.run { _, node in
            let recorder = Recorder()
            node.recorders.append(recorder)
            node.peers[0].dial(handler: recorder)?.write(Array("from the node".utf8))
        }
        world.world.settle()
        #expect(await world.texts == ["from the node"])
    }

    @Test func `who stops with bytes in hand is sent no more than its window`() async throws {
        let world = try await CarrierWorld { $0.reader = Hesitating() }
        await world.dial(String(repeating: "x", count: 200_000))
        await world.client.run { _, client in
            #expect(client.links.first?.queued == 200_000 - MuxInflow.first)
        }
        for _ in 0..<40 {
            await world.node.run { _, node in (node.reader as? Hesitating)?.link?.resumeReading() }
            world.world.settle()
        }
        await world.node.run { _, node in #expect((node.reader as? Hesitating)?.count == 200_000) }
    }

    @Test func `readers that have stopped hold 64 KiB each, and others go on`() async throws {
        let world = try await CarrierWorld { $0.stalls = true }
        let block = String(repeating: "x", count: 200_000)
        await world.dial(block, count: 50)
        await world.node.run { _, node in node.stalls = false }
        await world.dial(block)
        world.world.advance(by: .milliseconds(100))
        await world.node.run { _, node in
            #expect(node.recorders[50].bytes.count == 200_000)
            for recorder in node.recorders.prefix(50) { #expect(recorder.bytes.isEmpty) }
        }
        await world.client.run { _, client in
            for link in client.links.prefix(50) { #expect(link.queued == 200_000 - MuxInflow.first) }
        }
        await world.node.run { _, node in
            for recorder in node.recorders.prefix(50) { recorder.link?.resumeReading() }
        }
        world.world.advance(by: .seconds(1))
        await world.node.run { _, node in
            for recorder in node.recorders { #expect(recorder.bytes.count == 200_000) }
        }
    }

    @Test func `datagrams keep their bounds, and are lost where nobody reads`() async throws {
        let world = try await CarrierWorld { $0.echoes = true }
        await world.client.run { loop, client in client.dialFlow([[], [1], [UInt8](repeating: 2, count: 65_507)]) }
        world.world.settle()
        await world.client.run { _, client in
            #expect(client.recorders[0].messages.map(\.count) == [0, 1, 65_507])
            client.links[0].pauseReading()
            client.links[0].write([3])
        }
        world.world.settle()
        await world.client.run { _, client in
            client.links[0].resumeReading()
            client.links[0].write([4])
            client.links[0].write([UInt8](repeating: 5, count: 65_508))
        }
        world.world.settle()
        #expect(await world.client.run { _, client in client.recorders[0].messages.last } == [4])
    }

    /// Every stream of a bad network brings exactly its bytes.
    @Test(arguments: 1...15) func `streams survive a network that delays and splits`(_ seed: UInt64) async throws {
        var faults = SeededNetwork.Faults()
        faults.piece = 1...30_000
        faults.delay = .milliseconds(1)...(.milliseconds(60))
        let network = SeededNetwork(seed: seed, faults: faults)
        let world = try await CarrierWorld(seed: seed, network: network) { $0.echoes = true }
        world.world.advance(by: .seconds(5))
        let sizes = [0, 1, 65_536, 65_537, 700_000, 3_000]
        await world.client.run { _, client in
            for size in sizes {
                client.dial("")
                client.links.last?.write((0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ size) })
                client.links.last?.finish()
            }
        }
        world.world.advance(by: .seconds(60))
        await world.client.run { _, client in
            for (index, size) in sizes.enumerated() {
                let expected = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ size) }
                #expect(client.recorders[index].bytes == expected, "seed \(seed), \(size) bytes")
                #expect(client.recorders[index].closeReason == .finished, "seed \(seed), \(size) bytes")
            }
            #expect(client.peer?.streamCount == 0, "seed \(seed)")
        }
    }

    /// Whatever happens to the connections, streams end, and new ones work once the client is back.
    @Test(arguments: 1...15) func `streams of a network that cuts end with a reason`(_ seed: UInt64) async throws {
        var faults = SeededNetwork.Faults()
        faults.cutAfter = 3_000...80_000
        let network = SeededNetwork(seed: seed, faults: faults)
        let world = try await CarrierWorld(seed: seed, network: network) { $0.echoes = true }
        for _ in 0..<10 {
            await world.dial(String(repeating: "y", count: 20_000), count: 2)
            world.world.advance(by: .seconds(20))
            await world.client.run { _, client in if client.peer?.invoker == nil { client.connect() } }
        }
        world.world.advance(by: .seconds(120))
        await world.client.run { _, client in
            for (index, recorder) in client.recorders.enumerated() {
                #expect(recorder.bytes.count == 20_000 || recorder.closeReason != nil, "seed \(seed), \(index)")
            }
            client.client?.close()
        }
        world.world.advance(by: .seconds(120))
        #expect(await world.node.run { _, node in node.server?.peerCount } == 0, "seed \(seed)")
        #expect(await world.node.run { loop, _ in loop.linkCount } == 0, "seed \(seed)")
        #expect(await world.client.run { loop, _ in loop.linkCount } == 0, "seed \(seed)")
    }
}
