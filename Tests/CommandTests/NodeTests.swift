import Omniway
import OmniwayTelemetry
import OmniwayTransport
import Testing

/// A part that takes as long to start as a test wants.
private struct SlowPart: NodePart {
    let stops: Lock<Int>
    var ports: [Node.Port] { [] }
    func stop(within limit: Duration) async -> Int {
        stops.withLock { $0 += 1 }
        return 0
    }
}

@Suite(.timeLimit(.minutes(1))) struct NodeTests {
    private func node() async throws -> Node {
        var configuration = Node.Configuration()
        configuration.loops = 1
        configuration.drainLimit = .seconds(30)
        return try await Node(configuration)
    }

    @Test func `a part that is there only when the node has begun to stop is stopped again`() async throws {
        let node = try await node()
        let stops = Lock(0)
        let (asked, ask) = AsyncStream.makeStream(of: Never.self)
        let (wait, letGo) = AsyncStream.makeStream(of: Never.self)
        async let starting = node.start { loops in
            ask.finish()
            for await _ in wait {}
            // The loops are there as long as somebody needs them.
            await loops.loops[0].run { _ in }
            return SlowPart(stops: stops)
        }
        for await _ in asked {}
        async let stopped = node.stop()
        var isStopping = false
        while !isStopping {
            do { _ = try await node.start { _ in SlowPart(stops: Lock(0)) } } catch is NodeStopped { isStopping = true }
        }
        letGo.finish()
        do {
            _ = try await starting
            Issue.record("a part has started on a node that stops")
        } catch is NodeStopped {}
        let cutOff = await stopped
        #expect(cutOff == 0)
        #expect(stops.withLock { $0 } == 1)
        #expect(await node.stop() == 0)
    }

    @Test func `a start that fails stops the parts before it, once`() async throws {
        struct Fault: Error {}
        let node = try await node()
        let stops = Lock(0)
        _ = try await node.start { _ in SlowPart(stops: stops) }
        await #expect(throws: Fault.self) { try await node.start { _ -> SlowPart in throw Fault() } }
        await node.stop()
        #expect(stops.withLock { $0 } == 1)
    }
}
