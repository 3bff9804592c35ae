import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// Who clients are, and who is the newest of them.
@Suite struct NodeLoginTests {
    @Test func `a client registers once, and comes back as the same`() async throws {
        let world = try await TunnelWorld()
        let first = await world.client()
        let identity = try #require(await first.identity)
        #expect(await first.isLoggedIn)
        #expect(identity.tunnel.count == 8 && identity.token.count == 64 && identity.authCode.count == 8)
        #expect(try await world.keys("/zhangyu/client/online/") == ["/zhangyu/client/online/\(identity.client)"])
        // The token itself is nowhere.
        let record = try #require(try await world.value("/zhangyu/client/record/\(identity.client)"))
        #expect(!record.contains(identity.token) && record.contains("TokenMark"))
        await first.close()
        world.world.advance(by: .seconds(1))
        #expect(try await world.keys("/zhangyu/client/online/").isEmpty)

        let again = await world.client(identity)
        #expect(await again.isLoggedIn)
        #expect(again.told.registrations == 0)
        #expect(try await world.keys("/zhangyu/client/record/").count == 1)
    }

    @Test func `secrets do not come from the loop's chances`() async throws {
        var identities: [TunnelIdentity] = []
        for _ in 0..<2 {
            let world = try await TunnelWorld(seed: 5)
            identities.append(try #require(await world.client().identity))
        }
        // The worlds are the same, ids included; what must not be guessed is not.
        #expect(identities[0].client == identities[1].client)
        #expect(identities[0].token != identities[1].token)
        #expect(identities[0].authCode != identities[1].authCode)
    }

    @Test func `who has an id cannot register, and is let go`() async throws {
        let world = try await TunnelWorld()
        let stranger = await world.attacker()
        let named = await world.attacker(terminal: "6f000000-0000-4000-8000-00000000000a")
        for attacker in [stranger, named] {
            await attacker.run { _, attacker in attacker.say("/client/Register") }
        }
        world.world.advance(by: .seconds(1))
        #expect(await stranger.codes == [200])
        #expect(await named.codes == [403])
        #expect(await stranger.lost.isEmpty)
        #expect(await named.lost.count == 1)
    }

    @Test func `an address gets so many new clients in a minute`() async throws {
        let world = try await TunnelWorld { $0.registrations = RateLimit(5, in: .seconds(60)) }
        for index in 1...7 {
            let attacker = await world.attacker()
            await attacker.run { _, attacker in attacker.say("/client/register") }
            world.world.advance(by: .milliseconds(100))
            #expect(await attacker.codes == [index <= 5 ? 200 : 429])
        }
        world.world.advance(by: .seconds(60))
        let later = await world.attacker()
        await later.run { _, attacker in attacker.say("/client/register") }
        world.world.advance(by: .milliseconds(100))
        #expect(await later.codes == [200])
    }

    @Test func `a node that wants a key of new clients gives nothing without`() async throws {
        let world = try await TunnelWorld { $0.registerKey = "sesame" }
        let without = await world.client()
        #expect(without.told.refusals.contains(.forbidden))
        let with = await world.client { $0.registerKey = "sesame" }
        #expect(await with.isLoggedIn)
    }

    @Test func `a wrong token is refused and the connection closed`() async throws {
        let world = try await TunnelWorld()
        let owner = await world.client()
        let identity = try #require(await owner.identity)
        await owner.close()
        let wrong = TunnelIdentity(
            client: identity.client, token: String(identity.token.dropLast()) + "#", tunnel: identity.tunnel,
            authCode: identity.authCode)
        for (claim, code) in [(wrong, 401), (identity, 200)] {
            let attacker = await world.attacker(terminal: identity.client)
            await attacker.run { _, attacker in attacker.login(claim) }
            world.world.advance(by: .seconds(1))
            #expect(await attacker.codes == [code])
            #expect(await attacker.lost.isEmpty == (code == 200))
        }
    }

    @Test func `before the login there is nothing to be had, and not much time`() async throws {
        let world = try await TunnelWorld()
        let owner = await world.client()
        let identity = try #require(await owner.identity)
        _ = await world.add(
            TunnelRuleRequest(listen: "tcp://127.0.0.1:2222", target: "tcp://10.0.0.5:22", of: identity.tunnel),
            by: owner)
        await owner.close()
        let attacker = await world.attacker(terminal: identity.client)
        await attacker.run { _, attacker in attacker.say("/client/transfer/list") }
        world.world.advance(by: .seconds(1))
        #expect(await attacker.codes == [401])
        await attacker.run { _, attacker in
            attacker.login(identity)
            attacker.say("/client/transfer/list")
        }
        world.world.advance(by: .seconds(1))
        await attacker.run { _, attacker in attacker.say("/client/transfer/list") }
        world.world.advance(by: .seconds(1))
        #expect(await attacker.codes.suffix(1) == [200])
        let list = await attacker.run { _, attacker in attacker.bodies.last ?? "" }
        #expect(list.contains("10.0.0.5:22"))

        let idle = await world.attacker(terminal: identity.client)
        world.world.advance(by: .seconds(9))
        #expect(await idle.lost.isEmpty)
        world.world.advance(by: .seconds(2))
        #expect(await idle.lost.count == 1)
    }

    @Test func `a client that is silent is gone after a while, one that beats stays`() async throws {
        let world = try await TunnelWorld()
        let alive = await world.client()
        let owner = await world.client()
        let identity = try #require(await owner.identity)
        await owner.close()
        let silent = await world.attacker(terminal: identity.client)
        await silent.run { _, attacker in attacker.login(identity) }
        world.world.advance(by: .seconds(25))
        #expect(try await world.keys("/zhangyu/client/online/").count == 2)
        world.world.advance(by: .seconds(10))
        #expect(await silent.lost.count == 1)
        #expect(await alive.isLoggedIn)
        #expect(alive.told.logins == 1)
        #expect(try await world.keys("/zhangyu/client/online/").count == 1)
    }

    @Test func `the newer of two with one identity stays, and the older keeps away for a minute`() async throws {
        let world = try await TunnelWorld()
        let first = await world.client()
        let identity = try #require(await first.identity)
        let second = await world.client(identity)
        #expect(await second.isLoggedIn)
        #expect(await !first.isLoggedIn)
        #expect(first.told.kicks == 1)
        world.world.advance(by: .seconds(58))
        #expect(second.told.kicks == 0)
        world.world.advance(by: .seconds(10))
        // It has come back, and so the other was kicked in its turn.
        #expect(second.told.kicks == 1)
        #expect(try await world.keys("/zhangyu/client/online/").count == 1)
    }

    @Test func `a client that was told to stay away for good does`() async throws {
        let world = try await TunnelWorld()
        let first = await world.client { $0.kickPause = nil }
        let identity = await first.identity
        let second = await world.client(identity)
        world.world.advance(by: .seconds(3600))
        #expect(first.told.logins == 1)
        #expect(second.told.kicks == 0)
    }

    @Test func `without the registry who is in stays in, and logins are put off`() async throws {
        let world = try await TunnelWorld()
        let inside = await world.client()
        world.registries[0].simulateOutage(true)
        let outside = await world.client()
        world.world.advance(by: .seconds(30))
        #expect(await inside.isLoggedIn)
        #expect(await !outside.isLoggedIn)
        world.registries[0].simulateOutage(false)
        world.world.advance(by: .seconds(60))
        #expect(await outside.isLoggedIn)
        #expect(inside.told.logins == 1)
        #expect(try await world.keys("/zhangyu/client/online/").count == 2)
    }

    @Test func `a node that drains sends its clients elsewhere`() async throws {
        let world = try await TunnelWorld(nodes: 2)
        let client = await world.client()
        await world.nodes[0].run { _, node in node.drain() }
        world.world.advance(by: .seconds(1))
        #expect(await !client.isLoggedIn)
        #expect(client.told.kicks == 0)
        #expect(try await world.keys("/zhangyu/node/online/") == ["/zhangyu/node/online/\(TunnelWorld.ids[1])"])
    }

    @Test func `bodies that make no sense cost their sender an answer, and the node nothing`() async throws {
        let world = try await TunnelWorld()
        let owner = await world.client()
        let identity = try #require(await owner.identity)
        await owner.close()
        let paths = [
            "/client/login", "/client/register", "/client/heartbeat", "/client/transfer/list", "/client/listen/add",
            "/client/listen/del", "/client/code/new", "/transfer/fail", "/transfer/listen/in", "/node/hello",
            "/node/invoke", "/nobody",
        ]
        let bodies = [
            "", "{", "[]", "null", "1", #"{"clientId":1,"token":[]}"#,
            #"{"listenAddr":{},"targetTunnelId":"12345678"}"#,
            #"{"targetTunnelId":"12345678","listenAddr":"tcp://:1","targetAddr":"tcp://a:1","maxConnections":-1}"#,
            #"{"allowSources":"10.0.0.0/8"}"#, #"{"TerminalId":"x","Path":"/transfer/target/out","Header":[]}"#,
            String(repeating: "[", count: 10_000),
        ]
        var answers = 0
        for isKnown in [false, true] {
            for path in paths {
                let attacker = await world.attacker(terminal: identity.client)
                if isKnown { await attacker.run { _, attacker in attacker.login(identity) } }
                world.world.advance(by: .milliseconds(50))
                await attacker.run { _, attacker in
                    for body in bodies {
                        attacker.say(path, body)
                        attacker.stream(path, body: body, "x")
                    }
                }
                world.world.advance(by: .milliseconds(50))
                answers += await attacker.codes.count { $0 != 200 }
            }
        }
        #expect(answers > 150)
        let after = await world.client(identity)
        #expect(await after.isLoggedIn)
    }
}
