import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// Rules over HTTP.
@Suite struct APITests {
    private func rule(_ listen: String, _ target: TunnelIdentity, code: String? = nil) -> JSON {
        [
            "listenAddr": .string(listen), "targetAddr": "tcp://10.0.0.5:22", "targetTunnelId": .string(target.tunnel),
            "targetAuthCode": .string(code ?? target.authCode),
        ]
    }

    @Test func `who has id and token of a client manages its rules`() async throws {
        let world = try await TunnelWorld()
        try await world.openDoors()
        let (listener, target) = (await world.client(), await world.client())
        let (me, other) = (try #require(await listener.identity), try #require(await target.identity))
        let asker = try await world.asker(me)
        let added = try await asker.ask(.post, "listen/add", rule("tcp://127.0.0.1:2222", other))
        #expect(added.code == 200)
        #expect(added.json["status"] == "success")
        #expect(added.json["data"]?["pushed"] == true)
        world.world.advance(by: .milliseconds(100))
        #expect(await listener.listening == ["tcp://127.0.0.1:2222"])
        _ = try await world.target("10.0.0.5:22")
        let visitor = await world.visitor(to: "127.0.0.1:2222", "over HTTP")
        world.world.advance(by: .seconds(1))
        #expect(await visitor.text == "over HTTP")

        let list = try await asker.ask(.get, "listen/list/\(me.client)").json["data"]
        #expect(list?[0]?["ListenAddr"] == "tcp://127.0.0.1:2222")
        #expect(list?[0]?["Direction"] == "out")
        #expect(list?[0]?["AuthCodeMark"] == nil)
        let body: JSON = ["listenAddr": "tcp://127.0.0.1:2222"]
        #expect(try await asker.ask(.post, "listen/delete", body).code == 200)
        world.world.advance(by: .milliseconds(100))
        #expect(await listener.listening.isEmpty)
        #expect(try await asker.ask(.post, "listen/delete", body).code == 404)
    }

    @Test func `both ends of a rule see it, and who listens and who dials`() async throws {
        let world = try await TunnelWorld()
        try await world.openDoors()
        let (listener, target) = (await world.client(), await world.client())
        let (me, other) = (try #require(await listener.identity), try #require(await target.identity))
        await target.close()
        // The stream to the target is dialled by the target's client: what that is told of who listens is a header.
        let dialler = await world.attacker(terminal: other.client)
        await dialler.run { _, dialler in
            dialler.client?.routes.oneWay("/transfer/target/out") { request, _ in
                dialler.heard.append(request.headers["ListenClientId"] ?? "")
            }
            dialler.login(other)
        }
        world.world.advance(by: .seconds(1))
        #expect(try await world.asker(me).ask(.post, "listen/add", rule("tcp://127.0.0.1:2222", other)).code == 200)
        world.world.advance(by: .milliseconds(100))
        _ = await world.visitor(to: "127.0.0.1:2222", "x")
        let (heard, terminal) = await dialler.run { _, dialler in
            (dialler.heard, dialler.client?.peer.invoker?.terminal)
        }
        #expect(heard == [me.client])
        #expect(terminal == other.client)
        for (who, direction) in [(me, "out"), (other, "in")] {
            let list = try await world.asker(who).ask(.get, "listen/list/\(who.client)").json["data"]
            #expect(list?[0]?["Direction"] == .string(direction))
            #expect(list?[0]?["ListenClientId"] == .string(me.client))
            #expect(list?[0]?["TargetClientId"] == .string(other.client))
            #expect(list?[1] == nil)
        }
    }

    @Test func `what a client is, is shown to it with its AuthCode and where it is`() async throws {
        let world = try await TunnelWorld(nodes: 2)
        try await world.openDoors()
        let client = await world.client(at: 1)
        let identity = try #require(await client.identity)
        // The key of tokens is shared, so one of either node is good at both.
        let asker = try await world.asker(identity)
        let elsewhere = try await Asker(world, at: 1)
        elsewhere.token = asker.token
        for asker in [asker, elsewhere] {
            let me = try await asker.ask(.get, "client/me").json["data"]
            #expect(me?["AuthCode"] == .string(identity.authCode))
            #expect(me?["Online"]?["nodeId"] == .string(TunnelWorld.ids[1]))
        }
        await client.close()
        world.world.advance(by: .seconds(1))
        #expect(try await asker.ask(.get, "client/me").json["data"]?["Online"] == .null)
        let fresh = try await asker.ask(.post, "client/code", ["revoke": false]).json["data"]?["AuthCode"]
        #expect(fresh != .string(identity.authCode))
        #expect(try await asker.ask(.get, "client/me").json["data"]?["AuthCode"] == fresh)
    }

    @Test(arguments: [0, 1]) func `a client is let go by itself, wherever it is`(at node: Int) async throws {
        let world = try await TunnelWorld(nodes: 2)
        try await world.openDoors { $0.adminKey = "sesame" }
        let (client, other) = (await world.client(at: node), await world.client())
        let (me, stranger) = (try #require(await client.identity), try #require(await other.identity))
        let wrong: JSON = ["clientId": .string(me.client)]
        #expect(try await world.asker(stranger).ask(.post, "client/kick", wrong).code == 403)
        #expect(client.told.kicks == 0)
        #expect(try await world.asker(me).ask(.post, "client/kick", [:]).code == 200)
        world.world.advance(by: .milliseconds(100))
        #expect(client.told.kicks == 1)
        #expect(other.told.kicks == 0)
        #expect(try await world.asker(me).ask(.post, "client/kick", [:]).code == 404)
    }

    @Test func `administrators see the nodes and their meters, and clients do not`() async throws {
        let world = try await TunnelWorld(nodes: 2)
        try await world.openDoors { $0.adminKey = "sesame" }
        let client = await world.client()
        let asker = try await world.asker(await client.identity)
        for path in ["node/list", "metrics"] { #expect(try await asker.ask(.get, path).code == 403) }
        let admin = try await Asker(world)
        #expect(try await admin.ask(.post, "auth/login", ["appId": "admin", "secret": "open"]).code == 401)
        let login = try await admin.ask(.post, "auth/login", ["appId": "admin", "secret": "sesame"])
        admin.token = try #require(login.json["data"]?["tokenString"]).string()
        let nodes = try await admin.ask(.get, "node/list").json["data"]
        #expect(nodes?[0]?["nodeId"] == .string(TunnelWorld.ids[0]))
        #expect(nodes?[0]?["clients"] == 1)
        #expect(nodes?[1]?["clients"] == 0)
        let text = try await admin.ask(.get, "metrics").json
        #expect(try text.string().contains("omniway_tunnel_clients 1"))
        #expect(try await admin.ask(.get, "client/me").code == 403)
        let wanted: JSON = ["clientId": .string(try #require(await client.identity).client)]
        #expect(try await admin.ask(.post, "client/kick", wanted).code == 200)
    }

    @Test func `without a key for administrators nobody is one`() async throws {
        let world = try await TunnelWorld()
        try await world.openDoors()
        let asker = try await Asker(world)
        #expect(try await asker.ask(.post, "auth/login", ["appId": "admin", "secret": ""]).code == 401)
    }

    @Test func `health is for everybody, and a node that drains is not ready`() async throws {
        let world = try await TunnelWorld()
        try await world.openDoors()
        let asker = try await Asker(world)
        #expect(try await asker.ask(.get, "healthz").code == 200)
        #expect(try await asker.ask(.get, "readyz").code == 200)
        await world.nodes[0].run { _, node in node.drain() }
        #expect(try await asker.ask(.get, "readyz").code == 503)
    }

    @Test func `what makes no sense is answered with what is wrong`() async throws {
        let world = try await TunnelWorld()
        try await world.openDoors()
        let client = await world.client()
        let identity = try #require(await client.identity)
        let asker = try await world.asker(identity)
        let wrong: [(String, JSON?, Int)] = [
            ("listen/add", nil, 400), ("listen/add", [:], 400), ("listen/add", ["listenAddr": 1], 400),
            ("listen/add", rule("nonsense at all", identity), 400),
            (
                "listen/add",
                rule(
                    "tcp://127.0.0.1:1",
                    TunnelIdentity(
                        client: "", token: "", tunnel: "99999999",
                        authCode: "x")), 403
            ),
            ("listen/delete", ["listenAddr": "tcp://127.0.0.1:1"], 404), ("auth/login", "no object", 400),
            ("nothing/here", nil, 404),
            ("listen/add", ["listenAddr": .string(String(repeating: "a", count: 70_000))], 413),
        ]
        for (path, body, code) in wrong { #expect(try await asker.ask(.post, path, body).code == code, "\(path)") }
        #expect(try await asker.ask(.get, "listen/add").code == 405)
        let answer = try await asker.ask(.post, "listen/add", [:])
        #expect(answer.json["status"] == "error")
        #expect(try #require(answer.json["message"]).string().contains("8 digits"))
    }

    @Test func `a name is added, listed and taken away`() async throws {
        let world = try await TunnelWorld()
        try await world.openDoors()
        let client = await world.client()
        let identity = try #require(await client.identity)
        let asker = try await world.asker(identity)
        let list = "domain/list/\(identity.client)"
        let domain: JSON = [
            "domainName": "shop.example", "targetAddr": "http://10.0.0.5:8080",
            "targetTunnelId": .string(identity.tunnel),
        ]
        #expect(try await asker.ask(.post, "\(list)/add", domain).code == 200)
        #expect(try await asker.ask(.get, list).json["data"]?[0]?["DomainName"] == "shop.example")
        #expect(try await asker.ask(.post, "\(list)/add", ["domainName": "tcp://x:1"]).code == 400)
        #expect(try await asker.ask(.post, "\(list)/delete", domain).code == 200)
        #expect(try await asker.ask(.get, list).json["data"] == [])
    }

    @Test func `a carrier over a WebSocket at the same door brings visitors to targets`() async throws {
        let world = try await TunnelWorld()
        try await world.openDoors()
        let socket = WebSocket(path: "/_zhangyu/transport", host: "node")
        let messages: some Dialer = socket.over(world.network.pipe("api-0:1"))
        let dialer = MessageJoining().over(messages)
        let (told, network) = (Told(), world.network)
        var settings = TunnelClientSettings()
        settings.dial = { network.pipe($0.description) }
        settings.listen = { network.pipe($0.description) }
        let client = await TunnelClient.start(on: world.world.loops[2], nodes: [dialer], settings: settings) {
            event, _ in told.add(event)
        }
        world.world.advance(by: .seconds(1))
        let somebody = Somebody(client: client, told: told)
        let identity = try #require(await somebody.identity)
        _ = try await world.target("10.0.0.5:22")
        let request = TunnelRuleRequest(listen: "node+tcp://:8001", target: "tcp://10.0.0.5:22", of: identity.tunnel)
        #expect(await world.add(request, by: somebody).code == 200)
        let text = String((0..<100_000).flatMap { "\($0) " })
        let visitor = await world.visitor(to: "public-0:8001", text, finishes: true)
        world.world.advance(by: .seconds(20))
        #expect(await visitor.text == text)
    }
}
