import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

@testable import OmniwayApp
@testable import OmniwayCluster

/// What a server says of its cluster to those who look after it.
@Suite struct ClusterHealthTests {
    private func gauge(_ world: ClusterWorld, _ name: String, _ labels: [String: String] = [:]) async -> Double? {
        await world.world.first.snapshot().number(
            name, labels: labels.map { MeterSnapshot.Label(name: $0.key, value: $0.value) })
    }

    @Test func `a registry that is away is said, with the reason, until it is back`() async throws {
        let world = try await ClusterWorld()
        let room = try await world.server("room", "room-1")
        #expect(room.app.troubles == [])
        #expect(await gauge(world, "omniway_registry_good") == 1)
        #expect(await gauge(world, "omniway_app_registered", ["serverType": "room"]) == 1)
        world.registry.simulateOutage(true)
        world.world.advance(by: .seconds(30))
        #expect(room.app.troubles.first?.hasPrefix("registry: ") == true, "\(room.app.troubles)")
        #expect(await gauge(world, "omniway_registry_good") == 0)
        world.world.advance(by: .seconds(60))
        #expect(room.app.troubles.last?.hasPrefix("not registered") == true, "\(room.app.troubles)")
        #expect(await gauge(world, "omniway_app_registered", ["serverType": "room"]) == 0)
        world.registry.simulateOutage(false)
        world.world.advance(by: .seconds(60))
        #expect(room.app.troubles == [])
        #expect(await gauge(world, "omniway_registry_good") == 1)
        #expect(await gauge(world, "omniway_app_registered", ["serverType": "room"]) == 1)
    }

    @Test func `a bus that is away is said for each loop`() async throws {
        let world = try await ClusterWorld(loops: 2)
        let room = try await world.server("room", "room-1")
        let bus = world.bus
        for loop in world.world.loops { await loop.run { bus.port(on: $0).lost("it was cut off") } }
        world.world.settle()
        #expect(room.app.troubles.map { $0.prefix(13) } == ["bus of loop 0", "bus of loop 1"])
        for loop in world.world.loops { await loop.run { bus.port(on: $0).becomes(.open) } }
        world.world.settle()
        #expect(room.app.troubles == [])
    }

    @Test func `a server that is alone has nothing to say`() { #expect(App(type: "room").troubles == []) }
}
