import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// Who may make which rule, and what is written of it.
@Suite struct RuleTests {
    private func request(
        _ listen: String, _ target: Somebody, code: String? = nil, to address: String = "tcp://10.0.0.5:22"
    ) async throws -> TunnelRuleRequest {
        let identity = try #require(await target.identity)
        return TunnelRuleRequest(
            listen: listen, target: address, of: identity.tunnel, authCode: code ?? identity.authCode)
    }

    @Test func `a rule is written with all that points to it, and goes with it`() async throws {
        let world = try await TunnelWorld()
        let (owner, target) = (await world.client(), await world.client())
        let (mine, theirs) = (try #require(await owner.identity).client, try #require(await target.identity).client)
        let before = Set(try await world.keys(""))
        for listen in ["tcp://127.0.0.1:2222", "node+tcp://:8001", "shop.example"] {
            let to = listen == "shop.example" ? "http://10.0.0.5" : "tcp://10.0.0.5:22"
            #expect(await world.add(try await request(listen, target, to: to), by: owner).code == 200)
        }
        let written = Set(try await world.keys("")).subtracting(before)
        #expect(
            written == [
                "/zhangyu/client/listen/\(mine)=>tcp://127.0.0.1:2222",
                "/zhangyu/client/listen/\(mine)=>node+tcp://:8001",
                "/zhangyu/client/listen/\(mine)=>shop.example",
                "/zhangyu/listenby/\(theirs)/\(mine)=>tcp://127.0.0.1:2222",
                "/zhangyu/listenby/\(theirs)/\(mine)=>node+tcp://:8001",
                "/zhangyu/listenby/\(theirs)/\(mine)=>shop.example",
                "/zhangyu/port/list/8001", "/zhangyu/domain/list/shop.example",
                "/zhangyu/domain/\(mine)/shop.example",
            ])
        for listen in ["tcp://127.0.0.1:2222", "node+tcp://:8001", "shop.example"] {
            #expect(await world.remove(listen, by: owner))
        }
        #expect(Set(try await world.keys("")) == before)
        #expect(await !world.remove("shop.example", by: owner))
    }

    @Test func `another rule for the same address takes the place of the first`() async throws {
        let world = try await TunnelWorld()
        let (owner, one, two) = (await world.client(), await world.client(), await world.client())
        for target in [one, two] {
            #expect(await world.add(try await request("tcp://127.0.0.1:2222", target), by: owner).code == 200)
        }
        let second = try #require(await two.identity).client
        let reverse = try await world.keys("/zhangyu/listenby/")
        #expect(reverse.count == 1 && reverse[0].hasPrefix("/zhangyu/listenby/\(second)/"))
    }

    @Test func `a name and a port belong to who came first`() async throws {
        let world = try await TunnelWorld(nodes: 2)
        let (first, second) = (await world.client(), await world.client(at: 1))
        for listen in ["shop.example", "SHOP.example", "node+tcp://:8001"] {
            let to = listen.hasPrefix("node") ? "tcp://10.0.0.5:22" : "http://10.0.0.5"
            let wanted = try await request(listen, first, to: to)
            #expect(await world.add(wanted, by: first).code == 200)
            #expect(await world.add(wanted, by: second).code == 403)
        }
        #expect(await world.remove("shop.example", by: first))
        let freed = try await request("shop.example", second, to: "http://10.0.0.5")
        #expect(await world.add(freed, by: second).code == 200)
    }

    @Test func `who does not know the AuthCode gets nothing, and may not go on guessing`() async throws {
        let world = try await TunnelWorld()
        let (guesser, target, friend) = (await world.client(), await world.client(), await world.client())
        let right = try await request("tcp://127.0.0.1:2222", target)
        var wrong = right
        wrong.targetAuthCode = "aaaaaaaa"
        #expect(await world.add(right, by: guesser).code == 200)
        for attempt in 1...7 { #expect(await world.add(wrong, by: guesser).code == (attempt <= 5 ? 403 : 429)) }
        // It is too late for the right one too, also for others: else they would guess for him.
        #expect(await world.add(right, by: guesser).code == 429)
        #expect(await world.add(right, by: friend).code == 429)
        let own = try await request("tcp://127.0.0.1:2223", guesser)
        #expect(await world.add(own, by: guesser).code == 200)
        world.world.advance(by: .seconds(15 * 60))
        #expect(await world.add(right, by: friend).code == 200)
    }

    @Test func `guesses at the same time are no more than one by one`() async throws {
        let world = try await TunnelWorld()
        let (guesser, target) = (await world.client(), await world.client())
        var wrong = try await request("tcp://127.0.0.1:2222", target)
        wrong.targetAuthCode = "aaaaaaaa"
        let guess = wrong
        let codes = Heard<Int>()
        await guesser.client.run { _, client in
            for _ in 0..<50 {
                client.add(guess) { result in
                    if case .failure(.refused(let code, _)) = result { codes.add(code.number) }
                }
            }
        }
        world.world.advance(by: .seconds(1))
        #expect(codes.all.count { $0 == 403 } == 5)
        #expect(codes.all.count { $0 == 429 } == 45)
    }

    @Test func `who changes his AuthCode may take back what others made with the old one`() async throws {
        let world = try await TunnelWorld()
        let (other, target) = (await world.client(), await world.client())
        let old = try await request("tcp://127.0.0.1:2222", target)
        #expect(await world.add(old, by: other).code == 200)
        #expect(await world.add(try await request("tcp://127.0.0.1:3333", target), by: target).code == 200)
        for (revokes, listening) in [(false, ["tcp://127.0.0.1:2222"]), (true, [])] {
            let before = try #require(await target.identity).authCode
            await target.client.run { _, client in client.changeCode(revokes: revokes) }
            world.world.advance(by: .seconds(1))
            #expect(try #require(await target.identity).authCode != before)
            #expect(await other.listening == listening)
        }
        // The target's own rule stays, and the old code opens nothing any more.
        #expect(await target.listening == ["tcp://127.0.0.1:3333"])
        #expect(await world.add(old, by: other).code == 403)
        #expect(await world.add(try await request("tcp://127.0.0.1:2222", target), by: other).code == 200)
    }

    @Test func `an unknown tunnel sounds like a wrong AuthCode`() async throws {
        let world = try await TunnelWorld()
        let client = await world.client()
        let wanted = TunnelRuleRequest(listen: "tcp://:1", target: "tcp://a:1", of: "99999999", authCode: "aaaaaaaa")
        #expect(await world.add(wanted, by: client).code == 403)
    }

    @Test(arguments: [
        ("tcp://127.0.0.1", "tcp://10.0.0.5:22", 400), ("tcp://127.0.0.1:1", "tcp://10.0.0.5:0", 400),
        ("tcp://127.0.0.1:1", "http://10.0.0.5", 400), ("shop.example", "tcp://10.0.0.5:22", 400),
        ("../../jwt/sign", "http://10.0.0.5", 400), ("a/b", "http://10.0.0.5", 400),
        ("node+tcp://x=>y:8001", "tcp://10.0.0.5:22", 400), ("node+tcp://:9000", "tcp://10.0.0.5:22", 403),
        ("node+tcp://:8002", "tcp://10.0.0.5:22", 200),
    ])
    func `what is no address, or not allowed, is no rule`(listen: String, target: String, code: Int) async throws {
        let world = try await TunnelWorld()
        let client = await world.client()
        let before = try await world.keys("").count
        #expect(await world.add(try await request(listen, client, to: target), by: client).code == code)
        #expect(try await world.keys("").count == (code == 200 ? before + 3 : before))
    }

    @Test func `port 0 is one that is free`() async throws {
        let world = try await TunnelWorld { $0.allowPorts = [8000...8001] }
        let client = await world.client()
        var ports: Set<String> = []
        for _ in 0..<2 {
            let added = await world.add(try await request("node+tcp://:0", client), by: client)
            ports.insert(try #require(added.rule).listenAddress.text)
        }
        #expect(ports == ["node+tcp://:8000", "node+tcp://:8001"])
        #expect(await world.add(try await request("node+tcp://:0", client), by: client).code == 429)
        #expect(await world.nodes[0].run { _, node in node.openPorts } == [8000, 8001])
    }

    @Test func `what a client listens on follows its rules`() async throws {
        let world = try await TunnelWorld()
        let client = await world.client()
        let identity = try #require(await client.identity)
        for port in [1, 2] {
            #expect(await world.add(try await request("tcp://127.0.0.1:\(port)", client), by: client).code == 200)
        }
        #expect(await client.listening == ["tcp://127.0.0.1:1", "tcp://127.0.0.1:2"])
        #expect(await world.remove("tcp://127.0.0.1:1", by: client))
        #expect(await client.listening == ["tcp://127.0.0.1:2"])
        // What changed while it was away is in the list that it reads.
        await client.close()
        let back = await world.client(identity)
        #expect(await back.listening == ["tcp://127.0.0.1:2"])
    }
}

extension TunnelWorld {
    /// What node 0 says of a rule.
    func traffic(_ rule: String) async -> TunnelTraffic {
        await nodes[0].run { _, node in node.traffic(of: rule) }
    }
}
