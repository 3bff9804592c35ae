import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// Rules of several clients for one name or port.
@Suite struct RuleGroupTests {
    /// Clients that each lead one address to themselves.
    struct Scene {
        let world: TunnelWorld
        var members: [Somebody] = []
        var targets: [LoopBound<EchoIntake>] = []

        init(_ listen: String, nodes: Int = 1, members count: Int = 2) async throws {
            world = try await TunnelWorld(nodes: nodes)
            for index in 0..<count {
                let client = await world.client(at: index % nodes)
                members.append(client)
                targets.append(try await world.target("10.0.0.\(index):22"))
                #expect(try await add(listen, by: client, to: index) == 200)
            }
        }

        func add(_ listen: String, by client: Somebody, to index: Int, word: String = "together") async throws -> Int {
            let identity = try #require(await client.identity)
            let scheme = listen.contains("://") ? "tcp" : "http"
            var request = TunnelRuleRequest(
                listen: listen, target: "\(scheme)://10.0.0.\(index):22", of: identity.tunnel)
            request.options.group = word
            return await world.add(request, by: client).code
        }

        var counts: [Int] {
            get async {
                var counts: [Int] = []
                for target in targets { counts.append(await target.run { _, echo in echo.count }) }
                return counts
            }
        }
    }

    @Test func `visitors of a port go to the client that has the fewest`() async throws {
        let scene = try await Scene("node+tcp://:8003", nodes: 2)
        var visitors: [LoopBound<Recorder>] = []
        for index in 0..<6 { visitors.append(await scene.world.visitor(to: "public-\(index % 2):8003", "\(index)")) }
        for (index, visitor) in visitors.enumerated() { #expect(await visitor.text == "\(index)") }
        let counts = await scene.counts
        #expect(counts.reduce(0, +) == 6)
        #expect(counts.allSatisfy { $0 >= 2 })
    }

    @Test func `a visitor does not notice a target that is dead, or a client that is away`() async throws {
        let scene = try await Scene("node+tcp://:8003", members: 3)
        let nobody = try #require(await scene.members[0].identity)
        var dead = TunnelRuleRequest(listen: "node+tcp://:8003", target: "tcp://10.9.9.9:22", of: nobody.tunnel)
        dead.options.group = "together"
        #expect(await scene.world.add(dead, by: scene.members[0]).code == 200)
        for index in 0..<4 {
            let visitor = await scene.world.visitor(to: "public-0:8003", "\(index)")
            #expect(await visitor.text == "\(index)")
        }
        #expect(await scene.counts == [0, 2, 2])
        await scene.members[1].close()
        scene.world.world.advance(by: .seconds(1))
        let last = await scene.world.visitor(to: "public-0:8003", "x")
        #expect(await last.text == "x")
        #expect(await scene.counts == [0, 2, 3])
        await scene.members[2].close()
        scene.world.world.advance(by: .seconds(1))
        let late = await scene.world.visitor(to: "public-0:8003", "x")
        #expect(await late.closeReason == .reset)
        #expect(await scene.world.nodes[0].run { _, node in node.transferCount } == 0)
    }

    @Test(arguments: ["shop.example", "node+tcp://:8003"])
    func `a name or port belongs to who knows the word, until the last of them is gone`(listen: String) async throws {
        let scene = try await Scene(listen)
        let stranger = await scene.world.client()
        #expect(try await scene.add(listen, by: stranger, to: 9, word: "other") == 403)
        #expect(try await scene.add(listen, by: stranger, to: 9, word: "") == 403)
        let kept = try await scene.world.keys("/zhangyu/").count
        #expect(await scene.world.remove(listen, by: scene.members[0]))
        #expect(try await scene.add(listen, by: stranger, to: 9, word: "") == 403)
        #expect(try await scene.add(listen, by: scene.members[0], to: 0) == 200)
        #expect(try await scene.world.keys("/zhangyu/").count == kept)
        for member in scene.members { #expect(await scene.world.remove(listen, by: member)) }
        #expect(try await scene.world.keys("/zhangyu/group/").isEmpty)
        #expect(try await scene.add(listen, by: stranger, to: 9, word: "") == 200)
        #expect(try await scene.world.keys("/zhangyu/").allSatisfy { !$0.contains("together") })
    }

    @Test func `a name goes on when one of its clients is away`() async throws {
        let scene = try await Scene("shop.example")
        let world = scene.world
        let origin = await world.world.loops[3].own { loop in
            var routes = HTTPRoutes()
            routes.get("/") { $0.respond(.ok, "here") }
            return HTTPServer(on: loop, routes: routes)
        }
        for index in 5...6 {
            let pipe = world.network.pipe("10.0.0.\(index):22")
            _ = try await world.world.run { try await pipe.open(into: [origin]) }
            #expect(try await scene.add("shop.example", by: scene.members[index - 5], to: index) == 200)
        }
        let (entrance, node) = (world.network.pipe("web"), world.nodes[0])
        _ = try await world.world.run { try await entrance.open(into: [await TunnelWeb.open(for: node)]) }
        for away in [nil, 0] {
            if let away { await scene.members[away].close() }
            world.world.advance(by: .seconds(1))
            let visitor = await world.visitor(to: "web", "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            world.world.advance(by: .seconds(1))
            #expect(await visitor.text.hasSuffix("here"))
        }
    }

    @Test func `what only one client can have has no group`() async throws {
        let world = try await TunnelWorld()
        let client = await world.client()
        let identity = try #require(await client.identity)
        var request = TunnelRuleRequest(listen: "tcp://:1", target: "tcp://a:1", of: identity.tunnel)
        request.options.group = "x"
        #expect(await world.add(request, by: client).code == 400)
    }
}
