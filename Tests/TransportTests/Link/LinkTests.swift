import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

@Suite struct LinkTests {
    let world = SimulatedWorld()

    @Test func `what is written in one turn arrives in order and as one`() async throws {
        let pair = try await Pair.make(on: world)
        await pair.run { _, pair in
            for word in ["one ", "two ", "three"] { pair.nearLink?.write(word) }
        }
        world.settle()
        await pair.run { _, pair in
            #expect(pair.near.events == [.opened])
            #expect(pair.far.text == "one two three")
        }
    }

    @Test func `messages keep their ends, whatever pieces they were written in`() async throws {
        let pair = try await Pair.make(on: world, traits: LinkTraits(keepsMessages: true))
        await pair.run { _, pair in
            pair.nearLink?.write("he", endOfMessage: false)
            pair.nearLink?.write("ad")
            pair.nearLink?.write("")
            pair.nearLink?.write("body")
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.far.texts == ["head", "", "body"]) }
    }

    @Test func `a message that has not ended waits for its end`() async throws {
        let pair = try await Pair.make(on: world, traits: LinkTraits(keepsMessages: true))
        await pair.run { _, pair in pair.nearLink?.write("first ", endOfMessage: false) }
        world.settle()
        await pair.run { _, pair in
            #expect(pair.far.texts == [])
            pair.nearLink?.write("and last")
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.far.texts == ["first and last"]) }
    }

    @Test(arguments: 1...7) func `what a handler leaves comes again in front of what follows`(_ taken: Int) async throws
    {
        let pair = try await Pair.make(on: world)
        await pair.run { _, pair in pair.far.takes = taken }
        for word in ["abc", "defg", "hij"] {
            await pair.run { _, pair in pair.nearLink?.write(word) }
            world.settle()
        }
        await pair.run { _, pair in
            pair.far.takes = .max
            pair.nearLink?.write("!")
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.far.text == "abcdefghij!") }
    }

    @Test func `what a handler leaves when it is replaced goes to the new one at once`() async throws {
        let pair = try await Pair.make(on: world)
        await pair.run { loop, pair in
            pair.farLink?.handler = Switching(to: pair.far, after: 4)
            pair.nearLink?.write("headbody")
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.far.text == "body") }
    }

    @Test func `a paused link receives nothing, and all of it when it goes on, the end last`() async throws {
        let pair = try await Pair.make(on: world)
        await pair.run { _, pair in
            pair.farLink?.pauseReading()
            pair.nearLink?.write("late")
            pair.nearLink?.finish()
        }
        world.settle()
        await pair.run { _, pair in
            #expect(pair.far.bytes.isEmpty)
            #expect(pair.far.events == [.opened])
            pair.farLink?.resumeReading()
        }
        world.settle()
        await pair.run { _, pair in
            #expect(pair.far.text == "late")
            #expect(pair.far.events == [.opened, .finished])
        }
    }

    @Test func `one direction ends while the other goes on, and the link ends with both`() async throws {
        let pair = try await Pair.make(on: world)
        await pair.run { _, pair in
            pair.nearLink?.write("question")
            pair.nearLink?.finish()
        }
        world.settle()
        await pair.run { _, pair in
            #expect(pair.far.events == [.opened, .finished])
            pair.farLink?.write("answer")
            pair.farLink?.finish()
        }
        world.settle()
        await pair.run { loop, pair in
            #expect(pair.near.text == "answer")
            #expect(pair.near.closeReason == .finished || pair.near.events == [.opened, .finished])
            pair.nearLink?.close(.finished)
        }
        world.settle()
        await pair.run { loop, pair in
            #expect(pair.far.closeReason == .finished)
            #expect(loop.linkCount == 0)
        }
    }

    @Test func `closing sends what was written before`() async throws {
        let pair = try await Pair.make(on: world)
        await pair.run { _, pair in
            pair.nearLink?.write("last words")
            pair.nearLink?.close(.done)
            pair.nearLink?.write("too late")
        }
        world.settle()
        await pair.run { loop, pair in
            #expect(pair.near.events == [.opened, .closed(.done)])
            #expect(pair.far.text == "last words")
            #expect(pair.far.events == [.opened, .finished])
            #expect(loop.meters.snapshot().number("omniway_late_writes_total") == 1)
        }
    }

    @Test func `closing sends the messages that were written before, however many wait`() async throws {
        let pair = try await Pair.make(on: world, traits: LinkTraits(keepsMessages: true))
        let message = [UInt8](repeating: 1, count: 100_000)
        await pair.run { _, pair in for _ in 0..<6 { pair.nearLink?.write(message) } }
        await pair.run { _, pair in
            for _ in 0..<6 { pair.nearLink?.write(message) }
            pair.nearLink?.write("begun", endOfMessage: false)
            pair.nearLink?.close(.done)
        }
        world.settle()
        await pair.run { _, pair in
            #expect(pair.far.messages == Array(repeating: message, count: 12))
            #expect(pair.far.events.last == .finished)
        }
    }

    @Test func `a link closes once, with the first reason, at the end of the turn`() async throws {
        let pair = try await Pair.make(on: world)
        await pair.run { _, pair in
            pair.nearLink?.close(.idle)
            pair.nearLink?.close(.refused)
            #expect(pair.near.events == [.opened])
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.near.events == [.opened, .closed(.idle)]) }
    }

    @Test func `an abrupt end does not look like a clean one`() async throws {
        let pair = try await Pair.make(on: world)
        await pair.run { _, pair in
            pair.nearLink?.write("never seen")
            pair.nearLink?.close(.reset)
        }
        world.settle()
        await pair.run { _, pair in
            #expect(pair.far.bytes.isEmpty)
            #expect(pair.far.events == [.opened, .closed(.reset)])
        }
    }

    @Test func `a handler that closes its link while it receives gets nothing more`() async throws {
        let pair = try await Pair.make(on: world)
        await pair.run { _, pair in
            pair.farLink?.handler = Closing()
            pair.nearLink?.write("x")
        }
        world.settle()
        await pair.run { _, pair in pair.nearLink?.write("y") }
        world.settle()
        await pair.run { _, pair in #expect((pair.farLink?.handler as? Closing)?.received ?? 1 == 1) }
    }

    @Test func `nothing for a while either way closes the link, and any byte puts it off`() async throws {
        let pair = try await Pair.make(on: world)
        await pair.run { _, pair in pair.farLink?.idleLimit = .seconds(30) }
        world.advance(by: .seconds(29))
        await pair.run { _, pair in pair.nearLink?.write("still here") }
        world.advance(by: .seconds(29))
        await pair.run { _, pair in
            #expect(pair.far.closeReason == nil)
            pair.farLink?.write("so am I")
        }
        world.advance(by: .seconds(29))
        await pair.run { _, pair in #expect(pair.far.closeReason == nil) }
        world.advance(by: .seconds(1))
        await pair.run { _, pair in #expect(pair.far.closeReason == .idle) }
    }

    @Test func `a piece that never ends meets the limit of unread bytes`() async throws {
        let pair = try await Pair.make(on: world, queue: QueueLimits(unread: 100))
        await pair.run { _, pair in
            pair.far.takes = 0
            pair.nearLink?.write([UInt8](repeating: 1, count: 100))
        }
        world.settle()
        await pair.run { _, pair in
            #expect(pair.far.closeReason == nil)
            pair.nearLink?.write([1])
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.far.closeReason == .unreadLimit) }
    }

    @Test func `the id of a link that is gone reaches nobody, not even the next in its slot`() async throws {
        let pair = try await Pair.make(on: world)
        let old = await pair.run { _, pair in
            let id = pair.nearLink?.id ?? .none
            pair.nearLink?.close(.done)
            pair.farLink?.close(.done)
            return id
        }
        world.settle()
        let again = try await Pair.make(on: world)
        await again.run { loop, pair in
            #expect(loop.linkCount == 2)
            #expect(loop.link(old) == nil)
            let wasWritten = loop.write(RawSpan(), to: old)
            #expect(!wasWritten)
        }
        world.settle()
        await again.run { _, pair in #expect(pair.near.bytes.isEmpty && pair.far.bytes.isEmpty) }
    }

    @Test func `a link and its handler are released when it has ended`() async throws {
        let transport = InProcess()
        let intake = await world.first.own { _ in RecordingIntake() }
        _ = try await transport.open(into: [intake])
        let watch = await world.first.own { _ in Watch() }
        await watch.run { loop, watch in
            let handler = Holding()
            handler.link = transport.dial(on: loop, deadline: .seconds(1), handler: handler)
            (watch.link, watch.handler) = (handler.link, handler)
        }
        world.settle()
        await watch.run { _, watch in
            #expect(watch.link?.state == .open)
            watch.link?.close(.done)
        }
        world.settle()
        await watch.run { _, watch in
            // The handler holds the link, as handlers do; the link lets go of the handler.
            #expect(watch.link == nil)
            #expect(watch.handler == nil)
        }
    }

    @Test func `nobody accepting and nobody answering are two reasons`() async throws {
        let transport = InProcess()
        let recorder = await world.first.own { _ in Recorder() }
        await recorder.run { loop, recorder in _ = transport.dial(on: loop, deadline: .seconds(5), handler: recorder) }
        world.settle()
        await recorder.run { _, recorder in #expect(recorder.events == [.closed(.refused)]) }

        let intake = await world.first.own { _ in
            let intake = RecordingIntake()
            intake.refuses = true
            return intake
        }
        _ = try await transport.open(into: [intake])
        await recorder.run { loop, recorder in _ = transport.dial(on: loop, deadline: .seconds(5), handler: recorder) }
        world.settle()
        await recorder.run { _, recorder in #expect(recorder.events.last == .closed(.refused)) }
    }
}

/// Takes a few bytes and gives the link to somebody else.
private final class Switching: LinkHandler {
    private let next: any LinkHandler
    private let count: Int
    init(to next: any LinkHandler, after count: Int) { (self.next, self.count) = (next, count) }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.handler = next
        return count
    }
}

private final class Closing: LinkHandler {
    var received = 0
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        received += 1
        link.close(.done)
        return 0
    }
}

private final class Holding: LinkHandler {
    var link: Link?
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }
}

private final class Watch {
    weak var link: Link?
    weak var handler: Holding?
}
