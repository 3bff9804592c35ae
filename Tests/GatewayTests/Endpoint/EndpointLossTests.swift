import OmniwayGateway
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// Gateways that come late, leave, and come back.
@Suite(.timeLimit(.minutes(2))) struct EndpointLossTests {
    @Test func `connections end with their gateway, and new ones work when it is back`() async throws {
        let world = try await GatewayWorld(loops: 2)
        let server = try await world.endpoint(GatewayWorld.server(7))
        let client = try await world.endpoint(GatewayWorld.client(), on: 1)
        await server.run { _, server in server.echoes() }
        await client.run { _, client in client.dial(7, saying: "before") }
        world.world.settle()
        await world.gateway.drain(within: .zero)
        world.world.settle()
        for endpoint in [server, client] {
            let reasons = await endpoint.run { _, end in (end.dialled + end.intake.recorders).map(\.closeReason) }
            #expect(reasons == [.gatewayLost])
        }
        world.world.advance(by: .seconds(1))
        await client.run { _, client in client.dial(7, saying: "after") }
        world.world.settle()
        // A gateway that has drained refuses dials; a new one on the same ports does not.
        #expect(await client.run { _, client in client.dialled[1].closeReason } == .dialRefused)
    }

    @Test func `a server logs in again at each gateway that it finds, and clients dial again`() async throws {
        let gateway = try await ScriptedGateway()
        let server = try await gateway.endpoint(.server(7, key: "key"))
        for round in 0..<3 {
            #expect(await gateway.connections == round + 1)
            await gateway.say([UInt8](repeating: UInt8(round), count: 8), round)
            await gateway.say(.connect(1, 5), round)
            await server.run { _, server in server.dial(6) }
            gateway.world.settle()
            await gateway.say(.accept(2, 6), round)
            let open = await server.run { _, server in server.links.map(\.virtual?.remote) }
            #expect(open == [6, 5])
            await gateway.hangUp(round)
            #expect(await server.run { _, server in server.links.count } == 0)
            gateway.world.advance(by: .seconds(1))
        }
        #expect(
            await server.run { _, server in server.dialled.map(\.closeReason) } == [
                .gatewayLost, .gatewayLost, .gatewayLost,
            ])
    }

    @Test func `a link of an earlier gateway cannot close one of a later`() async throws {
        let gateway = try await ScriptedGateway()
        let client = try await gateway.endpoint(.client)
        await gateway.say(.connect(1, 5))
        await client.run { _, client in client.links[0].pauseReading() }
        await gateway.say("unread", on: 1)
        await gateway.say(.close(1))
        await gateway.hangUp()
        gateway.world.advance(by: .seconds(1))
        await gateway.say(.connect(1, 6), 1)
        await client.run { _, client in client.links[0].close(.done) }
        gateway.world.settle()
        #expect(await gateway.heard(1) == [])
        #expect(await client.run { _, client in client.links.map(\.virtual?.remote) } == [6])
    }

    @Test func `dials wait for a gateway, as long as they may`() async throws {
        let gateway = try await ScriptedGateway()
        await gateway.listening.stop()
        var configuration = EndpointConfiguration.client
        configuration.pingInterval = .zero
        let client = try await gateway.endpoint(configuration)
        await client.run { _, client in
            client.dial(7, deadline: .seconds(1))
            client.dial(8, deadline: .seconds(60), saying: "early")
        }
        gateway.world.advance(by: .seconds(2))
        #expect(await client.run { _, client in client.dialled.map(\.closeReason) } == [.connectTimeout, nil])
        let reopened = try await gateway.transport.open(into: [gateway.intake])
        gateway.world.advance(by: .seconds(20))
        await gateway.say(.accept(3, 8))
        #expect(await gateway.heard() == ["\(GatewayCommand.dial(8, as: 0))", "3: early"])
        await reopened.stop()
    }

    @Test func `a dial that nobody answers in time ends, and a late answer is closed`() async throws {
        let gateway = try await ScriptedGateway()
        let client = try await gateway.endpoint(.client)
        await client.run { _, client in client.dial(7, deadline: .seconds(3)) }
        gateway.world.advance(by: .seconds(3))
        #expect(await client.run { _, client in client.dialled[0].closeReason } == .connectTimeout)
        await gateway.say(.accept(4, 7))
        #expect(await gateway.heard().last == "close(4)")
    }

    @Test func `pauses grow, differ, and begin anew when the gateway has answered`() async throws {
        var configuration = EndpointConfiguration.client
        configuration.reconnect = Reconnecting(first: .seconds(1), longest: .seconds(8))
        let gateway = try await ScriptedGateway()
        let client = try await gateway.endpoint(configuration)
        var pauses: [Duration] = []
        for round in 0..<6 {
            if round == 5 { await gateway.say(.refuse(1, as: 0), round) }
            await gateway.hangUp(round)
            let begin = gateway.world.clock.now
            while await gateway.connections == round + 1 { gateway.world.advance(by: .milliseconds(10)) }
            pauses.append(gateway.world.clock.now - begin)
        }
        for (pause, whole) in zip(pauses, [1, 2, 4, 8, 8, 1]) {
            #expect(pause >= .seconds(whole) / 2 && pause <= .seconds(whole) + .milliseconds(10), "\(pauses)")
        }
        #expect(await client.run { _, client in client.session.isOpen })
    }

    @Test func `a wrong key is found out, and said`() async throws {
        let world = try await GatewayWorld()
        let server = try await world.endpoint(.server(7, key: "wrong"))
        let loss = await server.run { _, server in server.session.lastLoss }
        #expect(loss?.detail?.hasSuffix("is the key right?") == true)
    }

    @Test func `an endpoint that is closed says goodbye to all and does not come back`() async throws {
        let gateway = try await ScriptedGateway()
        let client = try await gateway.endpoint(.client)
        await gateway.say(.connect(1, 5))
        await client.run { _, client in
            client.links[0].write(Array("bye".utf8))
            client.session.close()
        }
        gateway.world.advance(by: .seconds(100))
        #expect(await gateway.heard() == ["1: bye", "close(1)"])
        #expect(await gateway.connections == 1)
        #expect(await gateway.intake.run { _, intake in intake.recorders[0].hasFinished })
        #expect(await client.run { _, client in client.session.endpoint == nil })
        await client.run { _, client in client.dial(7) }
        gateway.world.settle()
        #expect(await client.run { _, client in client.dialled[0].closeReason } == .gatewayLost)
    }

    @Test func `an endpoint lives on a link that is there already, and ends with it`() async throws {
        let gateway = try await ScriptedGateway()
        let transport = gateway.transport
        let client = try await gateway.world.first.own { loop throws(EndpointError) in
            let link = transport.dial(on: loop, deadline: .seconds(1), handler: Recorder())
            guard let link else { throw .closed(.tooManyLinks) }
            return try TestEndpoint(.client, over: link)
        }
        gateway.world.settle()
        await gateway.say(.connect(1, 5))
        await gateway.say("hello", on: 1)
        #expect(await client.run { _, client in client.intake.recorders[0].texts } == ["hello"])
        await gateway.hangUp()
        #expect(await client.run { _, client in client.session.hasEnded })
        #expect(await client.run { _, client in client.intake.recorders[0].closeReason } == .gatewayLost)
    }
}
