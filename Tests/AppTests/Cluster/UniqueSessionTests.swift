import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayApp

/// One user, one session, whatever the frontends.
@Suite struct UniqueSessionTests {
    @Test func `who logs in at another frontend is kicked from the first`() async throws {
        let world = try await ClusterWorld()
        let frontends = [
            try await world.server("connector", "conn-1"), try await world.server("connector", "conn-2"),
        ]
        let first = await frontends[0].player()
        #expect(await first.ask("connector.room.bind", #"{"content":"ann"}"#) == #"{"code":200,"result":"bound ann"}"#)
        let second = await frontends[1].player()
        #expect(await second.ask("connector.room.bind", #"{"content":"ann"}"#) == #"{"code":200,"result":"bound ann"}"#)
        #expect(await first.message()?.kind == "kick")
        #expect(await first.isOver)
        #expect(await !second.isOver)
        let holder = try await world.run { [registry = world.registry] in
            try await registry.get("pitaya/bindings/connector/ann")
        }
        #expect(holder?.value.text == "conn-2")
    }

    @Test func `the key of a user who left is gone, and that of one who is elsewhere now is not`() async throws {
        let world = try await ClusterWorld()
        let frontends = [
            try await world.server("connector", "conn-1"), try await world.server("connector", "conn-2"),
        ]
        let (first, second) = (await frontends[0].player(), await frontends[1].player())
        _ = await first.ask("connector.room.bind", #"{"content":"ann"}"#)
        _ = await second.ask("connector.room.bind", #"{"content":"ann"}"#)
        let registry = world.registry
        #expect(try await world.run { try await registry.get("pitaya/bindings/connector/ann") } != nil)
        await second.close()
        #expect(try await world.run { try await registry.get("pitaya/bindings/connector/ann") } == nil)
    }

    @Test(arguments: 0..<20) func `of logins at the same time on two frontends exactly one session lives`(
        seed: UInt64
    ) async throws {
        let world = try await ClusterWorld(loops: 3, seed: seed)
        let frontends = [
            try await world.server("connector", "conn-1"), try await world.server("connector", "conn-2"),
        ]
        for round in 0..<50 {
            var players: [TestClient] = []
            for index in 0..<4 { players.append(await frontends[index % 2].player()) }
            for player in players {
                await player.write(
                    TestClient.message(.request(id: 1, .text("connector.room.bind")), #"{"content":"ann"}"#))
            }
            world.world.settle()
            var alive = 0
            for player in players where await !player.isOver {
                // Who was too late for it has an error, and no user.
                await player.request("connector.room.get", id: 2)
                while let message = await player.message() {
                    if message.id == 2, message.text.contains(#""uid":"ann""#) { alive += 1 }
                }
            }
            #expect(alive == 1, "round \(round)")
            for player in players { await player.close() }
        }
    }

    @Test func `a login that a server without a count has heard of is older than any`() async throws {
        let world = try await ClusterWorld()
        let frontend = try await world.server("connector", "conn-1")
        let client = await frontend.player()
        _ = await client.ask("connector.room.bind", #"{"content":"ann"}"#)
        let bus = world.bus
        try await world.world.first.run { loop in
            try bus.port(on: loop)
                .publish("pitaya/connector/bindings", PomeloProtos.BindMsg(uid: "ann", fid: "conn-9").protobuf)
        }
        world.world.settle()
        #expect(await client.message()?.kind == "kick")
    }

    @Test func `a session on each frontend is left alone where that is wanted`() async throws {
        let world = try await ClusterWorld()
        let frontends = [
            try await world.server("connector", "conn-1") { $0.uniqueSessions = false },
            try await world.server("connector", "conn-2") { $0.uniqueSessions = false },
        ]
        let (first, second) = (await frontends[0].player(), await frontends[1].player())
        _ = await first.ask("connector.room.bind", #"{"content":"ann"}"#)
        _ = await second.ask("connector.room.bind", #"{"content":"ann"}"#)
        #expect(await !first.hasMessage)
        #expect(await first.ask("connector.room.echo", "still here", id: 2) == "still here")
    }

    @Test func `nobody logs in while the registry is away, and those who are in play on`() async throws {
        let world = try await ClusterWorld()
        let frontend = try await world.server("connector", "conn-1")
        let (player, late) = (await frontend.player(), await frontend.player())
        _ = await player.ask("connector.room.bind", #"{"content":"ann"}"#)
        world.registry.simulateOutage(true)
        #expect(await player.ask("connector.room.echo", "on", id: 2) == "on")
        await late.request("connector.room.bind", #"{"content":"bob"}"#)
        world.world.advance(by: .seconds(10))
        #expect(await late.message()?.text.contains("registry") == true)
        world.registry.simulateOutage(false)
        world.world.advance(by: .seconds(30))
        #expect(
            await late.ask("connector.room.bind", #"{"content":"bob"}"#, id: 3) == #"{"code":200,"result":"bound bob"}"#
        )
        #expect(await player.ask("connector.room.echo", "on", id: 4) == "on")
    }

    @Test func `a name that cannot be on the bus is refused with the reason`() async throws {
        let world = try await ClusterWorld()
        let client = await (try world.server("connector", "conn-1")).player()
        #expect(await client.ask("connector.room.bind", #"{"content":"a b"}"#)?.contains("spaces") == true)
    }
}
