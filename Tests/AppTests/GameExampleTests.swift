import FoundationEssentials
import OmniwayTesting
import OmniwayTransport
import Testing

@testable import GameExample
@testable import OmniwayApp

/// The game of `Examples/game` on virtual time: a tick lasts as long as its work.
@Suite struct GameExampleTests {
    /// The game on one loop, and its players on another.
    private func world() async throws -> AppWorld {
        let world = SimulatedWorld(loops: 2)
        return try await AppWorld(try await gameApp(on: world.loops[1]), in: world)
    }

    private func enter(_ world: AppWorld) async throws -> (client: TestClient, name: String) {
        let client = await world.player()
        let answer = try #require(await client.ask("game.enter"))
        return (client, try JSONDecoder().decode(Entered.self, from: Data(answer.utf8)).name)
    }

    /// What a player is shown by the next ticks.
    private func states(_ client: TestClient, after ticks: Int) async throws -> [GameState] {
        client.world.advance(by: Game.tick * ticks)
        var states: [GameState] = []
        while let message = await client.message() {
            #expect(message.route == "onState")
            states.append(try JSONDecoder().decode(GameState.self, from: Data(message.body)))
        }
        return states
    }

    @Test func `the server moves players by what they say, and shows all of them the same`() async throws {
        let world = try await world()
        let (anna, bert) = (try await enter(world), try await enter(world))
        await anna.client.notify("game.move", #"{"x": 1, "y": 0}"#)
        await bert.client.notify("game.move", #"{"x": 0, "y": -1}"#)
        let seen = try await states(anna.client, after: 3)
        #expect(seen.map { $0.players[anna.name] } == (1...3).map { Place(x: 50 + $0, y: 50) })
        #expect(seen.map { $0.players[bert.name] } == (1...3).map { Place(x: 50, y: 50 - $0) })
        #expect(seen.map(\.tick) == [1, 2, 3])
        #expect(try await states(bert.client, after: 0).map(\.players) == seen.map(\.players))
    }

    @Test func `nobody moves faster than a step a tick, nor off the field`() async throws {
        let world = try await world()
        let anna = try await enter(world)
        await anna.client.notify("game.move", #"{"x": 1000, "y": -1000}"#)
        let seen = try await states(anna.client, after: 60)
        #expect(seen.first?.players[anna.name] == Place(x: 51, y: 49))
        #expect(seen.last?.players[anna.name] == Place(x: 100, y: 0))
        #expect(seen.count == 60)
    }

    @Test func `who leaves is seen no more`() async throws {
        let world = try await world()
        let (anna, bert) = (try await enter(world), try await enter(world))
        #expect(try await states(anna.client, after: 1).last?.players.count == 2)
        await bert.client.close()
        #expect(try await states(anna.client, after: 1).last?.players.keys.sorted() == [anna.name])
    }

    @Test func `who has not entered is told so, and moves nothing`() async throws {
        let world = try await world()
        let (anna, stranger) = (try await enter(world), await world.player())
        await stranger.notify("game.move", #"{"x": 1, "y": 1}"#)
        #expect(try await states(anna.client, after: 1).last?.players == [anna.name: Place(x: 50, y: 50)])
        #expect(try await states(stranger, after: 1).isEmpty)
    }
}

extension AppWorld {
    /// For an app that has something on the world's loops already.
    fileprivate init(_ app: App, in world: SimulatedWorld) async throws {
        (self.world, self.app) = (world, app)
        app.listen(streams)
        app.listen(messages)
        try await app.start(on: world.loops)
    }
}
