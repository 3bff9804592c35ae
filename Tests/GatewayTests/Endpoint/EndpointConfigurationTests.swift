import OmniwayGateway
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// What an endpoint makes of its configuration, seen by a gateway that says what a test tells it to.
@Suite(.timeLimit(.minutes(2))) struct EndpointConfigurationTests {
    private func client(_ change: (inout EndpointConfiguration) -> Void) -> EndpointConfiguration {
        var configuration = EndpointConfiguration.client
        change(&configuration)
        return configuration
    }

    @Test func `ServerID and AuthKey are what a server answers the challenge with`() async throws {
        let gateway = try await ScriptedGateway()
        let server = try await gateway.endpoint(.server(9, key: "key"))
        await gateway.say([1, 2, 3])
        await gateway.say([4, 5, 6, 7, 8])
        let said = await gateway.intake.run { _, intake in intake.recorders[0].bytes }
        #expect(said == GatewayLogin.answer(to: [1, 2, 3, 4, 5, 6, 7, 8], key: Array("key".utf8), as: 9))
        #expect(await server.run { _, server in server.session.isOpen })
    }

    @Test func `AuthTimeout ends the wait for a challenge`() async throws {
        let gateway = try await ScriptedGateway()
        var configuration = EndpointConfiguration.server(9, key: "key")
        configuration.authTimeout = .seconds(2)
        configuration.reconnect = nil
        let server = try await gateway.endpoint(configuration)
        gateway.world.advance(by: .milliseconds(1999))
        #expect(await server.run { _, server in server.session.hasEnded } == false)
        gateway.world.advance(by: .milliseconds(1))
        #expect(await server.run { _, server in server.session.hasEnded })
        let loss = await server.run { _, server in server.session.lastLoss }
        #expect(loss?.detail?.hasPrefix("handshake-timeout") == true)
    }

    @Test func `MaxPacket is what a gateway's packet may have at most`() async throws {
        let gateway = try await ScriptedGateway()
        let client = try await gateway.endpoint(
            client {
                $0.maxPacketSize = 100
                $0.reconnect = nil
            })
        await gateway.say(.connect(1, 7))
        await gateway.say(TestPeer.frame(1, [UInt8](repeating: 1, count: 96)))
        #expect(await client.run { _, client in client.intake.recorders[0].messages.map(\.count) } == [96])
        await gateway.say([101, 0, 0, 0])
        #expect(await client.run { _, client in client.session.lastLoss }?.detail?.hasPrefix("protocol-error") == true)
    }

    @Test func `BufferSize is how much of a message is waited for`() async throws {
        let gateway = try await ScriptedGateway()
        let client = try await gateway.endpoint(client { $0.bufferSize = 50 })
        await gateway.say(.connect(1, 7))
        await gateway.say(Array(TestPeer.frame(1, [UInt8](repeating: 1, count: 100)).prefix(57)))
        #expect(await client.run { _, client in client.intake.recorders[0].bytes.count } == 0)
        await gateway.say([1])
        #expect(await client.run { _, client in client.intake.recorders[0].bytes.count } == 50)
        await gateway.say([UInt8](repeating: 1, count: 50))
        #expect(await client.run { _, client in client.intake.recorders[0].messages.map(\.count) } == [100])
    }

    @Test func `PingInterval is how often a v2 endpoint pings, whatever else it says`() async throws {
        let gateway = try await ScriptedGateway()
        let client = try await gateway.endpoint(client { $0.pingInterval = .seconds(3) })
        await gateway.say(.connect(1, 7))
        for second in 1...9 {
            gateway.world.advance(by: .seconds(1))
            await client.run { _, client in client.links[0].write([1]) }
            gateway.world.settle()
            #expect(await gateway.count(of: .ping) == second / 3)
            if second % 3 == 0 { await gateway.say(.ping) }
        }
    }

    @Test func `without PingInterval there are no pings, and a ping of the gateway is survived`() async throws {
        let gateway = try await ScriptedGateway()
        let client = try await gateway.endpoint(client { $0.pingInterval = .zero })
        await gateway.say(.ping)
        gateway.world.advance(by: .seconds(100))
        #expect(await gateway.heard() == [])
        #expect(await client.run { _, client in client.session.isOpen })
    }

    @Test func `v1 endpoints answer pings at once and send none`() async throws {
        let gateway = try await ScriptedGateway(.v1)
        _ = try await gateway.endpoint(client { $0.dialect = .v1 })
        gateway.world.advance(by: .seconds(100))
        #expect(await gateway.heard() == [])
        await gateway.say(.ping)
        #expect(await gateway.heard() == ["ping"])
    }

    @Test(
        arguments: [
            (10, 10, false), (10, 0, true), (9, 10, true), (0, 10, true), (30, 30, false),
        ] as [(Int, Int, Bool)])
    func `PingInterval must be below the gateway's idle limit`(_ interval: Int, _ idle: Int, _ isGood: Bool) throws {
        let configuration = client {
            $0.pingInterval = .seconds(interval)
            $0.gatewayIdleLimit = .seconds(idle)
        }
        if isGood {
            try configuration.check()
        } else {
            #expect(throws: EndpointError.self) { try configuration.check() }
        }
    }

    @Test(arguments: [PingVerdict.close, .keep])
    func `PingTimeout asks TimeoutCallback what to do`(_ verdict: PingVerdict) async throws {
        let gateway = try await ScriptedGateway()
        let asked = Lock(0)
        let client = try await gateway.endpoint(
            client {
                $0.pingInterval = .seconds(3)
                $0.pingTimeout = .seconds(2)
                $0.reconnect = nil
                $0.timeoutCallback = {
                    asked.withLock { $0 += 1 }
                    return verdict
                }
            })
        gateway.world.advance(by: .milliseconds(4999))
        #expect(asked.withLock { $0 } == 0)
        gateway.world.advance(by: .milliseconds(1))
        #expect(asked.withLock { $0 } == 1)
        #expect(await client.run { _, client in client.session.hasEnded } == (verdict == .close))
        guard verdict == .keep else { return }
        gateway.world.advance(by: .seconds(2))
        #expect(asked.withLock { $0 } == 2, "it is given as long again")
        await gateway.say(.ping)
        gateway.world.advance(by: .seconds(1))
        #expect(await gateway.count(of: .ping) == 2)
    }

    @Test func `a stream that can resume does so instead of ending`() async throws {
        let gateway = try await ScriptedGateway()
        let resumed = Lock(0)
        let client = try await gateway.endpoint(
            client {
                $0.pingInterval = .seconds(3)
                $0.pingTimeout = .seconds(1)
                $0.resume = { physical in
                    resumed.withLock { $0 += 1 }
                    return physical.state == .open
                }
            })
        await gateway.say(.connect(1, 7))
        gateway.world.advance(by: .seconds(6))
        #expect(resumed.withLock { $0 } == 3)
        #expect(await client.run { _, client in client.links.count } == 1)
    }

    @Test func `sizes that hold nothing are refused, with what to do`() {
        let changes: [(inout EndpointConfiguration) -> Void] = [
            { $0.sendChanSize = 0 }, { $0.recvChanSize = 0 }, { $0.bufferSize = 0 }, { $0.maxPacketSize = 8 },
            { $0.sendChanBytes = 1 << 30 }, { $0.maxPacketSize = 1 << 30 },
        ]
        for change in changes { #expect(throws: EndpointError.self) { try client(change).check() } }
    }

    // MARK: Quirks of gateways

    @Test(arguments: GatewayDialect.allCases)
    func `data for a connection that is none is answered with close`(_ dialect: GatewayDialect) async throws {
        let gateway = try await ScriptedGateway(dialect)
        let client = try await gateway.endpoint(client { $0.dialect = dialect })
        await gateway.say("hello", on: 5)
        await gateway.say(.close(6))
        #expect(await gateway.heard() == ["close(5)"])
        #expect(await client.run { _, client in client.session.isOpen })
    }

    @Test func `a close is answered with a close, as the originals do`() async throws {
        let gateway = try await ScriptedGateway()
        let client = try await gateway.endpoint(.client)
        await gateway.say(.connect(5, 7))
        await gateway.say(.close(5))
        await gateway.say(.close(5))
        #expect(await gateway.heard() == ["close(5)"])
        #expect(await client.run { _, client in client.intake.recorders[0].hasFinished })
    }

    @Test func `a gateway that breaks the protocol is left`() async throws {
        for nonsense in [[5, 0, 0, 0, 0, 0, 0, 0, 9], [3, 0, 0, 0], [4, 0, 0, 0, 0, 0, 0, 0]] as [[UInt8]] {
            let gateway = try await ScriptedGateway()
            let client = try await gateway.endpoint(client { $0.reconnect = nil })
            await gateway.say(nonsense)
            #expect(await client.run { _, client in client.session.hasEnded })
        }
    }

    @Test func `who dials an endpoint that accepts nothing is hung up on`() async throws {
        let gateway = try await ScriptedGateway()
        let client = try await gateway.endpoint(client { $0.mostConnections = 2 })
        for id in 1...3 as ClosedRange<UInt32> { await gateway.say(.connect(ConnectionID(rawValue: id), 7)) }
        #expect(await gateway.heard() == ["close(3)"])
        await client.run { _, client in client.intake.refuses = true }
        await gateway.say(.close(1))
        await gateway.say(.connect(4, 7))
        await client.run { _, client in client.session.intake = nil }
        await gateway.say(.close(2))
        await gateway.say(.connect(5, 7))
        #expect(await gateway.heard() == ["close(3)", "close(1)", "close(4)", "close(2)", "close(5)"])
    }
}
