import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// A person looks at a link, and the link does not notice.
@Suite struct LinkWatchTests {
    let world = SimulatedWorld()

    @Test(arguments: [false, true])
    func `both ways are seen once, whatever the handler leaves, and arrive as before`(
        keepsMessages: Bool
    ) async throws {
        let pair = try await Pair.make(on: world, traits: LinkTraits(keepsMessages: keepsMessages))
        try await pair.run { loop, pair in
            let link = try #require(pair.farLink)
            try loop.watch(link.id, as: .bytes, for: .seconds(60))
            pair.far.takes = 1
            pair.nearLink?.write("one")
        }
        world.settle()
        await pair.run { _, pair in pair.nearLink?.write("two") }
        world.settle()
        await pair.run { _, pair in
            pair.farLink?.write("three")
            pair.farLink?.write(SharedBytes([UInt8](repeating: 0x61, count: 5000)))
        }
        world.settle()
        await pair.run { loop, pair in
            let report = loop.linkWatches.first
            let first = texts(report).prefix(3)
            #expect(first == ["in one", "in two", "out three"])
            #expect(report?.frames.last?.frame.count == 5000 && report?.count == 4)
            pair.far.takes = .max
            let arrived = keepsMessages ? pair.near.messages.map(\.count) : [pair.near.bytes.count]
            #expect(arrived == (keepsMessages ? [5, 5000] : [5005]))
        }
    }

    @Test func `what had begun to arrive is the beginning of the first frame`() async throws {
        let pair = try await Pair.make(on: world)
        let frame: [UInt8] = [6, 0, 0, 0, 9, 0, 0, 0, 0x68, 0x69]
        await pair.run { _, pair in
            pair.far.takes = 0
            pair.nearLink?.write(Array(frame[..<5]))
        }
        world.settle()
        try await pair.run { loop, pair in
            let link = try #require(pair.farLink)
            try loop.watch(link.id, as: .gatewayV2, for: .seconds(60))
            pair.nearLink?.write(Array(frame[5...]))
        }
        world.settle()
        await pair.run { loop, _ in #expect(texts(loop.linkWatches.first) == ["in message on 9: hi"]) }
    }

    @Test func `a watch ends by itself, or is let go, and the link writes as it did`() async throws {
        let pair = try await Pair.make(on: world)
        try await pair.run { loop, pair in
            let link = try #require(pair.farLink)
            try loop.watch(link.id, as: nil, for: .seconds(60))
            #expect(loop.linkWatches.map(\.format) == [.bytes])
        }
        world.advance(by: .seconds(61))
        try await pair.run { loop, pair in
            #expect(loop.linkWatches.isEmpty)
            let link = try #require(pair.farLink)
            try loop.watch(link.id, as: nil, for: .seconds(60))
            #expect(loop.stopWatching(link.id) && !loop.stopWatching(link.id))
            link.write("after")
        }
        world.settle()
        await pair.run { loop, pair in
            #expect(pair.near.bytes == Array("after".utf8))
            #expect(loop.report().timers == 0)
        }
    }

    @Test func `the last hundred frames are kept, of eight links, and none of a link that is nobody's`() async throws {
        let pair = try await Pair.make(on: world)
        try await pair.run { loop, pair in
            let link = try #require(pair.farLink)
            try loop.watch(link.id, as: nil, for: .seconds(60))
            for number in 0..<150 { link.write("\(number)") }
            let report = try #require(loop.linkWatches.first)
            #expect(report.count == 150 && report.frames.count == 100)
            #expect(texts(report).first == "out 50" && texts(report).last == "out 149")
            #expect(throws: LinkWatchError.noLink) {
                try loop.watch(LinkID(rawValue: link.id.rawValue + 1 << 32), as: nil, for: .seconds(1))
            }
        }
        let pipes = InProcess()
        let intake = await world.first.own { _ in RecordingIntake() }
        _ = try await pipes.open(into: [intake])
        await world.first.run { loop in
            let links = (0..<8).compactMap { _ in pipes.dial(on: loop, deadline: .seconds(1), handler: Recorder())?.id }
            for link in links.dropLast() {
                #expect(throws: Never.self) { try loop.watch(link, as: nil, for: .seconds(1)) }
            }
            #expect(throws: LinkWatchError.tooMany) { try loop.watch(links[7], as: nil, for: .seconds(1)) }
        }
    }

    @Test func `frames of a link that has closed stay until the time is over`() async throws {
        let pair = try await Pair.make(on: world)
        try await pair.run { loop, pair in
            let link = try #require(pair.farLink)
            try loop.watch(link.id, as: nil, for: .seconds(60))
            link.write("bye")
            link.close(.done)
        }
        world.settle()
        await pair.run { loop, _ in
            #expect(loop.linkWatches.first?.isOpen == false && texts(loop.linkWatches.first) == ["out bye"])
        }
    }
}

private func texts(_ report: LinkWatchReport?) -> [String] {
    report?.frames.map { ($0.isInbound ? "in " : "out ") + (report?.format.text(of: $0.frame) ?? "") } ?? []
}
