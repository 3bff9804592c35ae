import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// Leads to one place, and after `move` to the next one: what a load balancer does, or the next process of a node.
private struct MovingPlace: Dialer {
    private let places: [InProcess]
    private let chosen = Lock(0)

    init(_ places: InProcess...) { self.places = places }

    func move() { chosen.withLock { $0 += 1 } }

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        places[chosen.withLock { $0 }].dial(on: loop, deadline: deadline, handler: handler)
    }
}

/// A node goes away, and its client finds another one.
@Suite struct DrainTests {
    private struct Scene {
        let world: TunnelWorld
        let place: MovingPlace
        let client: Somebody

        init(delay: Duration = .milliseconds(1)) async throws {
            world = try await TunnelWorld(nodes: 2)
            let place = MovingPlace(world.network.pipe("node-0:1"), world.network.pipe("node-1:1"))
            self.place = place
            client = await world.client(over: { _ in
                var faults = SeededNetwork.Faults()
                (faults.delay, faults.joining) = (delay...delay, 0)
                return SeededNetwork(seed: 1, faults: faults).over(place)
            })
            world.world.advance(by: .seconds(5))
            _ = try await world.target("10.0.0.5:22")
            let identity = try #require(await client.identity)
            let request = TunnelRuleRequest(
                listen: "node+tcp://:8001", target: "tcp://10.0.0.5:22", of: identity.tunnel,
                authCode: identity.authCode)
            // With a long way the answer is late, and the rule there all the same.
            _ = await world.add(request, by: client)
            world.world.advance(by: .seconds(2))
            #expect(await world.nodes[0].run { _, node in node.openPorts } == [8001])
        }

        func drain(keep: Duration) async {
            place.move()
            await world.nodes[0].run { _, node in node.drain(keep: keep) }
        }

        var visitors: [Int] {
            get async {
                var counts: [Int] = []
                for node in world.nodes { counts.append(await node.run { _, node in node.transferCount }) }
                return counts
            }
        }
    }

    @Test func `visitors of a node that drains go on until its time is over, and new ones come to the next node`()
        async throws
    {
        let scene = try await Scene()
        let staying = await scene.world.visitor(to: "public-0:8001", "before ")
        let leaving = await scene.world.visitor(to: "public-0:8001", "good")
        await scene.drain(keep: .seconds(60))
        scene.world.world.advance(by: .seconds(10))
        #expect(await scene.client.isLoggedIn)
        let coming = await scene.world.visitor(to: "public-1:8001", "new")
        // Longer than streams outlive a connection that was lost.
        scene.world.world.advance(by: .seconds(35))
        await staying.write("and after")
        await leaving.run { _, recorder in
            recorder.link?.write(Array("bye".utf8))
            recorder.link?.finish()
        }
        scene.world.world.advance(by: .seconds(2))
        #expect(await staying.text == "before and after")
        #expect(await leaving.text == "goodbye")
        #expect(await leaving.closeReason == .finished)
        #expect(await coming.text == "new")
        #expect(await scene.visitors == [1, 1])
        scene.world.world.advance(by: .seconds(20))
        #expect(await staying.closeReason != nil)
        #expect(await coming.closeReason == nil)
        #expect(await scene.visitors == [0, 1])
    }

    @Test func `a visitor who waits for its target when the node drains still meets it`() async throws {
        let scene = try await Scene(delay: .milliseconds(100))
        let visitor = await scene.world.world.loops[3].own { [pipe = scene.world.network.pipe("public-0:8001")] loop in
            let recorder = Recorder()
            pipe.dial(on: loop, deadline: .seconds(5), handler: recorder)?.write(Array("hello".utf8))
            return recorder
        }
        scene.world.world.advance(by: .milliseconds(50))
        #expect(await scene.visitors == [1, 0])
        await scene.drain(keep: .seconds(60))
        scene.world.world.advance(by: .seconds(5))
        #expect(await visitor.text == "hello")
        #expect(await scene.client.isLoggedIn)
        #expect(scene.client.told.logins == 2)
    }
}
