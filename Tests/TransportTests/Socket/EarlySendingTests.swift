import Glibc
import OmniwayTransport
import Testing

@Suite(.timeLimit(.minutes(2))) struct EarlySendingTests {
    private let reports = Reports()

    @Test func `much that is written in one turn leaves before the turn ends, in order`() async throws {
        try await withLoops { [reports] loops in
            let (first, second) = try pairOfSockets()
            let pieces = (0..<300).map { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: 1 << 10) }
            let waiting = await loops.loops[0].run { [pieces] loop in
                _ = loop.adopt(OwnedDescriptor(first), handler: Reporter("reader", reports))
                let link = loop.adopt(OwnedDescriptor(second), handler: Reporter("writer", reports))
                for piece in pieces { link?.write(piece) }
                return link?.queued ?? 0
            }
            #expect(waiting < 300 << 10)
            #expect(await reports.bytes("reader", count: 300 << 10) == pieces.flatMap(\.self))
        }
    }

    @Test func `a link that breaks while it is written takes the other writes, and ends once`() async throws {
        try await withLoops { [reports] loops in
            let (first, second) = try pairOfSockets()
            close(first)
            let state = await loops.loops[0].run { loop in
                let link = loop.adopt(OwnedDescriptor(second), handler: Reporter("writer", reports))
                for _ in 0..<300 { link?.write([UInt8](repeating: 0, count: 1 << 10)) }
                return link?.state
            }
            #expect(state == .closed)
            #expect(try await reports.next("writer", .closed).reason?.hasPrefix("reset") == true)
        }
    }

    @Test func `what came before a break is delivered behind what the handler has in hand`() async throws {
        try await withLoops { [reports] loops in
            let (first, second) = try pairOfSockets()
            let said = Array("first...second..third...".utf8)
            #expect(unsafe Glibc.write(first, said, said.count) == said.count)  // Safe: so many bytes are there.
            close(first)
            await loops.loops[0].run { loop in
                let link = loop.adopt(OwnedDescriptor(second), handler: Answering(reports))
                link?.limits.perTurn = 8
                link?.limitUnconfirmed(to: 64 << 10)
            }
            #expect(await reports.bytes("answering", count: said.count) == said)
            _ = try await reports.next("answering", .closed)
        }
    }
}

/// Writes much because of the first bytes, more than waits for the end of a turn, and is done with them only then.
private final class Answering: LinkHandler {
    private let reports: Reports
    private var hasAnswered = false
    init(_ reports: Reports) { self.reports = reports }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        let copy = unsafe bytes.withUnsafeBytes { unsafe Array($0) }
        if !hasAnswered {
            hasAnswered = true
            link.write([UInt8](repeating: 0, count: 64 << 10))
        }
        reports.note("answering", .received, copy)
        return bytes.byteCount
    }
    func closed(_ link: Link, _ reason: CloseReason) { reports.note("answering", .closed) }
}
