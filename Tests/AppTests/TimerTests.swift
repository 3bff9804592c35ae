import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

@testable import OmniwayApp

@Suite struct TimerTests {
    private struct Failure: Error {}

    private func app(_ change: (inout AppSettings) -> Void = { _ in }) -> App {
        var settings = AppSettings()
        settings.heartbeat = .zero
        change(&settings)
        return App(type: "room", settings: settings)
    }

    /// What a test lets go on goes on by way of the global pool.
    private func untilNothingRuns(_ world: AppWorld) async {
        while await world.meter("omniway_app_calls") > 0 { await Task.yield() }
    }

    @Test(arguments: [1, 3]) func `a timer set before the start begins with the app, first after one interval`(
        _ loops: Int
    ) async throws {
        let (app, diary) = (app(), Diary())
        app.every(.seconds(1)) { diary.note("tick") }
        let world = try await AppWorld(app, loops: loops)
        world.world.advance(by: .milliseconds(999))
        #expect(diary.count == 0)
        world.world.advance(by: .milliseconds(1))
        #expect(diary.count == 1)
        world.world.advance(by: .seconds(9))
        #expect(diary.count == 10)
        #expect(await world.meter("omniway_app_timer_runs_total") == 10)
        await app.stop()
        world.world.advance(by: .seconds(10))
        #expect(diary.count == 10)
    }

    @Test func `a timer with a count runs so often, and one that is set once does once`() async throws {
        let (app, diary) = (app(), Diary())
        let world = try await AppWorld(app)
        let counted = app.every(.seconds(1), count: 3) { diary.note("every") }
        let once = app.after(.milliseconds(2_500)) { diary.note("after") }
        let soon = app.after(.zero) { diary.note("soon") }
        world.world.advance(by: .seconds(60))
        #expect(diary.all == ["soon", "every", "every", "after", "every"])
        for timer in [counted, once, soon] { #expect(!timer.isRunning) }
    }

    @Test func `a timer that is stopped does not run again, from outside and from within`() async throws {
        let (app, diary) = (app(), Diary())
        let early = app.every(.seconds(1)) { diary.note("never") }
        early.stop()
        let world = try await AppWorld(app, loops: 2)
        let other = app.every(.seconds(1)) { diary.note("other") }
        let own = Lock<AppTimer?>(nil)
        own.withLock {
            $0 = app.every(.seconds(1)) {
                diary.note("own")
                own.withLock { $0 }?.stop()
            }
        }
        world.world.advance(by: .milliseconds(1_500))
        other.stop()
        other.stop()
        #expect(!other.isRunning)
        world.world.settle()
        #expect(world.world.loops.allSatisfy { $0.simulatedDeadline == nil })
        world.world.advance(by: .seconds(10))
        #expect(diary.all.sorted() == ["other", "own"])
    }

    @Test func `a condition is asked at every tick, and a count counts runs`() async throws {
        let (app, diary, isOn) = (app(), Diary(), Lock(false))
        let timer = app.every(.seconds(1), count: 2, when: { isOn.withLock { $0 } }) { diary.note("run") }
        let world = try await AppWorld(app)
        world.world.advance(by: .seconds(5))
        #expect(diary.count == 0)
        isOn.withLock { $0 = true }
        world.world.advance(by: .seconds(1))
        isOn.withLock { $0 = false }
        world.world.advance(by: .seconds(5))
        #expect(diary.count == 1)
        #expect(timer.isRunning)
        isOn.withLock { $0 = true }
        world.world.advance(by: .seconds(5))
        #expect(diary.count == 2)
        #expect(!timer.isRunning)
    }

    @Test func `a slow run is never overtaken by the next, and nothing is caught up`() async throws {
        let (app, gate) = (app(), Gate())
        app.every(.seconds(1)) { await gate.pass() }
        let world = try await AppWorld(app)
        world.world.advance(by: .milliseconds(3_500))
        #expect(gate.count == 1)
        gate.letPass()
        await untilNothingRuns(world)
        #expect(gate.count == 1)
        world.world.advance(by: .milliseconds(500))
        #expect(gate.count == 2)
        gate.letPass()
        await untilNothingRuns(world)
        world.world.advance(by: .seconds(1))
        #expect(gate.count == 3)
        #expect(await world.meter("omniway_app_timer_skips_total") == 2)
        gate.letPass()
        await untilNothingRuns(world)
    }

    @Test func `what a busy loop has missed is left out, and the beat stays`() async throws {
        let (app, diary) = (app(), Diary())
        app.every(.seconds(1)) { diary.note("tick") }
        let world = try await AppWorld(app)
        world.world.settle()
        world.world.clock.advance(by: .milliseconds(5_500))
        world.world.settle()
        #expect(diary.count == 1)
        world.world.advance(by: .milliseconds(500))
        #expect(diary.count == 2)
    }

    @Test func `an error is counted, and the timer goes on`() async throws {
        let app = app()
        app.every(.seconds(1)) { throw Failure() }
        app.every(.seconds(1)) {
            await Task.yield()
            throw Failure()
        }
        let world = try await AppWorld(app)
        for _ in 0..<3 { world.world.advance(by: .seconds(1)) }
        #expect(await world.meter("omniway_app_timer_errors_total") == 6)
        #expect(await world.meter("omniway_app_timer_runs_total") == 6)
    }

    @Test func `a run is on a loop of the app, on the caller's where there is one, and after each await`() async throws
    {
        let (app, diary) = (app(), Diary())
        let world = try await AppWorld(app, loops: 3)
        let loops = world.world.loops
        @Sendable func note(_ what: String) {
            diary.note("\(what) \(loops.firstIndex { $0.isCurrent }.map(String.init) ?? "nowhere")")
        }
        await loops[2].run { _ in
            _ = app.after(.seconds(1)) {
                note("before")
                await Task.yield()
                note("after")
            }
        }
        for _ in 0..<3 { app.after(.seconds(2)) { note("turn") } }
        world.world.advance(by: .seconds(3))
        #expect(diary.all.prefix(2) == ["before 2", "after 2"])
        #expect(diary.all.dropFirst(2).sorted() == ["turn 0", "turn 1", "turn 2"])
    }

    @Test func `beyond the bound none is set, until another is over`() async throws {
        let (app, diary) = (app { $0.maxTimers = 2 }, Diary())
        let first = app.every(.seconds(1)) { diary.note("first") }
        app.after(.seconds(3)) { diary.note("second") }
        #expect(!app.every(.seconds(1)) { diary.note("third") }.isRunning)
        let world = try await AppWorld(app)
        #expect(!app.every(.seconds(1)) { diary.note("fourth") }.isRunning)
        first.stop()
        #expect(app.after(.seconds(1)) { diary.note("fifth") }.isRunning)
        world.world.advance(by: .seconds(2))
        #expect(app.after(.seconds(2)) { diary.note("sixth") }.isRunning)
        world.world.advance(by: .seconds(2))
        #expect(diary.all == ["fifth", "second", "sixth"])
    }

    @Test func `a run that waits is waited for when the app stops, and cancelled when that takes too long`()
        async throws
    {
        for isSlow in [false, true] {
            let (app, gate, diary) = (app(), Gate(), Diary())
            let timer = app.every(.seconds(1)) {
                await gate.pass()
                diary.note(Task.isCancelled ? "cancelled" : "done")
            }
            let world = try await AppWorld(app)
            world.world.advance(by: .seconds(1))
            async let cutOff = app.stop()
            while timer.isRunning { await Task.yield() }
            if isSlow { world.world.advance(by: .seconds(11)) } else { gate.open() }
            #expect(await cutOff == (isSlow ? 1 : 0))
            gate.open()
            while diary.count == 0 { await Task.yield() }
            #expect(diary.all == [isSlow ? "cancelled" : "done"])
            #expect(!app.every(.seconds(1)) {}.isRunning)
        }
    }

    @Test func `a timer pushes to those who are there`() async throws {
        let app = app()
        app.on("room.bind") { (user: String, context) in
            try await context.session.bind(user)
            return user
        }
        app.every(.seconds(1)) { try app.push("onTick", ["n": 1], to: ["ann"]) }
        let world = try await AppWorld(app, loops: 2)
        let ann = await world.player()
        _ = await ann.ask("room.bind", "\"ann\"")
        world.world.advance(by: .seconds(2))
        for _ in 0..<2 { #expect(await ann.message()?.description == #"push 0 onTick {"n":1}"#) }
        #expect(await ann.message() == nil)
    }

    @Test func `an app that cannot start has no timers`() async throws {
        let app = app { $0.maxTimers = -1 }
        app.on("no route") { context in true }
        #expect(!app.every(.seconds(1)) {}.isRunning)
        await #expect(throws: AppStartError.self) { try await AppWorld(app) }
        let other = self.app()
        other.on("no route") { context in true }
        let timer = other.every(.seconds(1)) {}
        #expect(timer.isRunning)
        await #expect(throws: AppStartError.self) { try await AppWorld(other) }
        #expect(!timer.isRunning)
    }
}
