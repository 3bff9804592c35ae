import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// What once went wrong, or was found by reading, each as small as it can be.
@Suite struct HardCasesTests {
    let world = SimulatedWorld()

    @Test func `a handler that writes again whenever it can does not hold the loop`() async throws {
        let pair = try await Pair.make(on: world, queue: QueueLimits(low: 0, high: 0, most: 100))
        await pair.run { _, pair in
            pair.near.then = { event, link in if event == .writable { link.write([1]) } }
            pair.nearLink?.write([1])
        }
        for _ in 0..<100 { _ = world.first.simulateTurn() }
        await pair.run { _, pair in
            #expect(pair.far.bytes.count > 1)
            pair.near.then = { _, _ in }
        }
    }

    @Test func `what is staged while others are told is handed over in the same turn`() async throws {
        let pair = try await Pair.make(on: world)
        let stage = await world.first.own { loop in
            let stage = Stage()
            loop.atEndOfTurn(stage)
            return stage
        }
        let id = await pair.run { _, pair in pair.nearLink?.id ?? .none }
        await stage.run { loop, stage in
            (loop.link(id)?.handler as? Recorder)?.then = { event, _ in
                if event == .closed(.done) { stage.waiting += 1 }
            }
            loop.link(id)?.close(.done)
        }
        _ = world.first.simulateTurn()
        await stage.run { _, stage in #expect(stage.handedOver == 1) }
    }

    @Test func `closing from writable does not finish what is closed`() async throws {
        let driver = await world.first.own { _ in ScriptedDriver() }
        await driver.run { loop, driver in
            let recorder = Recorder()
            recorder.then = { event, link in if event == .writable { link.close(.done) } }
            let limits = QueueLimits(low: 0, high: 1, most: 100)
            let link = Link(on: loop, traits: .stream, limits: limits, driver: driver, handler: recorder)
            link?.opened()
            link?.write("full")
            link?.finish()
        }
        world.settle()
        await driver.run { _, driver in #expect(driver.calls == ["send", "close"]) }
    }

    @Test func `a driver may end its link while it sends`() async throws {
        let driver = await world.first.own { _ in ScriptedDriver() }
        await driver.run { loop, driver in
            driver.onSend = { link in
                link.ended(.reset)
                link.close(.done)
            }
            let link = Link(on: loop, traits: .stream, driver: driver, handler: Recorder())
            link?.opened()
            link?.write("x")
        }
        world.settle()
        await driver.run { loop, driver in
            #expect(driver.calls == ["send"])
            #expect(loop.linkCount == 0)
        }
    }

    @Test func `a message written and closed in opened arrives`() async throws {
        let transport = InProcess(traits: LinkTraits(keepsMessages: true))
        let intake = await world.first.own { _ in
            let intake = RecordingIntake()
            intake.prepare = { recorder, _ in
                recorder.then = { event, link in
                    guard event == .opened else { return }
                    link.write("server full")
                    link.close(.done)
                }
            }
            return intake
        }
        _ = try await transport.open(into: [intake])
        let client = await world.first.own { _ in Recorder() }
        await client.run { loop, client in _ = transport.dial(on: loop, deadline: .seconds(1), handler: client) }
        world.settle()
        await client.run { _, client in #expect(client.texts == ["server full"]) }
    }

    @Test func `a handler that comes later gets what the one before left`() async throws {
        let pair = try await Pair.make(on: world)
        let later = await world.first.own { _ in Recorder() }
        await pair.run { _, pair in
            pair.far.takes = 4
            pair.nearLink?.write("headbody")
        }
        world.settle()
        let id = await pair.run { _, pair in
            #expect(pair.far.text == "head")
            return pair.farLink?.id ?? .none
        }
        await later.run { loop, later in loop.link(id)?.handler = later }
        world.settle()
        await later.run { _, later in #expect(later.text == "body") }
    }

    @Test func `a dial that is given up before it is answered leaves nothing behind`() async throws {
        let transport = InProcess()
        let intake = await world.first.own { _ in RecordingIntake() }
        _ = try await transport.open(into: [intake])
        await world.first.run { loop in
            transport.dial(on: loop, deadline: .seconds(1), handler: Recorder())?.close(.done)
        }
        world.settle()
        await intake.run { _, intake in intake.recorders.first?.link?.finish() }
        world.settle()
        await intake.run { loop, intake in
            #expect(intake.recorders.first?.events == [.opened, .finished, .closed(.finished)])
            #expect(loop.linkCount == 0)
        }
    }

    @Test func `an end whose peer closes while it has much to send learns that nobody reads`() async throws {
        let pair = try await Pair.make(on: world)
        await pair.run { _, pair in
            pair.farLink?.pauseReading()
            pair.near.then = { event, link in if event == .finished { link.finish() } }
            pair.nearLink?.write([UInt8](repeating: 1, count: 1 << 20))
        }
        world.settle()
        await pair.run { _, pair in pair.farLink?.close(.done) }
        world.settle()
        await pair.run { loop, pair in
            #expect(pair.near.closeReason == .reset)
            #expect(loop.linkCount == 0)
        }
    }

    @Test func `a message of which one piece did not fit is dropped whole`() async throws {
        let traits = LinkTraits(keepsMessages: true, isReliable: false)
        let pair = try await Pair.make(on: world, traits: traits, queue: QueueLimits(low: 0, high: 10, most: 10))
        await pair.run { _, pair in
            pair.nearLink?.write("HEAD", endOfMessage: false)
            pair.nearLink?.write("too long", endOfMessage: false)
            pair.nearLink?.write("tail")
            pair.nearLink?.write("m2")
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.far.texts == ["m2"]) }
    }

    @Test func `a message larger than the high mark may be written in pieces`() async throws {
        let traits = LinkTraits(keepsMessages: true)
        let pair = try await Pair.make(on: world, traits: traits, queue: QueueLimits(low: 0, high: 10, most: 1000))
        await pair.run { _, pair in
            for _ in 0..<5 {
                pair.nearLink?.write("ten bytes.", endOfMessage: false)
                #expect(pair.nearLink?.isFull == false)
            }
            pair.nearLink?.write("end")
            #expect(pair.nearLink?.isFull == true)
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.far.messages.first?.count == 53) }
    }

    @Test func `finishing drops a message that has no end`() async throws {
        let pair = try await Pair.make(on: world, traits: LinkTraits(keepsMessages: true))
        await pair.run { _, pair in
            pair.nearLink?.write("whole")
            pair.nearLink?.write("cut", endOfMessage: false)
            pair.nearLink?.finish()
        }
        world.settle()
        await pair.run { _, pair in
            #expect(pair.far.texts == ["whole"])
            #expect(pair.far.events.last == .finished)
        }
    }

    @Test func `messages that come while nobody reads wait with their ends, up to the limit`() async throws {
        let recorder = await world.first.own { _ in Recorder() }
        await recorder.run { loop, recorder in
            let traits = LinkTraits(keepsMessages: true, pausing: .buffers)
            let link = Link(
                on: loop, traits: traits, limits: QueueLimits(unread: 1000), driver: ScriptedDriver(), handler: recorder
            )
            link?.opened()
            link?.pauseReading()
            for text in ["one", "", "three"] { link?.arrive(text) }
            #expect(recorder.texts == [])
            link?.resumeReading()
        }
        world.settle()
        await recorder.run { _, recorder in
            #expect(recorder.texts == ["one", "", "three"])
            recorder.link?.pauseReading()
            recorder.link?.arrive(String(repeating: "x", count: 1001))
        }
        world.settle()
        await recorder.run { _, recorder in #expect(recorder.closeReason == .slowReader) }
    }

    @Test func `many messages that waited are read in a time that their number does not square`() async throws {
        let recorder = await world.first.own { _ in Counter() }
        await recorder.run { loop, recorder in
            let limits = QueueLimits(unread: 64 << 20)
            let link = Link(
                on: loop, traits: LinkTraits(keepsMessages: true), limits: limits, driver: ScriptedDriver(),
                handler: recorder)
            link?.opened()
            link?.pauseReading()
            for _ in 0..<400_000 { link?.arrive("x") }
            link?.resumeReading()
        }
        let start = ContinuousClock.now
        world.settle()
        #expect(ContinuousClock.now - start < .seconds(10), "half a minute when each moves all that are behind it")
        await recorder.run { _, recorder in #expect(recorder.count == 400_000) }
    }

    @Test func `empty messages meet a limit too`() async throws {
        let driver = await world.first.own { _ in ScriptedDriver() }
        await driver.run { loop, driver in
            let recorder = Recorder()
            let link = Link(on: loop, traits: LinkTraits(keepsMessages: true), driver: driver, handler: recorder)
            for _ in 0...70_000 { link?.write([]) }
            #expect(link?.state == .closed)
        }
    }

    @Test func `work that cancels itself before its first suspension is cancelled`() async throws {
        let work = await world.first.own { _ in CancellingItself() }
        await work.run { loop, work in work.started = loop.start(work) }
        world.settle()
        await work.run { _, work in #expect(work.wasCancelled == true) }
    }

    @Test func `loops that have ended and await each other do not lock each other out`() async throws {
        let loops = [EventLoop(), EventLoop()]
        for loop in loops { await loop.shutdown() }
        let (a, b) = (loops[0], loops[1])
        await withTaskGroup { group in
            for _ in 0..<10 {
                group.addTask { for _ in 0..<50 { #expect(await a.visit(b)) } }
                group.addTask { for _ in 0..<50 { #expect(await b.visit(a)) } }
            }
        }
    }

    @Test func `a world has settled when nothing is under way, in whatever order its loops come`() async throws {
        let world = SimulatedWorld(loops: 2)
        let transport = InProcess()
        let intake = await world.loops[0].own { _ in RecordingIntake() }
        _ = try await transport.open(into: [intake])
        let client = await world.loops[1].own { _ in Recorder() }
        await client.run { loop, client in _ = transport.dial(on: loop, deadline: .seconds(1), handler: client) }
        world.settle()
        await client.run { _, client in client.link?.write("hello") }
        world.settle()
        await intake.run { _, intake in #expect(intake.recorders.first?.text == "hello") }
    }

    @Test func `a world that is gone takes its loops along`() async throws {
        func useWorld() async throws -> WeakLoop {
            let world = SimulatedWorld(loops: 2)
            let pair = try await Pair.make(on: world)
            await pair.run { _, pair in pair.nearLink?.write("x") }
            world.settle()
            return WeakLoop(world.first)
        }
        let loop = try await useWorld()
        #expect(loop.isGone)
    }
}

private struct WeakLoop {
    private weak var loop: EventLoop?
    init(_ loop: EventLoop) { self.loop = loop }
    var isGone: Bool { loop == nil }
}

/// A driver that only notes what is asked of it.
final class ScriptedDriver: LinkDriver {
    private(set) var calls: [String] = []
    var onSend: (Link) -> Void = { _ in }

    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        calls.append("send")
        onSend(link)
        return bytes.byteCount
    }
    func setReading(_ isReading: Bool, for link: Link) {}
    func finish(_ link: Link) { calls.append("finish") }
    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) { calls.append("close") }
}

extension Link {
    /// As if the driver had received a message.
    fileprivate func arrive(_ text: String) {
        unsafe Array(text.utf8).withUnsafeBytes { unsafe deliver(RawSpan(_unsafeBytes: $0), endOfMessage: true) }
    }
}

private final class Stage: TurnObserver {
    var waiting = 0
    var handedOver = 0
    func turnEnds(on loop: Loop) {
        handedOver += waiting
        waiting = 0
    }
}

private final class CancellingItself: LoopTask {
    var started: StartedTask?
    var wasCancelled: Bool?
    nonisolated(nonsending) func run() async {
        started?.cancel()
        await withCheckedContinuation { $0.resume() }
        await Task.yield()
        wasCancelled = Task.isCancelled
    }
}

extension EventLoop {
    /// Work of this loop that needs another one.
    fileprivate func visit(_ other: EventLoop) async -> Bool { await other.run { _ in true } }
}

private final class Counter: LinkHandler {
    private(set) var count = 0
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        count += 1
        return bytes.byteCount
    }
}
