import OmniwayCluster
import OmniwayCrypto
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// The holes of the original, each attacked, and the same bytes with the right credential beside it. Others are where
/// what they attack is: S1 and tickets in ForwardingTests, S2 in CarrierLifeTests, S6 in
/// CertificateTests, S8 before the login in NodeLoginTests.
@Suite struct SecurityTests {
    private struct Scene {
        let world: TunnelWorld
        let me: TunnelIdentity
        let other: TunnelIdentity
        let asker: Asker

        init(_ prepare: @escaping @Sendable (inout TunnelAPISettings) -> Void = { _ in }) async throws {
            world = try await TunnelWorld()
            try await world.openDoors(prepare)
            let (listener, target) = (await world.client(), await world.client())
            (me, other) = (try #require(await listener.identity), try #require(await target.identity))
            asker = try await world.asker(me)
        }

        func add(_ listen: String, headers: HTTPHeaders = HTTPHeaders()) async throws -> Int {
            let rule: JSON = [
                "listenAddr": .string(listen), "targetAddr": "tcp://10.0.0.5:22",
                "targetTunnelId": .string(other.tunnel),
                "targetAuthCode": .string(other.authCode),
            ]
            return try await asker.ask(.post, "listen/add", rule, headers).code
        }
    }

    private static func part(_ text: String) -> String { Base64.encodeURL(Array(text.utf8)) }

    @Test func `S3: a token that is not signed so opens nothing, and one that is does`() async throws {
        let scene = try await Scene()
        let good = try #require(scene.asker.token)
        let parts = good.split(separator: ".").map(String.init)
        let claims = try #require(Base64.decodeURL(parts[1].utf8))
        let forged = String(decoding: claims, as: UTF8.self).replacing(scene.me.client, with: scene.other.client)
        let none = Self.part(#"{"alg":"none","typ":"JWT"}"#)
        let otherKey = HMAC.sha256(Array("\(parts[0]).\(parts[1])".utf8), key: Array(repeating: 1, count: 32))
        let bad = [
            "", "x", "..", "a.b.c", "\(parts[0]).\(parts[1])", "\(parts[0]).\(parts[1]).", "\(good)x",
            "\(none).\(parts[1]).", "\(none).\(parts[1]).\(parts[2])",
            "\(parts[0]).\(Self.part(forged)).\(parts[2])",
            "\(parts[0]).\(parts[1]).\(Base64.encodeURL(otherKey))", String(repeating: "a", count: 9000),
        ]
        // What the original believed of whoever had no good token.
        let forgery: HTTPHeaders = ["Zhangyu-ClientId": scene.me.client]
        for token in bad {
            scene.asker.token = nil
            var headers = forgery
            headers.add("Authorization", "Bearer \(token)")
            #expect(try await scene.add("tcp://127.0.0.1:2222", headers: headers) == 401, "\(token.prefix(60))")
            #expect(try await scene.add("tcp://127.0.0.1:2222", headers: ["JwtToken": token]) == 401)
        }
        #expect(try await scene.add("tcp://127.0.0.1:2222", headers: forgery) == 401)
        #expect(try await scene.world.keys("/zhangyu/client/listen/").isEmpty)
        #expect(try await scene.add("tcp://127.0.0.1:2222", headers: ["JwtToken": good]) == 200)
        scene.asker.token = good
        #expect(try await scene.add("tcp://127.0.0.1:2223", headers: forgery) == 200)
    }

    @Test func `S3: a token that is over opens nothing, and is not asked for what it was`() async throws {
        let scene = try await Scene { $0.tokenLife = .zero }
        #expect(try await scene.add("tcp://127.0.0.1:2222") == 401)
        let fresh = try await Scene { $0.tokenLife = .seconds(60) }
        #expect(try await fresh.add("tcp://127.0.0.1:2222") == 200)
    }

    @Test func `S3: a token of one client is none for another's lists and rules`() async throws {
        let scene = try await Scene()
        let forgery: HTTPHeaders = ["Zhangyu-ClientId": scene.other.client]
        for path in ["listen/list", "domain/list"] {
            #expect(try await scene.asker.ask(.get, "\(path)/\(scene.other.client)", nil, forgery).code == 403)
            #expect(try await scene.asker.ask(.get, "\(path)/\(scene.me.client)", nil, forgery).code == 200)
        }
        let rule: JSON = [
            "listenAddr": "tcp://127.0.0.1:2222", "targetAddr": "tcp://10.0.0.5:22",
            "targetTunnelId": .string(scene.other.tunnel), "targetAuthCode": .string(scene.other.authCode),
            "listenClientId": .string(scene.other.client),
        ]
        #expect(try await scene.asker.ask(.post, "listen/add", rule).code == 403)
        let owner = try await scene.world.asker(scene.other)
        #expect(try await owner.ask(.post, "listen/add", rule).code == 200)
        // The rule of another cannot be deleted either.
        let address: JSON = ["listenAddr": "tcp://127.0.0.1:2222"]
        #expect(try await scene.asker.ask(.post, "listen/delete", address).code == 404)
        #expect(try await owner.ask(.post, "listen/delete", address).code == 200)
    }

    @Test func `S4: the key of tokens is made once, and cannot be guessed`() async throws {
        var keys: Set<String> = []
        for _ in 0..<2 {
            let scene = try await Scene()
            _ = try await scene.world.asker(scene.other)
            let key = try #require(try await scene.world.value("/zhangyu/jwt/sign"))
            #expect(key.utf8.count >= 32)
            keys.insert(key)
        }
        #expect(keys.count == 2)
    }

    @Test func `S5: transfers on a command connection, and rubbish, cost nobody but their sender`() async throws {
        let scene = try await Scene()
        let attacker = await scene.world.attacker(terminal: scene.me.client)
        await attacker.run { _, attacker in
            let body = #"{"ListenAddr":"tcp://1:1","TargetTunnelId":"00000000"}"#
            try? attacker.client?.peer.invoker?.send("/transfer/listen/in", body: body)
            attacker.say("/transfer/listen/in", body)
            attacker.say("/transfer/go", headers: ["TransferId": "x"])
        }
        scene.world.world.advance(by: .seconds(1))
        #expect(await attacker.codes == [404, 404])
        await attacker.run { _, attacker in attacker.say("/client/heartbeat") }
        scene.world.world.advance(by: .milliseconds(100))
        #expect(await attacker.codes.last == 200)
        #expect(try await scene.add("tcp://127.0.0.1:2222") == 200)
        #expect(await scene.world.nodes[0].run { _, node in node.isReady })
    }

    @Test func `S7: a name of somebody else is not taken over, by rule or by domain`() async throws {
        let scene = try await Scene()
        func claim(_ asker: Asker, _ who: TunnelIdentity) async throws -> [Int] {
            let body: JSON = [
                "domainName": "shop.example", "listenAddr": "shop.example", "targetAddr": "http://10.0.0.5",
                "targetTunnelId": .string(who.tunnel),
            ]
            let added = try await asker.ask(.post, "domain/list/\(who.client)/add", body).code
            return [added, try await asker.ask(.post, "listen/add", body).code]
        }
        #expect(try await claim(scene.asker, scene.me) == [200, 200])
        let thief = try await scene.world.asker(scene.other)
        #expect(try await claim(thief, scene.other) == [403, 403])
        let delete = try await thief.ask(
            .post, "domain/list/\(scene.other.client)/delete", ["domainName": "shop.example"])
        #expect(delete.code == 404)
        #expect(try await claim(scene.asker, scene.me) == [200, 200])
    }

    @Test func `S8: lists are for who has logged in`() async throws {
        let scene = try await Scene()
        let token = scene.asker.token
        for path in ["listen/list/\(scene.me.client)", "domain/list/\(scene.me.client)", "client/me", "node/list"] {
            scene.asker.token = nil
            #expect(try await scene.asker.ask(.get, path).code == 401)
            scene.asker.token = token
            #expect(try await scene.asker.ask(.get, path).code == (path == "node/list" ? 403 : 200))
        }
    }

    @Test func `S9: where somebody comes from is not what he writes`() async throws {
        let scene = try await Scene { $0.wrongLogins = RateLimit(3, in: .seconds(60)) }
        scene.asker.token = nil
        let names = ["X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP"]
        func login(_ token: String, from address: String) async throws -> (Int, JSON) {
            var headers = HTTPHeaders()
            for name in names { headers.add(name, address) }
            let body: JSON = ["clientId": .string(scene.me.client), "token": .string(token)]
            return try await scene.asker.ask(.post, "auth/login", body, headers)
        }
        // Another address each time, and no more guesses.
        for attempt in 1...5 {
            #expect(try await login("wrong", from: "10.9.9.\(attempt)").0 == (attempt <= 3 ? 401 : 429))
        }
        #expect(try await login(scene.me.token, from: "10.9.9.9").0 == 429)
        scene.world.world.advance(by: .seconds(61))
        for _ in 1...5 { #expect(try await login(scene.me.token, from: "10.9.9.9").0 == 200) }
        let record = try #require(try await scene.world.value("/zhangyu/client/online/\(scene.me.client)"))
        #expect(!record.contains("10.9.9") && record.contains("10.1.2.3"))
    }

    @Test func `S9: a carrier over a WebSocket comes from where its connection does`() async throws {
        let scene = try await Scene()
        let socket = WebSocket(
            path: "/_zhangyu/transport", host: "node",
            headers: ["X-Forwarded-For": "10.9.9.9", "X-Real-IP": "10.9.9.9"])
        let messages: some Dialer = socket.over(scene.world.network.pipe("api-0:1"))
        let dialer = MessageJoining().over(messages)
        let identity = scene.me
        _ = await TunnelClient.start(on: scene.world.world.loops[2], nodes: [dialer], identity: identity)
        scene.world.world.advance(by: .seconds(1))
        let record = try #require(try await scene.world.value("/zhangyu/client/online/\(identity.client)"))
        #expect(!record.contains("10.9.9") && record.contains("10.1.2.3"))
    }

    @Test func `a caller has so many requests, and others theirs`() async throws {
        let scene = try await Scene { $0.requests = RateLimit(3, in: .seconds(60)) }
        for attempt in 1...5 {
            let answer = try await scene.asker.ask(.get, "client/me")
            #expect(answer.code == (attempt <= 3 ? 200 : 429))
        }
        let other = try await scene.world.asker(scene.other)
        #expect(try await other.ask(.get, "client/me").code == 200)
        scene.world.world.advance(by: .seconds(61))
        #expect(try await scene.asker.ask(.get, "client/me").code == 200)
    }
}
