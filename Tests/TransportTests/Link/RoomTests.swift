import OmniwayTelemetry
import OmniwayTransport
import Testing

/// Takes so many bytes as it has room for, and says when that is none.
private final class Narrow: LinkDriver {
    private let reports: Reports
    var room: Int
    var link: Link?
    init(room: Int, _ reports: Reports) { (self.room, self.reports) = (room, reports) }

    var sendsEarly: Bool { true }
    func room(for link: Link) -> Int { room }

    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        let count = min(room, bytes.byteCount)
        reports.note("narrow", .received, unsafe bytes.withUnsafeBytes { unsafe Array($0.prefix(count)) })
        room -= count
        if room == 0 { link.hasNoRoom() }
        return count
    }

    func setReading(_ isReading: Bool, for link: Link) {}
    func finish(_ link: Link) { reports.note("narrow", .finished) }
    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {}
}

@Suite(.timeLimit(.minutes(2))) struct RoomTests {
    private let reports = Reports()
    private let said = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

    @Test func `of what has no room nothing waits in between, and all goes on when there is some`() async throws {
        try await withLoops { [reports, said] loops in
            let (first, second) = try pairOfSockets()
            let narrow = await loops.loops[0].own { [reports, said] loop in
                let narrow = Narrow(room: 100_000, reports)
                narrow.link = Link(on: loop, traits: .stream, driver: narrow, handler: Reporter("link", reports))
                narrow.link?.opened()
                let visitor = loop.adopt(OwnedDescriptor(first), handler: Reporter("visitor", reports))
                visitor?.write(said)
                visitor?.finish()
                let entrance = loop.adopt(OwnedDescriptor(second), handler: Reporter("entrance", reports))
                if let entrance, let link = narrow.link { _ = try? Relay(entrance, link) }
                return narrow
            }
            #expect(await reports.bytes("narrow", count: 100_000) == Array(said.prefix(100_000)))
            await narrow.run { _, narrow in
                #expect(narrow.link?.queued == 0)
                #expect(narrow.link?.isFull == true)
                narrow.room = .max
                narrow.link?.sendable()
            }
            #expect(await reports.bytes("narrow", count: 200_000) == Array(said.dropFirst(100_000)))
            _ = try await reports.next("narrow", .finished)
        }
    }

    @Test func `that there is no room keeps nobody from saying that this was all`() async throws {
        try await withLoops { [reports, said] loops in
            await loops.loops[0].run { [reports, said] loop in
                let narrow = Narrow(room: 100, reports)
                let link = Link(on: loop, traits: .stream, driver: narrow, handler: Reporter("link", reports))
                link?.opened()
                link?.write(Array(said.prefix(100)))
                link?.finish()
            }
            #expect(await reports.bytes("narrow", count: 100) == Array(said.prefix(100)))
            _ = try await reports.next("narrow", .finished)
        }
    }

    @Test func `what is passed goes out at once, and what the socket leaves waits, in order`() async throws {
        try await withLoops { [reports, said] loops in
            let (first, second) = try pairOfSockets()
            let head = Array("head".utf8)
            let waiting = await loops.loops[0].run { [reports, said, head] loop in
                _ = loop.adopt(OwnedDescriptor(first), handler: Reporter("reader", reports))
                let link = loop.adopt(OwnedDescriptor(second), handler: Reporter("writer", reports))
                var waiting: [Int] = []
                for piece in [said.prefix(20_000), said.prefix(100)] + Array(repeating: said[...], count: 30) {
                    unsafe Array(piece).withUnsafeBytes { piece in
                        // Safe because the link copies what it keeps.
                        unsafe head.withUnsafeBytes {
                            unsafe link?.pass(RawSpan(_unsafeBytes: $0), RawSpan(_unsafeBytes: piece))
                        }
                    }
                    waiting.append(link?.queued ?? 0)
                }
                return waiting
            }
            #expect(waiting.first == 0)
            #expect(waiting[1] == 104)
            #expect(waiting.last ?? 0 > 300_000)
            let all = [said.prefix(20_000), said.prefix(100)] + Array(repeating: said[...], count: 30)
            let expected = all.flatMap { head + $0 }
            #expect(await reports.bytes("reader", count: expected.count) == expected)
        }
    }
}
