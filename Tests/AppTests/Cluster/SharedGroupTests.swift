import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayApp

/// Groups that all servers of a cluster share.
@Suite struct SharedGroupTests {
    private func refusal(_ world: ClusterWorld, _ body: @escaping @Sendable () async throws -> Void) async -> String? {
        do {
            try await world.run(body)
            return nil
        } catch { return (error as? AppError)?.message ?? "\(error)" }
    }

    @Test func `what one server does to a group, all of them see`() async throws {
        let world = try await ClusterWorld()
        let (first, second) = (
            try await world.server("room", "room-1").app.sharedGroups,
            try await world.server("room", "room-2").app.sharedGroups
        )
        try await world.run {
            try await first.create("fools")
            for user in ["bob", "ann", "cid"] { try await first.add(user, to: "fools") }
        }
        #expect(try await world.run { try await second.members(of: "fools") } == ["ann", "bob", "cid"])
        #expect(try await world.run { try await second.count(of: "fools") } == 3)
        #expect(try await world.run { try await second.contains("bob", in: "fools") })
        try await world.run { try await second.remove("bob", from: "fools") }
        #expect(try await world.run { try await !first.contains("bob", in: "fools") })
        try await world.run { try await second.removeAll(from: "fools") }
        #expect(try await world.run { try await first.count(of: "fools") } == 0)
        try await world.run { try await first.delete("fools") }
        #expect(await refusal(world) { _ = try await second.members(of: "fools") } == "group not found")
    }

    @Test func `keys are those of the original, with empty values`() async throws {
        let world = try await ClusterWorld()
        let groups = try await world.server("room", "room-1").app.sharedGroups
        let registry = world.registry
        try await world.run {
            try await groups.create("fools", life: .milliseconds(2500))
            try await groups.add("ann", to: "fools")
        }
        let entries = try await world.run { try await registry.list("pitaya/groups/").entries }
        #expect(entries.map(\.key.text) == ["pitaya/groups/fools", "pitaya/groups/fools/uids/ann"])
        #expect(entries.allSatisfy { $0.value.isEmpty && $0.lease != 0 && $0.lease == entries[0].lease })
        try await world.run { try await groups.delete("fools") }
        #expect(try await world.run { try await registry.list("pitaya/groups/").entries } == [])
    }

    @Test func `a group that nobody renews is gone after its life, with all who were in it`() async throws {
        let world = try await ClusterWorld()
        let groups = try await world.server("room", "room-1").app.sharedGroups
        try await world.run {
            try await groups.create("fools", life: .seconds(30))
            try await groups.add("ann", to: "fools")
        }
        world.world.advance(by: .seconds(25))
        try await world.run { try await groups.renew("fools") }
        world.world.advance(by: .seconds(25))
        #expect(try await world.run { try await groups.count(of: "fools") } == 1)
        world.world.advance(by: .seconds(6))
        #expect(await refusal(world) { try await groups.renew("fools") } == "group not found")
        try await world.run { try await groups.create("fools") }
        #expect(try await world.run { try await groups.count(of: "fools") } == 0)
    }

    @Test func `what cannot be is refused in the words of the original`() async throws {
        let world = try await ClusterWorld()
        let groups = try await world.server("room", "room-1").app.sharedGroups
        try await world.run { try await groups.create("a") }
        #expect(await refusal(world) { try await groups.create("a") } == "group already exists")
        #expect(await refusal(world) { try await groups.create("a", life: .seconds(9)) } == "group already exists")
        #expect(await refusal(world) { try await groups.add("ann", to: "b") } == "group not found")
        #expect(await refusal(world) { try await groups.add("", to: "a") } == "empty uid")
        try await world.run { try await groups.add("ann", to: "a") }
        #expect(await refusal(world) { try await groups.add("ann", to: "a") } == "member already exists in group")
        #expect(await refusal(world) { try await groups.remove("bob", from: "a") } == "member not found in the group")
        #expect(await refusal(world) { try await groups.remove("bob", from: "b") } == "group not found")
        #expect(await refusal(world) { _ = try await groups.contains("", in: "a") } == "empty uid")
        #expect(await refusal(world) { _ = try await groups.count(of: "b") } == "group not found")
        #expect(await refusal(world) { try await groups.delete("b") } == "group not found")
        #expect(await refusal(world) { try await groups.renew("a") }?.contains("for ever") == true)
        #expect(await refusal(world) { try await groups.create("a/b") }?.contains("no /") == true)
        #expect(await refusal(world) { try await groups.create("") }?.contains("cannot be a group") == true)
        #expect(await refusal(world) { try await groups.add("a b", to: "a") }?.contains("spaces") == true)
        let alone = App(type: "room").sharedGroups
        #expect(await refusal(world) { try await alone.create("a") }?.contains("alone") == true)
    }

    @Test func `groups and members have a bound`() async throws {
        let world = try await ClusterWorld()
        let groups = try await world.server("room", "room-1") {
            ($0.groupMembers, $0.groupKeys) = (2, 4)
        }.app.sharedGroups
        try await world.run {
            for name in ["a", "b"] { try await groups.create(name) }
            for user in ["ann", "bob"] { try await groups.add(user, to: "a") }
        }
        #expect(await refusal(world) { try await groups.add("cid", to: "a") }?.contains("2 members") == true)
        #expect(await refusal(world) { try await groups.create("c") }?.contains("4 groups and members") == true)
        try await world.run {
            try await groups.remove("ann", from: "a")
            try await groups.create("c")
        }
    }

    @Test func `without the registry nothing of a group is known`() async throws {
        let world = try await ClusterWorld()
        let groups = try await world.server("room", "room-1").app.sharedGroups
        try await world.run { try await groups.create("a") }
        world.registry.simulateOutage(true)
        #expect(await refusal(world) { _ = try await groups.members(of: "a") }?.contains("registry") == true)
        world.registry.simulateOutage(false)
        world.world.advance(by: .seconds(10))
        #expect(try await world.run { try await groups.members(of: "a") } == [])
    }

    // MARK: Broadcasts

    /// Two frontends with a player each, and a group of those two and one who is nowhere.
    private func fools(_ world: ClusterWorld) async throws -> [TestClient] {
        var players: [TestClient] = []
        for (id, user) in [("conn-1", "ann"), ("conn-2", "bob")] {
            let player = await (try world.server("connector", id)).player()
            _ = await player.ask("connector.room.bind", #"{"content":"\#(user)"}"#)
            players.append(player)
        }
        return players
    }

    private func fill(_ groups: SharedGroups, _ world: ClusterWorld) async throws {
        try await world.run {
            try await groups.create("fools")
            for user in ["ann", "bob", "nobody"] { try await groups.add(user, to: "fools") }
        }
    }

    @Test(arguments: [1, 3]) func `a broadcast is one call for each frontend, and says who is nowhere`(
        loops: Int
    ) async throws {
        let world = try await ClusterWorld(loops: loops)
        let players = try await fools(world)
        let groups = try await world.server("room", "room-1").app.sharedGroups
        try await fill(groups, world)
        let trace = try await world.trace()
        let absent = try await world.run { try await groups.broadcast("onMessage", [1, 2], to: "fools") }
        #expect(absent == ["nobody"])
        for player in players {
            let message = await player.message()
            #expect(message?.route == "onMessage" && message?.text == "[1,2]")
            #expect(await !player.hasMessage)
        }
        let subjects = await trace.run { _, trace in trace.entries.map(\.subject) }
        #expect(subjects.sorted() == ["pitaya/servers/connector/conn-1", "pitaya/servers/connector/conn-2"])
    }

    @Test func `a frontend pushes to its own, and calls the others`() async throws {
        let world = try await ClusterWorld()
        let players = try await fools(world)
        let frontend = try await world.server("connector", "conn-3")
        try await fill(frontend.app.sharedGroups, world)
        let groups = frontend.app.sharedGroups
        let third = await frontend.player()
        _ = await third.ask("connector.room.bind", #"{"content":"cid"}"#)
        try await world.run { try await groups.add("cid", to: "fools") }
        #expect(try await world.run { try await groups.broadcast("onMessage", 7, to: "fools") } == ["nobody"])
        for player in players + [third] { #expect(await player.message()?.text == "7") }
    }

    @Test func `a frontend of the original gets a push for each user that nobody else has`() async throws {
        let world = try await ClusterWorld()
        let players = try await fools(world)
        let room = try await world.server("room", "room-1")
        let (registry, bus, groups) = (world.registry, world.bus, room.app.sharedGroups)
        try await fill(groups, world)
        let original = ClusterServer(id: "go-1", type: "connector", isFrontend: true)
        try await world.run {
            try await registry.put("pitaya/servers/connector/go-1", RegistryBytes(original.json))
        }
        try await world.world.first.run { loop in
            _ = try bus.port(on: loop).subscribe("pitaya/servers/connector/go-1") { message in
                let refusal = PomeloFailure(code: "PIT-404", message: "route not found", metadata: [:])
                try? message.respond(PomeloProtos.Response(error: refusal).protobuf)
            }
        }
        world.world.settle()
        let trace = try await world.trace()
        #expect(try await world.run { try await groups.broadcast("onMessage", 7, to: "fools") } == [])
        world.world.settle()
        for player in players { #expect(await player.message()?.text == "7") }
        let pushes = await trace.run { _, trace in trace.entries.map(\.subject).filter { $0.hasSuffix("/push") } }
        #expect(pushes == ["pitaya/connector/user/nobody/push"])
    }

    @Test func `users that do not fit into one message go in several`() async throws {
        let world = try await ClusterWorld()
        let player = await (try world.server("connector", "conn-1")).player()
        _ = await player.ask("connector.room.bind", #"{"content":"ann"}"#)
        let room = try await world.server("room", "room-1")
        let registry = world.registry
        let groups = room.app.sharedGroups
        let users = (0..<2000).map { "\($0)" + String(repeating: "x", count: 200) } + ["ann"]
        try await world.run {
            try await groups.create("many")
            for start in stride(from: 0, to: users.count, by: 100) {
                let puts = users[start...].prefix(100).map { user in
                    RegistryOperation.put(RegistryBytes("pitaya/groups/many/uids/\(user)"), "")
                }
                _ = try await registry.transact(RegistryTransaction(then: puts))
            }
        }
        let trace = try await world.trace()
        let absent = try await world.run { try await groups.broadcast("onMessage", 7, to: "many") }
        #expect(absent.count == 2000)
        #expect(await player.message()?.text == "7")
        #expect(await trace.run { _, trace in trace.entries.count } == 2)
    }
}
