import Omniway
import OmniwayTelemetry
import OmniwayTesting
import Testing

@testable import OmniwayApp

/// What is left of sessions and apps when they have ended.
@Suite struct LifetimeTests {
    /// What one loop has of an app, without holding it.
    private final class Remains {
        private struct Weak { weak var object: AnyObject? }
        private let all: [Weak]

        init(_ shard: AppShard, withShard: Bool) {
            let sessions = shard.connections.flatMap { [Weak(object: $0), Weak(object: $0.session)] }
            all = sessions + (withShard ? [Weak(object: shard)] : [])
        }
        var count: Int { all.count { $0.object != nil } }
    }

    private final class Server: Sendable {
        private let server: Lock<@Sendable () -> AppServer?>
        init(_ app: App) { server = Lock { [weak server = app.server] in server } }
        var isThere: Bool { server.withLock { $0() } != nil }
    }

    private func app() -> App {
        let app = App(type: "room")
        app.authenticate { session in
            session.expire(after: .seconds(3600))
            session.onClose { session, _ in _ = session.id }
            if session.handshake?.user["slow"] != nil { try await Task.sleep(for: .seconds(3600)) }
        }
        app.on("room.sleep") { (body: [UInt8], context) in
            try await context.sleep(for: .seconds(60))
            return body
        }
        app.on("room.bind") { (user: String, context) in
            try await context.session.bind(user)
            return app.sessionCount
        }
        return app
    }

    /// One that waits for an answer, one that is bound, one on a link of messages with too much under way, one that is
    /// being looked at.
    private func players(_ world: AppWorld) async throws -> [TestClient] {
        let players = [await world.player(), await world.player(), await world.player(keepsMessages: true)]
        await players[0].request("room.sleep")
        await players[1].request("room.bind", #""ann""#)
        await players[2].send((1...5).flatMap { TestClient.message(.request(id: $0, .text("room.sleep")), "") })
        let stranger = await world.client()
        await stranger.send(try PomeloPacket.bytes(.handshake, Array(#"{"sys":{},"user":{"slow":1}}"#.utf8)))
        return players + [stranger]
    }

    private func remains(_ world: AppWorld, withShard: Bool) async throws -> LoopBound<Remains> {
        let shard = try #require(world.app.server?.shards[0])
        return await shard.map { _, shard in Remains(shard, withShard: withShard) }
    }

    @Test func `sessions that have ended are let go at once, whatever they were waiting for`() async throws {
        let world = try await AppWorld(app())
        let players = try await players(world)
        let remains = try await remains(world, withShard: false)
        #expect(await remains.run { _, remains in remains.count } == 8)
        for player in players { await player.breakOff() }
        await world.settle { await remains.run { _, remains in remains.count == 0 } }
        #expect(await remains.run { _, remains in remains.count } == 0)
        #expect(await world.meter("omniway_app_calls") == 0)
    }

    @Test func `an app that has stopped leaves nothing on a loop that lives on`() async throws {
        let world = try await AppWorld(app())
        _ = try await players(world)
        let remains = try await remains(world, withShard: true)
        let server = Server(world.app)
        #expect(server.isThere)
        let app = world.app
        let shard = try #require(app.server?.shards[0])
        async let cutOff = app.stop()
        // No time may pass before the app waits for what is under way.
        while await shard.run({ _, shard in shard.connections.contains { $0.link.isReading } }) { await Task.yield() }
        var isOver = false
        while !isOver {
            world.world.advance(by: .seconds(1))
            isOver = world.app.server == nil
            await Task.yield()
        }
        #expect(await cutOff == 6)
        await world.settle { await remains.run { _, remains in remains.count == 0 } }
        #expect(await remains.run { _, remains in remains.count } == 0)
        #expect(!server.isThere)
        #expect(await world.meter("omniway_app_calls") == 0)
        #expect(await world.meter("pitaya_acceptor_connected_clients") == 0)
    }
}
