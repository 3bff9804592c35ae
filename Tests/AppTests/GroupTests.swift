import OmniwayTesting
import OmniwayTransport
import Testing

@testable import OmniwayApp

@Suite struct GroupTests {
    /// Groups of an app that runs, on a clock of the test.
    private struct Running {
        let clock = ManualClock()
        let groups: Groups
        init(_ change: (inout AppSettings.GroupLimits) -> Void = { _ in }) {
            var limits = AppSettings.GroupLimits()
            change(&limits)
            groups = Groups(limits)
            groups.begin(.manual(clock))
        }
    }

    private func refusal(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            guard let error = error as? AppError else { return "\(error)" }
            #expect(error.code == AppError.unknown)
            return error.message
        }
    }

    @Test func `members come, are counted, and leave; the last takes the place of who left`() throws {
        let groups = Running().groups
        try groups.create("room")
        for user in ["a", "b", "c", "d"] { try groups.add(user, to: "room") }
        #expect(try groups.members(of: "room") == ["a", "b", "c", "d"])
        try groups.remove("b", from: "room")
        #expect(try groups.members(of: "room") == ["a", "d", "c"])
        try groups.remove("c", from: "room")
        try groups.remove("d", from: "room")
        #expect(try groups.members(of: "room") == ["a"])
        #expect(try groups.count(of: "room") == 1)
        #expect(try groups.contains("a", in: "room"))
        #expect(try !groups.contains("b", in: "room"))
        try groups.removeAll(from: "room")
        #expect(try groups.count(of: "room") == 0)
        try groups.add("b", to: "room")
        #expect(try groups.members(of: "room") == ["b"])
    }

    @Test func `groups are known by their names until they are deleted`() throws {
        let groups = Running().groups
        for name in ["b", "a", ""] { try groups.create(name) }
        #expect(groups.names == ["", "a", "b"])
        try groups.delete("a")
        #expect(groups.names == ["", "b"])
        try groups.create("a")
        #expect(try groups.count(of: "a") == 0)
    }

    @Test func `what cannot be is refused in the words of the original`() throws {
        let groups = Running().groups
        try groups.create("room")
        try groups.add("a", to: "room")
        #expect(refusal { try groups.create("room") } == "group already exists")
        #expect(refusal { try groups.add("a", to: "room") } == "member already exists in group")
        #expect(refusal { try groups.add("", to: "room") } == "empty uid")
        #expect(refusal { _ = try groups.contains("", in: "room") } == "empty uid")
        #expect(refusal { try groups.remove("b", from: "room") } == "member not found in the group")
        #expect(refusal { try groups.renew("room") } == "memory group TTL not found")
        for refused in [
            refusal { try groups.add("a", to: "none") }, refusal { try groups.remove("a", from: "none") },
            refusal { try groups.removeAll(from: "none") }, refusal { try groups.delete("none") },
            refusal { _ = try groups.members(of: "none") }, refusal { _ = try groups.count(of: "none") },
            refusal { _ = try groups.contains("a", in: "none") }, refusal { try groups.renew("none") },
        ] {
            #expect(refused == "group not found")
        }
        #expect(try groups.members(of: "room") == ["a"])
    }

    @Test func `a group with a life is gone when that is over, for everybody who asks`() throws {
        let world = Running()
        try world.groups.create("room", life: .seconds(10))
        try world.groups.create("hall")
        try world.groups.add("a", to: "room")
        world.clock.advance(by: .seconds(10))
        #expect(try world.groups.members(of: "room") == ["a"])
        world.clock.advance(by: .nanoseconds(1))
        #expect(refusal { _ = try world.groups.members(of: "room") } == "group not found")
        #expect(refusal { try world.groups.add("b", to: "room") } == "group not found")
        #expect(refusal { try world.groups.renew("room") } == "group not found")
        #expect(refusal { try world.groups.delete("room") } == "group not found")
        #expect(world.groups.names == ["hall"])
        try world.groups.create("room")
        #expect(try world.groups.count(of: "room") == 0)
    }

    @Test func `a renewal counts from then, and what members do is none`() throws {
        let world = Running()
        try world.groups.create("room", life: .seconds(10))
        world.clock.advance(by: .seconds(8))
        try world.groups.renew("room")
        world.clock.advance(by: .seconds(8))
        try world.groups.add("a", to: "room")
        try world.groups.removeAll(from: "room")
        #expect(world.groups.names == ["room"])
        world.clock.advance(by: .seconds(3))
        #expect(world.groups.names == [])
    }

    @Test func `time counts from the start of the app`() throws {
        let groups = Groups(AppSettings.GroupLimits())
        try groups.create("room", life: .seconds(10))
        let clock = ManualClock()
        clock.advance(by: .seconds(1_000))
        groups.begin(.manual(clock))
        clock.advance(by: .seconds(9))
        #expect(groups.names == ["room"])
        clock.advance(by: .seconds(2))
        #expect(groups.names == [])
    }

    @Test func `there are as many groups and members as may be, and those that are gone do not count`() throws {
        let world = Running { ($0.groups, $0.members) = (2, 2) }
        try world.groups.create("a", life: .seconds(1))
        try world.groups.create("b")
        #expect(
            refusal { try world.groups.create("c") } == "there are 2 groups, as many as may be; delete some")
        world.clock.advance(by: .seconds(2))
        try world.groups.create("c")
        #expect(world.groups.names == ["b", "c"])
        try world.groups.add("1", to: "b")
        try world.groups.add("2", to: "b")
        #expect(
            refusal { try world.groups.add("3", to: "b") }
                == "the group has 2 members, as many as may be; use another one")
        try world.groups.remove("1", from: "b")
        try world.groups.add("3", to: "b")
    }

    @Test func `an app broadcasts to a group until its life is over`() async throws {
        var settings = AppSettings()
        settings.heartbeat = .zero
        let app = App(type: "room", settings: settings)
        app.on("room.bind") { (user: String, context) in
            try await context.session.bind(user)
            return user
        }
        try app.groups.create("all", life: .seconds(60))
        let world = try await AppWorld(app, loops: 2)
        let players = [await world.player(), await world.player()]
        for (index, player) in players.enumerated() {
            _ = await player.ask("room.bind", "\"\(index)\"")
            try app.groups.add("\(index)", to: "all")
        }
        try app.groups.add("absent", to: "all")
        #expect(try app.broadcast("onAll", "hi", to: "all") == ["absent"])
        world.world.settle()
        for player in players { #expect(await player.message()?.description == "push 0 onAll \"hi\"") }
        world.world.advance(by: .seconds(61))
        #expect(refusal { try app.broadcast("onAll", "hi", to: "all") } == "group not found")
    }
}
