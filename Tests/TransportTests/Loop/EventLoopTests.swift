import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

@Suite(.timeLimit(.minutes(2))) struct EventLoopTests {
    @Test func `shutdown closes every link with its reason and ends the thread`() async throws {
        let loops = EventLoops(count: 2)
        let intakes = await loops.own { _ in RecordingIntake() }
        let transport = InProcess()
        _ = try await transport.open(into: intakes)
        let (closed, noteClosed) = AsyncStream.makeStream(of: CloseReason.self)
        let (opened, noteOpened) = AsyncStream.makeStream(of: Void.self)
        await loops.loops[0].run { loop in
            let recorder = Recorder()
            recorder.then = { event, _ in
                if event == .opened { noteOpened.finish() }
                if case .closed(let reason) = event { noteClosed.yield(reason) }
            }
            _ = transport.dial(on: loop, deadline: .seconds(10), handler: recorder)
        }
        for await _ in opened {}
        await loops.shutdown()
        noteClosed.finish()
        var reasons: [CloseReason] = []
        for await reason in closed { reasons.append(reason) }
        #expect(reasons == [.shutdown])
    }

    @Test func `work for a loop that has ended still runs, or tasks would hang`() async throws {
        let loop = EventLoop()
        await loop.shutdown()
        #expect(await loop.run { loop in loop.linkCount } == 0)
    }

    @Test func `meters of all loops are added up`() async throws {
        let loops = EventLoops(count: 2)
        for loop in loops.loops {
            await loop.run { loop in loop.meters.counter("test_total", "A test.").add(UInt64(loop.index + 1)) }
        }
        let (snapshot, silent) = await loops.snapshot()
        #expect(silent.isEmpty)
        #expect(snapshot.number("test_total") == 3)
        #expect(snapshot.number("omniway_links") == 0)
        #expect(snapshot.prometheusText.contains("omniway_loop_turns_total{loop=\"1\"}"))
        await loops.shutdown()
    }

    @Test func `a loop that is blocked is named, and its pulse stands still`() async throws {
        let loops = EventLoops(count: 2)
        let gate = Gate()
        async let blocked: Void = loops.loops[1].run { _ in gate.waitBlocking() }
        await gate.entered()
        let before = loops.loops[1].pulse
        let (snapshot, silent) = await loops.snapshot(within: .milliseconds(20))
        #expect(silent == [1])
        #expect(snapshot.number("omniway_links") == 0)
        #expect(loops.loops[1].pulse == before)
        gate.open()
        await blocked
        await loops.shutdown()
    }

    @Test func `blocking work runs on helpers and its result comes back to the loop`() async throws {
        let loop = EventLoop()
        let (results, note) = AsyncStream.makeStream(of: Bool.self)
        await loop.run { [loop] context in
            context.offLoop {
                !loop.isCurrent
            } _: { wasElsewhere in
                note.yield(wasElsewhere == true && loop.isCurrent)
                note.finish()
            }
        }
        var all: [Bool] = []
        for await result in results { all.append(result) }
        #expect(all == [true])
        await loop.shutdown()
    }
}
