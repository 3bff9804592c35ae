import OmniwayGateway
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// Endpoints and the real gateway, as links on simulated loops.
@Suite(.timeLimit(.minutes(2))) struct EndpointLinkTests {
    static let dialects: [(GatewayDialect, GatewayDialect)] = [(.v1, .v1), (.v1, .v2), (.v2, .v1), (.v2, .v2)]

    @Test(arguments: dialects)
    func `a client and a server talk through a gateway`(_ one: GatewayDialect, _ other: GatewayDialect) async throws {
        let world = try await GatewayWorld(client: one, server: other)
        let server = try await world.endpoint(GatewayWorld.server(7, other))
        await server.run { _, server in server.echoes() }
        let client = try await world.endpoint(GatewayWorld.client(one))
        await client.run { _, client in client.dial(7, saying: "hello") }
        world.world.settle()
        await client.run { _, client in client.dialled[0].link?.write([]) }
        world.world.settle()
        #expect(await client.run { _, client in client.dialled[0].texts } == ["hello", ""])
        let ends = await client.run { _, client in client.dialled[0].link?.virtual }
        #expect(ends?.remote == 7)
        #expect(await server.run { _, server in server.links.map(\.virtual?.remote) } == [1])
        #expect(await server.run { _, server in server.links.map(\.virtual?.connection) } == [ends?.connection])
    }

    @Test(arguments: dialects)
    func `a server dials a client, and both hear who it is`(_ one: GatewayDialect, _ other: GatewayDialect) async throws
    {
        let world = try await GatewayWorld(client: one, server: other)
        let server = try await world.endpoint(GatewayWorld.server(7, other))
        let client = try await world.endpoint(GatewayWorld.client(one))
        await server.run { _, server in server.dial(1, saying: "news") }
        world.world.settle()
        #expect(await client.run { _, client in client.intake.recorders.map(\.texts) } == [["news"]])
        #expect(await client.run { _, client in client.links.map(\.virtual?.remote) } == [7])
    }

    @Test(arguments: GatewayDialect.allCases)
    func `many dials at a time find their servers, and those to nobody are refused`(_ dialect: GatewayDialect)
        async throws
    {
        let world = try await GatewayWorld(client: dialect) { $0.connectionsPerClient = 100 }
        for id in [5, 6] as [EndpointID] {
            let server = try await world.endpoint(GatewayWorld.server(id))
            await server.run { _, server in
                server.intake.prepare = { recorder, _ in
                    recorder.then = { event, link in if event == .opened { link.write(Array("I am \(id)".utf8)) } }
                }
            }
        }
        let client = try await world.endpoint(GatewayWorld.client(dialect))
        await client.run { _, client in for id in 0..<30 { client.dial(EndpointID(rawValue: 5 + UInt32(id % 3))) } }
        world.world.settle()
        let heard = await client.run { _, client in client.dialled.map { $0.texts.first ?? "\($0.closeReason!)" } }
        for (index, text) in heard.enumerated() {
            #expect(index % 3 == 2 ? text.hasPrefix("dial-refused") : text == "I am \(5 + index % 3)")
        }
    }

    @Test func `what was sent before a close arrives before it`() async throws {
        let world = try await GatewayWorld()
        let server = try await world.endpoint(GatewayWorld.server(7))
        let client = try await world.endpoint(GatewayWorld.client())
        await client.run { _, client in client.dial(7) }
        world.world.settle()
        await server.run { _, server in server.links[0].pauseReading() }
        await client.run { _, client in
            client.links[0].write(Array("last words".utf8))
            client.links[0].close(.done)
        }
        world.world.settle()
        #expect(await server.run { _, server in server.intake.recorders[0].texts } == [])
        await server.run { _, server in server.links[0].resumeReading() }
        world.world.settle()
        #expect(await server.run { _, server in server.intake.recorders[0].texts } == ["last words"])
        #expect(await server.run { _, server in server.intake.recorders[0].hasFinished })
    }

    @Test func `who finishes hears what was on its way, and then the end`() async throws {
        let world = try await GatewayWorld()
        let server = try await world.endpoint(GatewayWorld.server(7))
        let client = try await world.endpoint(GatewayWorld.client())
        await client.run { _, client in client.dial(7) }
        world.world.settle()
        await server.run { _, server in server.links[0].write(Array("late".utf8)) }
        await client.run { _, client in client.links[0].finish() }
        world.world.settle()
        let events = await client.run { _, client in client.dialled[0].events }
        #expect(events == [.opened, .message(Array("late".utf8)), .closed(.finished)])
        #expect(await server.run { _, server in server.intake.recorders[0].hasFinished })
    }

    @Test func `a message may have four bytes less than a packet, and a longer one closes its own connection`()
        async throws
    {
        var configuration = GatewayWorld.client()
        configuration.maxPacketSize = 1000
        let world = try await GatewayWorld { $0.maxPacketSize = 1000 }
        let server = try await world.endpoint(GatewayWorld.server(7))
        let client = try await world.endpoint(configuration)
        await client.run { _, client in for _ in 0..<2 { client.dial(7) } }
        world.world.settle()
        await client.run { _, client in
            client.dialled[0].link?.write([UInt8](repeating: 1, count: 996))
            client.dialled[1].link?.write([UInt8](repeating: 1, count: 997))
        }
        world.world.settle()
        #expect(await client.run { _, client in client.dialled.map(\.closeReason) } == [nil, .messageTooLarge])
        #expect(
            await server.run { _, server in server.intake.recorders.map { $0.messages.map(\.count) } } == [[996], []])
    }

    @Test func `a full receive queue closes its own connection and no other`() async throws {
        var configuration = GatewayWorld.server(7)
        configuration.recvChanSize = 3
        let world = try await GatewayWorld()
        let server = try await world.endpoint(configuration)
        let client = try await world.endpoint(GatewayWorld.client())
        await client.run { _, client in for _ in 0..<2 { client.dial(7) } }
        world.world.settle()
        await server.run { _, server in server.links[0].pauseReading() }
        await client.run { _, client in
            for index in 0..<4 { for link in client.links { link.write(Array("\(index)".utf8)) } }
        }
        world.world.settle()
        #expect(await server.run { _, server in server.intake.recorders.map(\.closeReason) } == [.slowReader, nil])
        #expect(await server.run { _, server in server.intake.recorders[1].texts } == ["0", "1", "2", "3"])
        #expect(await client.run { _, client in client.dialled.map(\.hasFinished) } == [true, false])
    }

    @Test func `bytes that nobody reads have a limit too`() async throws {
        var configuration = GatewayWorld.server(7)
        configuration.recvChanBytes = 1000
        let world = try await GatewayWorld()
        let server = try await world.endpoint(configuration)
        let client = try await world.endpoint(GatewayWorld.client())
        await client.run { _, client in client.dial(7) }
        world.world.settle()
        await server.run { _, server in server.links[0].pauseReading() }
        await client.run { _, client in client.links[0].write([UInt8](repeating: 1, count: 1001)) }
        world.world.settle()
        #expect(await server.run { _, server in server.intake.recorders[0].closeReason } == .slowReader)
    }

    @Test func `messages longer than the buffer come in pieces and end as one`() async throws {
        var configuration = GatewayWorld.server(7)
        configuration.bufferSize = 1000
        let world = try await GatewayWorld()
        let server = try await world.endpoint(configuration, over: SeededNetwork(seed: 1).over(world.servers))
        let client = try await world.endpoint(GatewayWorld.client())
        world.world.advance(by: .seconds(1))
        await client.run { _, client in client.dial(7) }
        world.world.advance(by: .seconds(1))
        let sent = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 >> 3) }
        await client.run { _, client in client.links[0].write(sent) }
        world.world.advance(by: .seconds(10))
        #expect(await server.run { _, server in server.intake.recorders[0].messages } == [sent])
    }

    @Test func `links share a physical link in turn, and nothing is lost of what must wait`() async throws {
        var configuration = GatewayWorld.client()
        configuration.sendChanBytes = 10_000
        let world = try await GatewayWorld()
        let server = try await world.endpoint(GatewayWorld.server(7))
        let client = try await world.endpoint(configuration)
        await client.run { _, client in for _ in 0..<3 { client.dial(7) } }
        world.world.settle()
        let wereFull = await client.run { _, client in
            for index in 0..<40 {
                for link in client.links { link.write([UInt8](repeating: UInt8(index), count: 1000)) }
            }
            return client.links.map(\.isFull)
        }
        #expect(wereFull == [true, true, true])
        world.world.settle()
        for recorder in 0..<3 {
            let messages = await server.run { _, server in server.intake.recorders[recorder].messages }
            #expect(messages.map { $0.first } == (0..<40).map { UInt8($0) })
        }
        #expect(
            await client.run { _, client in client.dialled.map { $0.events.contains(.writable) } } == [
                true, true, true,
            ])
    }

    @Test func `SendChanSize is how many messages wait before a link is full, and half of when it is closed`()
        async throws
    {
        var configuration = GatewayWorld.client()
        configuration.sendChanSize = 3
        configuration.sendChanBytes = 100
        let world = try await GatewayWorld()
        _ = try await world.endpoint(GatewayWorld.server(7))
        let client = try await world.endpoint(configuration)
        await client.run { _, client in for _ in 0..<2 { client.dial(7) } }
        world.world.settle()
        let waiting = await client.run { _, client in
            client.links[0].write([UInt8](repeating: 0, count: 200))  // The physical link is full now.
            return (0..<7).map { _ in
                client.links[1].write([1])
                return client.dialled[1].link?.isFull
            }
        }
        #expect(waiting == [false, false, false, true, true, true, false])
        world.world.settle()
        #expect(await client.run { _, client in client.dialled.map(\.closeReason) } == [nil, .slowReader])
    }

    @Test(arguments: 1...5) func `conversations survive a bad network`(_ seed: UInt64) async throws {
        let world = try await GatewayWorld(loops: 2)
        var faults = SeededNetwork.Faults()
        faults.piece = 1...9
        let network = SeededNetwork(seed: seed, faults: faults)
        let server = try await world.endpoint(GatewayWorld.server(7), over: network.over(world.servers))
        await server.run { _, server in server.echoes() }
        let client = try await world.endpoint(GatewayWorld.client(), over: network.over(world.clients), on: 1)
        world.world.advance(by: .seconds(2))
        await client.run { _, client in
            for index in 0..<8 { client.dial(7, saying: "hello \(index)") }
        }
        world.world.advance(by: .seconds(20))
        let heard = await client.run { _, client in client.dialled.map(\.texts) }
        #expect(heard == (0..<8).map { ["hello \($0)"] }, "seed \(seed)")
    }
}
