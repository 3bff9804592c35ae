import ClusterSupport
import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import Testing

@testable import OmniwayApp

/// One user, one session, with a real etcd, a real NATS and real sockets.
@Suite(.timeLimit(.minutes(2))) struct UniqueSessionSocketTests {
    private struct Place {
        let etcd: EtcdServer
        let nats: NATSProgram
        let loops = EventLoops(count: 3).loops
        var registries: [Registry] = []
        var buses: [NATSBus] = []
        var frontends: [App] = []

        init() async throws {
            etcd = try await EtcdServer()
            nats = try await NATSProgram()
            for index in 0..<2 {
                // Each has its own of both, as processes have.
                let registry = try await Registry.open(.etcd(EtcdSettings(etcd.endpoints[index])), on: loops[index])
                let bus = try NATSBus(NATSSettings(nats.address))
                let app = App(type: "connector", id: "conn-\(index)")
                app.join(registry: registry, bus: bus)
                app.listen(.tcp("127.0.0.1:0"))
                app.on("login.enter") { (name: String, context) in
                    try await context.session.bind(name)
                    return name
                }
                app.on("login.who") { context in context.session.uid ?? "" }
                try await app.start(on: [loops[index]])
                registries.append(registry)
                buses.append(bus)
                frontends.append(app)
            }
        }

        /// Nil for who is told that another login was later.
        func logIn(_ name: String, at frontend: Int) async throws -> Player? {
            var settings = AppClientSettings()
            settings.reconnect = nil
            let client = try await AppClient(
                over: StreamDialer(frontends[frontend].addresses[0]), on: loops[2], settings)
            do {
                let _: String = try await client.request("login.enter", name)
                return Player(client: client, frontend: frontend)
            } catch let error as AppError where error.code == AppError.gone {
                client.disconnect()
                return nil
            }
        }

        func end() async {
            for app in frontends { await app.stop() }
            for bus in buses { await bus.drain(on: Array(loops[..<2])) }
            for registry in registries { await registry.close() }
            await nats.stop()
            await etcd.stop()
            for loop in loops { await loop.shutdown() }
        }
    }

    private struct Player: Sendable {
        let client: AppClient
        let frontend: Int

        func ends() async { for await state in client.states { if case .ended = state { return } } }
        func who() async throws -> String { try await client.request("login.who") }
    }

    /// The one of them whose session does not end, when all others have.
    private func last(of players: [Player]) async -> Player? {
        await withTaskGroup(of: Int.self) { group in
            for (index, player) in players.enumerated() {
                group.addTask {
                    await player.ends()
                    return index
                }
            }
            var left = Set(players.indices)
            while left.count > 1, let ended = await group.next() { left.remove(ended) }
            group.cancelAll()
            return left.first.map { players[$0] }
        }
    }

    @Test func `of two logins at once, a thousand times, exactly one session lives, and ends the one before`()
        async throws
    {
        let place = try await Place()
        // Users that have nothing to do with each other, so that it does not take so long.
        try await withThrowingTaskGroup { group in
            for lane in 0..<10 { group.addTask { try await logInAgainAndAgain("user-\(lane)", place) } }
            try await group.waitForAll()
        }
        await place.end()
    }

    private func logInAgainAndAgain(_ name: String, _ place: Place) async throws {
        var before: Player?
        for round in 0..<100 {
            async let one = place.logIn(name, at: 0)
            async let other = place.logIn(name, at: 1)
            let entered = try await [one, other].compactMap(\.self)
            let living = try #require(await last(of: entered + (before.map { [$0] } ?? [])))
            #expect(entered.contains { $0.client === living.client }, "\(name), round \(round)")
            #expect(try await living.who() == name, "\(name), round \(round)")
            let holder = try await place.registries[0].get(RegistryBytes("pitaya/bindings/connector/\(name)"))
            #expect(holder?.value.text == "conn-\(living.frontend)", "\(name), round \(round)")
            before = living
        }
        // Nothing that was still on its way has ended it.
        #expect(try await before?.who() == name)
        before?.client.disconnect()
    }
}
