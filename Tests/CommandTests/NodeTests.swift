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

/// A part that stops when another one does.
private struct DependentPart: NodePart {
    let wait: AsyncStream<Never>
    let tell: AsyncStream<Never>.Continuation
    var ports: [Node.Port] { [] }
    func stop(within limit: Duration) async -> Int {
        tell.finish()
        for await _ in wait {}
        return 1
    }
}

@Suite(.timeLimit(.minutes(1))) struct NodeTests {
    private func node(drainLimit: Duration = .seconds(30)) async throws -> Node {
        var configuration = Node.Configuration()
        configuration.loops = 1
        configuration.drainLimit = drainLimit
        return try await Node(configuration)
    }

    @Test func `parts stop together, and what each has cut off is counted`() async throws {
        let node = try await node()
        let (one, other) = (AsyncStream.makeStream(of: Never.self), AsyncStream.makeStream(of: Never.self))
        _ = try await node.start { _ in DependentPart(wait: one.stream, tell: other.continuation) }
        _ = try await node.start { _ in DependentPart(wait: other.stream, tell: one.continuation) }
        #expect(await node.stop() == 2)
    }

    @Test func `an echo that stops accepts no more, and echoes until who is there has gone`() async throws {
        let node = try await node()
        let echo = try await node.start { loops in try await EchoPart(EchoPart.Configuration(), on: loops) }
        let address = try #require(SocketAddress(echo.ports[0].address))
        var client: PlainClient? = try PlainClient(address)
        #expect(client?.ask("before") == "before")
        async let stopped = node.stop()
        while (try? PlainClient(address)) != nil { try await Task.sleep(for: .milliseconds(1)) }
        #expect(client?.ask("while it stops") == "while it stops")
        client = nil
        #expect(await stopped == 0)
    }

    @Test func `who does not leave an echo in time is cut off, and counted`() async throws {
        let node = try await node(drainLimit: .milliseconds(50))
        let echo = try await node.start { loops in try await EchoPart(EchoPart.Configuration(), on: loops) }
        let clients = try (0..<3).map { _ in
            try PlainClient(try #require(SocketAddress(echo.ports[0].address)))
        }
        for client in clients { #expect(client.ask("here") == "here") }
        #expect(await node.stop() == 3)
        for client in clients { #expect(client.read(1) == nil) }
    }

    @Test func `an answer that is due when pages stop still comes`() async throws {
        let node = try await node()
        let (asked, ask) = AsyncStream.makeStream(of: Never.self)
        let (wait, letGo) = AsyncStream.makeStream(of: Never.self)
        let pages = try await node.start { loops in
            try await HTTPPart("pages", at: .loopback(), on: loops) { loop in
                var routes = HTTPRoutes()
                routes.get("/late") { exchange in
                    ask.finish()
                    for await _ in wait {}
                    exchange.respond(.ok, "late")
                }
                return HTTPServer(on: loop, routes: routes)
            }
        }
        let elsewhere = EventLoop()
        let client = await elsewhere.own { [address = pages.address] loop in
            HTTPClient(on: loop, StreamDialer(address), host: "here")
        }
        async let answer = client.get("/late")
        for await _ in asked {}
        async let stopped = node.stop()
        while (try? PlainClient(pages.address)) != nil { try await Task.sleep(for: .milliseconds(1)) }
        letGo.finish()
        #expect(try await answer.text == "late")
        #expect(await stopped == 0)
        await client.release()
        await elsewhere.shutdown()
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
