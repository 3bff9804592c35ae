import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

@Suite struct BackpressureTests {
    let world = SimulatedWorld()
    /// A pipe holds 256 KiB on its way; what is beyond that stays in the writer's queue.
    static let onTheWay = 2 * 256 << 10

    @Test func `a full link says so once, and again when it is low`() async throws {
        let pair = try await Pair.make(on: world, queue: QueueLimits(low: 1000, high: 2000, most: 1 << 20))
        await pair.run { _, pair in
            pair.farLink?.pauseReading()
            pair.nearLink?.write([UInt8](repeating: 7, count: Self.onTheWay))
        }
        world.settle()
        await pair.run { _, pair in
            pair.nearLink?.write([UInt8](repeating: 7, count: 2001))
            #expect(pair.nearLink?.isFull == true)
        }
        world.settle()
        await pair.run { _, pair in
            #expect(pair.near.events == [.opened])
            pair.farLink?.resumeReading()
        }
        world.settle()
        await pair.run { _, pair in
            #expect(pair.near.events == [.opened, .writable])
            #expect(pair.nearLink?.isFull == false)
            #expect(pair.far.bytes.count == Self.onTheWay + 2001)
        }
    }

    @Test func `who does not read is closed at the limit, with the reason`() async throws {
        let pair = try await Pair.make(on: world, queue: QueueLimits(low: 0, high: 1000, most: 1 << 20))
        await pair.run { _, pair in pair.farLink?.pauseReading() }
        for _ in 0..<40 {
            await pair.run { _, pair in pair.nearLink?.write([UInt8](repeating: 7, count: 64 << 10)) }
            world.settle()
        }
        await pair.run { _, pair in
            #expect(pair.near.closeReason == .slowReader)
            #expect(pair.far.closeReason == .reset)
        }
    }

    @Test func `an unreliable link drops whole messages that do not fit, and counts them`() async throws {
        let traits = LinkTraits(keepsMessages: true, isReliable: false)
        let pair = try await Pair.make(on: world, traits: traits, queue: QueueLimits(low: 0, high: 10, most: 10))
        await pair.run { loop, pair in
            pair.nearLink?.write("123456789")
            pair.nearLink?.write("too ", endOfMessage: false)
            pair.nearLink?.write("long")
            pair.nearLink?.write("0")
            #expect(loop.meters.snapshot().number("omniway_dropped_messages_total") == 1)
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.far.texts == ["123456789", "0"]) }
    }

    @Test func `feeders of a full link are not read until it is writable, and are let go in batches`() async throws {
        let sink = try await Pair.make(on: world, queue: QueueLimits(low: 0, high: 1, most: QueueLimits.largest))
        let feeders = InProcess()
        let intake = await world.first.own { _ in RecordingIntake() }
        _ = try await feeders.open(into: [intake])
        let count = 150
        await sink.run { loop, sink in
            sink.farLink?.pauseReading()
            for _ in 0..<count { feeders.dial(on: loop, deadline: .seconds(1), handler: Recorder())?.write("x") }
        }
        world.settle()
        let home = await sink.run { _, sink in sink.nearLink?.id ?? .none }
        await intake.run { loop, intake in
            #expect(intake.recorders.count == count)
            let full = loop.link(home)
            full?.write([UInt8](repeating: 1, count: Self.onTheWay + 10))
            for recorder in intake.recorders { if let link = recorder.link { full?.holdBack(link) } }
            #expect(intake.recorders.allSatisfy { $0.link?.isReading == false })
        }
        world.settle()
        await sink.run { _, sink in sink.farLink?.resumeReading() }
        // Turn by turn: the link empties, then a batch goes on in each turn.
        var reading: [Int] = []
        while await intake.run({ _, intake in intake.recorders.contains { $0.link?.isReading == false } }) {
            _ = world.first.simulateTurn()
            reading.append(await intake.run { _, intake in intake.recorders.count { $0.link?.isReading == true } })
        }
        #expect(Set(reading).subtracting([0]) == [64, 128, 150])
    }

    @Test func `feeders are let go when the link that held them ends`() async throws {
        let sink = try await Pair.make(on: world, queue: QueueLimits(low: 0, high: 1, most: QueueLimits.largest))
        let feeder = try await Pair.make(on: world)
        let id = await sink.run { _, sink in
            sink.farLink?.pauseReading()
            sink.nearLink?.write([UInt8](repeating: 1, count: 2 * Self.onTheWay))
            return sink.nearLink?.id ?? .none
        }
        world.settle()
        await feeder.run { loop, feeder in
            if let link = feeder.farLink { loop.link(id)?.holdBack(link) }
            feeder.nearLink?.write("held")
        }
        world.settle()
        await feeder.run { loop, feeder in
            #expect(feeder.far.text == "")
            loop.link(id)?.close(.done)
        }
        world.settle()
        await feeder.run { _, feeder in #expect(feeder.far.text == "held") }
    }

    @Test func `shared bytes are written in their place among others`() async throws {
        let pair = try await Pair.make(on: world)
        let large = [UInt8](repeating: UInt8(ascii: "L"), count: 10_000)
        await pair.run { _, pair in
            let shared = SharedBytes(large)
            let small = SharedBytes(Array("small".utf8))
            pair.nearLink?.write("before ")
            pair.nearLink?.write(shared)
            pair.nearLink?.write(" between ")
            pair.nearLink?.write(small)
            pair.nearLink?.write(shared)
            #expect(pair.nearLink?.queued == 7 + 10_000 + 9 + 5 + 10_000)
        }
        world.settle()
        await pair.run { _, pair in
            let expected = Array("before ".utf8) + large + Array(" between small".utf8) + large
            #expect(pair.far.bytes == expected)
            #expect(pair.nearLink?.queued == 0)
            pair.nearLink?.write(" after")
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.far.bytes.suffix(6) == Array(" after".utf8)[...]) }
    }

    @Test func `shared bytes are messages on a link that keeps them`() async throws {
        let pair = try await Pair.make(on: world, traits: LinkTraits(keepsMessages: true))
        let large = [UInt8](repeating: 1, count: 5000)
        await pair.run { _, pair in
            pair.nearLink?.write(SharedBytes(large))
            pair.nearLink?.write(SharedBytes([1, 2]))
            pair.nearLink?.write([3])
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.far.messages == [large, [1, 2], [3]]) }
    }

    @Test func `shared bytes that wait still go out when their link is closed`() async throws {
        let pair = try await Pair.make(on: world)
        let large = [UInt8](repeating: 1, count: 1 << 20)
        await pair.run { _, pair in
            pair.nearLink?.write("before ")
            pair.nearLink?.write(SharedBytes(large))
            pair.nearLink?.write(" after")
            pair.nearLink?.close(.done)
        }
        world.settle()
        await pair.run { _, pair in
            #expect(pair.far.bytes.count == 7 + large.count + 6)
            #expect(pair.far.text.hasPrefix("before \u{1}") && pair.far.text.hasSuffix("\u{1} after"))
        }
    }

    @Test func `shared bytes end a message that was begun without any bytes`() async throws {
        let pair = try await Pair.make(on: world, traits: LinkTraits(keepsMessages: true))
        let large = [UInt8](repeating: 1, count: 5000)
        await pair.run { _, pair in
            pair.nearLink?.write([], endOfMessage: false)
            pair.nearLink?.write(SharedBytes(large))
            pair.nearLink?.write([3])
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.far.messages == [large, [3]]) }
    }

    @Test func `an empty message is not lost in a pipe that is full`() async throws {
        let pair = try await Pair.make(on: world, traits: LinkTraits(keepsMessages: true))
        await pair.run { _, pair in
            pair.nearLink?.write([UInt8](repeating: 1, count: 300_000))
            pair.nearLink?.write([])
            pair.nearLink?.write([2])
        }
        world.settle()
        await pair.run { _, pair in #expect(pair.far.messages.map(\.count) == [300_000, 0, 1]) }
    }
}
