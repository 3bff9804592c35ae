import ClusterSupport
import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import ConformanceServer
@testable import OmniwayApp

/// What two do at the same time, or one under the name of another.
@Suite(.timeLimit(.minutes(5))) struct ClusterRaceTests {
    // MARK: Two of the same name

    @Test func `a server with the type and id of one that lives does not start, and says so`() async throws {
        let world = try await ClusterWorld()
        let first = try await world.server("room", "room-1")
        let error = await #expect(throws: (any Error).self) { _ = try await world.server("room", "room-1") }
        let words = error.map { "\($0)" } ?? ""
        #expect(words.contains("room-1") && words.contains("--id"), "\(words)")
        let client = await (try world.server("connector", "conn-1")).player()
        #expect(await client.ask("room.room.echo", "x") == "x")
        let app = first.app
        try await world.run { _ = await app.stop() }
        _ = try await world.server("room", "room-1")
    }

    @Test(arguments: 0..<6) func `of two of one type and id that start in the same moment one has the name`(
        seed: UInt64
    ) async throws {
        let world = try await ClusterWorld(loops: 2, seed: seed)
        let (registry, diary) = (world.registry, Diary())
        let ghost = ClusterServer(id: "room-1", type: "room")
        if seed % 2 == 1 {  // Both find what a last life has left.
            try await world.run { try await registry.put("pitaya/servers/room/room-1", RegistryBytes(ghost.json)) }
        }
        let apps = (0..<2).map { number in
            let app = App(type: "room", id: "room-1")
            app.join(registry: registry, bus: world.bus)
            app.on("room.name") { (body: [UInt8], context) in
                diary.note("\(number)")
                return body
            }
            return app
        }
        let loops = world.world.loops
        // Who asks the other in the wrong moment is not answered, and waits for a second.
        let refusals = try await world.run(step: .milliseconds(1)) {
            await withTaskGroup(of: String?.self) { group in
                for (app, loop) in zip(apps, loops) {
                    group.addTask {
                        do { try await app.start(on: [loop]) } catch { return "\(error)" }
                        return nil
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
        }
        #expect(refusals.count { $0 == nil } == 1, "\(refusals)")
        #expect(refusals.compactMap(\.self).allSatisfy { $0.contains("room-1") && $0.contains("--id") }, "\(refusals)")
        world.world.advance(by: .seconds(90))  // The loser's lease is over, and the other's is not.
        let entry = try await world.run { try await registry.get("pitaya/servers/room/room-1") }
        #expect(entry.map { $0.lease != 0 } == true)
        let client = await (try world.server("connector", "conn-1")).player()
        for id in 1...5 { #expect(await client.ask("room.room.name", "x", id: UInt64(id)) == "x") }
        #expect(diary.all.count == 5 && Set(diary.all).count == 1, "\(diary.all)")
        for app in apps { try await world.run { _ = await app.stop() } }
        #expect(try await world.run { try await registry.get("pitaya/servers/room/room-1") } == nil)
    }

    @Test func `of two that start while the registry is away one has the name when it is back`() async throws {
        let world = try await ClusterWorld(loops: 2)
        let registry = world.registry
        registry.simulateOutage(true)
        var apps: [App] = []
        for _ in 0..<50 where apps.isEmpty { apps = try await startTogether(in: world) }
        try #require(apps.count == 2)
        registry.simulateOutage(false)
        world.world.advance(by: .seconds(60))
        let winner = try #require(apps.firstIndex { $0.troubles == [] })
        let other = apps[1 - winner]
        #expect(other.troubles.first?.hasPrefix("not registered") == true, "\(other.troubles)")
        // Who has waited gets it when it is free.
        let first = apps[winner]
        try await world.run { _ = await first.stop() }
        world.world.advance(by: .seconds(60))
        #expect(other.troubles == [])
        try await world.run { _ = await other.stop() }
    }

    /// Two of one name; none when one came so late that the other was there to refuse it.
    private func startTogether(in world: ClusterWorld) async throws -> [App] {
        let apps = (0..<2).map { _ in App(type: "room", id: "room-1") }
        let (registry, bus, loops) = (world.registry, world.bus, world.world.loops)
        let started: [App] = try await world.run(step: .milliseconds(10)) {
            await withTaskGroup(of: App?.self, returning: [App].self) { group in
                for (app, loop) in zip(apps, loops) {
                    app.join(registry: registry, bus: bus)
                    group.addTask {
                        do { try await app.start(on: [loop]) } catch { return nil }
                        return app
                    }
                }
                return await group.reduce(into: []) { if let app = $1 { $0.append(app) } }
            }
        }
        if started.count == 2 { return apps }
        for app in started { try await world.run(step: .milliseconds(10)) { _ = await app.stop() } }
        return []
    }

    @Test func `a server whose last life was killed starts again under its name`() async throws {
        let world = try await ClusterWorld()
        let registry = world.registry
        let ghost = ClusterServer(id: "room-1", type: "room")
        try await world.run { try await registry.put("pitaya/servers/room/room-1", RegistryBytes(ghost.json)) }
        _ = try await world.server("room", "room-1")
        _ = try await world.server("store", "room-1")
    }

    // MARK: Logins

    @Test(arguments: 1...15) func `who logs in while his other session of the same server leaves is written down`(
        turns: Int
    ) async throws {
        let world = try await ClusterWorld(loops: 3, seed: UInt64(turns))
        let frontend = try await world.server("connector", "conn-1")
        let registry = world.registry
        for round in 0..<5 {
            let (old, new) = (await frontend.player(), await frontend.player())
            _ = await old.ask("connector.room.bind", #"{"content":"ann"}"#)
            await new.write(TestClient.message(.request(id: 1, .text("connector.room.bind")), #"{"content":"ann"}"#))
            for _ in 0..<turns { for loop in world.world.loops { _ = loop.simulateTurn() } }
            await old.close()
            world.world.settle()
            #expect(await new.message()?.text == #"{"code":200,"result":"bound ann"}"#)
            let holder = try await world.run { try await registry.get("pitaya/bindings/connector/ann") }
            #expect(holder?.value.text == "conn-1", "round \(round)")
            await new.close()
            let left = try await world.run { try await registry.get("pitaya/bindings/connector/ann") }
            #expect(left == nil, "round \(round)")
        }
    }

    @Test func `while a frontend lets its sessions leave, those who are there still log in`() async throws {
        let world = try await ClusterWorld()
        var settings = AppSettings()
        settings.drain = AppSettings.SessionDrain()
        settings.drain?.limit = .seconds(30)
        settings.drain?.period = .seconds(1)
        settings.drain?.spread = .zero
        let app = App(type: "connector", id: "conn-1", settings: settings)
        app.join(registry: world.registry, bus: world.bus)
        let players = InProcess()
        app.listen(players)
        addHandlers(to: app)
        let loops = world.world.loops
        try await world.run { try await app.start(on: loops) }
        let frontend = ClusterServerUnderTest(world: world.world, app: app, players: players)
        let client = await frontend.player()
        let stopped = Task { await app.stop() }
        for _ in 0..<2000 {
            world.world.settle()
            await Task.yield()
        }
        let registry = world.registry
        #expect(try await world.run { try await registry.get("pitaya/servers/connector/conn-1") } == nil)
        #expect(
            await client.ask("connector.room.bind", #"{"content":"ann"}"#) == #"{"code":200,"result":"bound ann"}"#)
        #expect(try await world.run { try await registry.get("pitaya/bindings/connector/ann") } != nil)
        await client.close()
        world.world.advance(by: .seconds(40))
        try await world.run { _ = await stopped.value }
        #expect(try await world.run { try await registry.list("pitaya/").entries } == [])
    }

    @Test func `an etcd that was set up anew counts from the beginning, and the last login still stays`() async throws {
        let etcd = try await EtcdServer()
        let loops = EventLoops(count: 3).loops
        let registry = try await Registry.open(.etcd(EtcdSettings(etcd.endpoints[0])), on: loops[0])
        for number in 0..<100 { try await registry.put("count", "\(number)") }
        let bus = InProcessBus()
        var apps: [App] = []
        for index in 0..<2 {
            var settings = AppSettings()
            settings.cluster.lease = .seconds(2)
            let app = App(type: "connector", id: "conn-\(index)", settings: settings)
            app.join(registry: registry, bus: bus)
            app.listen(.tcp("127.0.0.1:0"))
            app.on("login.enter") { (name: String, context) in
                try await context.session.bind(name)
                return name
            }
            try await app.start(on: [loops[index]])
            apps.append(app)
        }
        let first = try await AppClient(over: StreamDialer(apps[0].addresses[0]), on: loops[2])
        let _: String = try await first.request("connector.login.enter", "ann")
        let before = try #require(try await registry.get("pitaya/bindings/connector/ann"))
        await etcd.stop()
        try await etcd.erase()
        try await etcd.start()
        func sees(_ holds: () async -> Bool) async throws -> Bool {
            for _ in 0..<3000 {
                if await holds() { return true }
                try await Task.sleep(for: .milliseconds(10))
            }
            return false
        }
        #expect(try await sees {
            let now = (try? await registry.get("pitaya/bindings/connector/ann")) ?? nil
            return now.map { $0.modified < before.modified } ?? false
        })
        let second = try await AppClient(over: StreamDialer(apps[1].addresses[0]), on: loops[2])
        #expect(try await sees {
            let answer: String? = try? await second.request("connector.login.enter", "ann")
            return answer != nil
        })
        #expect(try await sees { apps[0].player("ann") == nil }, "the first session is over")
        #expect(apps[1].player("ann") != nil)
        for client in [first, second] { client.disconnect() }
        for app in apps { await app.stop() }
        await registry.close()
        await etcd.stop()
        for loop in loops { await loop.shutdown() }
    }

    // MARK: Too much, too late

    @Test func `a push that a busy loop has no room for is counted`() async throws {
        let world = try await ClusterWorld()
        let room = try await world.server("room", "room-1")
        for _ in 0..<70_000 { try room.app.push("onMessage", 1, to: ["ann"], at: "connector") }
        world.world.settle()
        try room.app.push("onMessage", 1, to: ["ann"], at: "connector")
        world.world.settle()
        let count = await world.world.first.snapshot().number(
            "omniway_app_lost_pushes_total", labels: [MeterSnapshot.Label(name: "serverType", value: "room")])
        #expect(count.map { Int($0) } == 4_464)
    }

    @Test func `who calls, pushes and asks while an app ends is told so, and nothing worse`() async throws {
        let loops = EventLoops(count: 2).loops
        let registry = try await Registry.open(.memory, on: loops[0])
        let bus = InProcessBus()
        for round in 0..<40 {
            let app = App(type: "room", id: "room-\(round)")
            app.join(registry: registry, bus: bus)
            try await app.start(on: loops)
            await withTaskGroup { group in
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<200 {
                            _ = try? await app.rpc("store.remote.hello", [UInt8]([1]), as: [UInt8].self)
                            _ = try? app.push("onMessage", 1, to: ["ann"], at: "connector")
                            _ = try? app.kick(["ann"], at: "connector")
                            _ = try? await app.sharedGroups.broadcast("onMessage", 1, to: "nobody")
                            await Task.yield()
                        }
                    }
                }
                group.addTask { await app.stop() }
            }
            await #expect(throws: AppError.self) {
                _ = try await app.rpc("store.remote.hello", [UInt8]([1]), as: [UInt8].self)
            }
        }
        await registry.close()
        for loop in loops { await loop.shutdown() }
    }
}
