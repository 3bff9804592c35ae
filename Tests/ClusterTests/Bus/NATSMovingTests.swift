import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// Moving from a server that will end to another one, in simulated time.
@Suite struct NATSMovingTests {
    /// Two servers of one cluster, and two ports that begin at the first.
    private func cluster() async throws -> FakeCluster {
        let cluster = try await FakeCluster(servers: 2, known: 1, clients: 2)
        let other = cluster.servers[1]
        // Both on one loop, so they may know each other.
        let others = await other.run { loop, other in loop.name(other) }
        await cluster.servers[0].run { loop, server in
            server.info.others = ["fake:2"]
            guard let other = others.on(loop) else { return }
            server.others = [other]
            other.others = [server]
        }
        for client in 0..<2 { await cluster.with(client) { _ in } }
        #expect(await cluster.serve(0) { $0.connections.count } == 2)
        return cluster
    }

    @Test func `a server in lame duck mode is left before it ends, and no request is lost`() async throws {
        let (cluster, heard) = (try await cluster(), Heard())
        try await cluster.with(1) { port in
            _ = try port.subscribe("echo") { message in
                guard let reply = message.reply else { return }
                let text = message.text
                heard.add("got \(text)")
                port.loop.after(.seconds(1), Later { try? reply.send(Array("answer \(text)".utf8)) })
            }
        }
        await cluster.request("echo", "1", into: heard)
        await cluster.serve(0) { $0.tell { $0.isLeaving = true } }
        #expect(await cluster.state(0) == .open)
        #expect(await cluster.serve(1) { $0.connections.count } == 2)
        await cluster.request("echo", "2", into: heard)
        cluster.world.advance(by: .seconds(2))
        #expect(heard.texts == ["got 1", "got 2", "answer 1", "answer 2"])
        cluster.world.advance(by: .seconds(4))
        #expect(await cluster.serve(0) { $0.connections.count } == 0, "left for good")
        await cluster.request("echo", "3", into: heard)
        cluster.world.advance(by: .seconds(1))
        #expect(heard.texts.suffix(2) == ["got 3", "answer 3"])
        #expect(await cluster.state(0) == .open)
    }

    @Test func `a request that reaches both servers during the move is heard once`() async throws {
        let (cluster, heard) = (try await cluster(), Heard())
        try await cluster.with(1) { port in
            _ = try port.subscribe("echo") { message in
                heard.add("got")
                try? message.respond(message.payload)
            }
        }
        // Both servers have the subscription when what was held back goes out.
        await cluster.serve(0) { $0.holdsBack = true }
        await cluster.request("echo", "1", into: heard)
        let bus = cluster.bus
        await cluster.serve(0) { server in
            server.isKeepingUnsubscribed = true
            server.tell { $0.isLeaving = true }
        }
        await cluster.serve(0) { $0.letGo() }
        #expect(heard.texts == ["got", "1"])
        #expect(await cluster.world.loops[1].snapshot().prometheusText.contains("omniway_bus_duplicates_total 1"))
        #expect(await cluster.world.loops[1].run { bus.port(on: $0).state } == .open)
    }

    @Test func `without another server the old one is used to its end`() async throws {
        let (cluster, heard) = (try await FakeCluster(), Heard())
        try await cluster.with { _ = try $0.subscribe("echo") { message in try? message.respond(message.payload) } }
        await cluster.serve { $0.tell { $0.isLeaving = true } }
        await cluster.request("echo", "1", into: heard)
        #expect(heard.texts == ["1"])
        await cluster.serve { server in
            server.info.isLeaving = false
            server.cutAll()
        }
        cluster.world.advance(by: .seconds(1))
        #expect(await cluster.state() == .open)
    }

    @Test func `servers that were told of take over, and are forgotten when they are gone`() async throws {
        let cluster = try await cluster()
        await cluster.serve(0) { server in
            server.isDown = true
            server.cutAll()
        }
        cluster.world.advance(by: .seconds(1))
        #expect(await cluster.state(0) == .open)
        #expect(await cluster.serve(1) { $0.connections.count } == 2)
        // The second one knows of no others, so only it and those that were configured remain.
        await cluster.serve(1) { $0.tell { $0.others = [] } }
        await cluster.serve(0) { $0.isDown = false }
        await cluster.serve(1) { server in
            server.isDown = true
            server.cutAll()
        }
        cluster.world.advance(by: .seconds(5))
        #expect(await cluster.serve(0) { $0.connections.count } == 2)
    }

    @Test func `a move that fails is tried again while the old server still serves`() async throws {
        let cluster = try await cluster()
        await cluster.serve(1) { $0.isDown = true }
        await cluster.serve(0) { $0.tell { $0.isLeaving = true } }
        cluster.world.advance(by: .seconds(3))
        #expect(await cluster.state(0) == .open)
        await cluster.serve(1) { $0.isDown = false }
        // Told again, they try at once, and not a second time when their pauses are over.
        await cluster.serve(0) { $0.tell { $0.isLeaving = true } }
        let asked = await cluster.serve(0) { $0.greeted.count }
        cluster.world.advance(by: .seconds(60))
        #expect(await cluster.serve(1) { $0.connections.count } == 2)
        #expect(await cluster.serve(0) { $0.greeted.count } == asked)
        await cluster.serve(0) { $0.cutAll() }
        #expect(await cluster.state(0) == .open)
    }
}
