import Glibc
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// Real loops for one test, shut down at its end.
func withLoops<R>(_ count: Int = 1, _ body: (EventLoops) async throws -> R) async throws -> R {
    let loops = EventLoops(count: count)
    do {
        let result = try await body(loops)
        await loops.shutdown()
        return result
    } catch {
        await loops.shutdown()
        throw error
    }
}

/// What a handler notes on its loop, for a test that waits elsewhere.
final class Reports: Sendable {
    private let stream = AsyncStream.makeStream(of: Report.self)
    struct Report: Sendable {
        let who: String
        let event: Event
        let bytes: [UInt8]
        let reason: String?
    }
    enum Event: Sendable, Equatable { case opened, received, writable, finished, closed }

    func note(_ who: String, _ event: Event, _ bytes: [UInt8] = [], _ reason: CloseReason? = nil) {
        stream.continuation.yield(Report(who: who, event: event, bytes: bytes, reason: reason?.description))
    }

    /// The next report of that kind; others before it are skipped.
    func next(_ who: String, _ event: Event) async throws -> Report {
        for await report in stream.stream where report.who == who && report.event == event { return report }
        throw CancellationError()
    }

    /// Everything that `who` received, until there are `count` bytes of it.
    func bytes(_ who: String, count: Int) async -> [UInt8] {
        var all: [UInt8] = []
        for await report in stream.stream where report.who == who && report.event == .received {
            all += report.bytes
            if all.count >= count { break }
        }
        return all
    }
}

/// Reports what happens to its links, and does what the test says.
final class Reporter: LinkHandler, LinkIntake {
    private let who: String
    private let reports: Reports
    private let onOpen: (Link) -> Void
    private let onReceive: (RawSpan, Link) -> Void
    private let answersEnd: Bool

    init(
        _ who: String, _ reports: Reports, answersEnd: Bool = true, onOpen: @escaping (Link) -> Void = { _ in },
        onReceive: @escaping (RawSpan, Link) -> Void = { _, _ in }
    ) {
        (self.who, self.reports, self.answersEnd) = (who, reports, answersEnd)
        (self.onOpen, self.onReceive) = (onOpen, onReceive)
    }

    func accept(_ link: Link) -> (any LinkHandler)? { self }

    func opened(_ link: Link) {
        reports.note(who, .opened, Array("\(link.traits.peer)".utf8))
        onOpen(link)
    }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        reports.note(who, .received, unsafe bytes.withUnsafeBytes { unsafe Array($0) })
        onReceive(bytes, link)
        return bytes.byteCount
    }
    func writable(_ link: Link) { reports.note(who, .writable) }
    func finished(_ link: Link) {
        reports.note(who, .finished)
        if answersEnd { link.finish() }
    }
    func closed(_ link: Link, _ reason: CloseReason) { reports.note(who, .closed, [], reason) }
}

/// Sends back what it receives.
func echo(_ reports: Reports, _ who: String = "server") -> Reporter {
    Reporter(who, reports, onReceive: { bytes, link in link.write(bytes) })
}

extension Dialer {
    /// Dials from a loop; the link lives there.
    func dial(on loop: EventLoop, deadline: Duration = .seconds(5), _ handler: @Sendable @escaping () -> Reporter) async
    {
        await loop.run { loop in _ = self.dial(on: loop, deadline: deadline, handler: handler()) }
    }
}

/// Both ends of a connected pair, for whoever adopts them.
func pairOfSockets() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue)
    try #require(unsafe socketpair(AF_UNIX, type, 0, &ends) == 0)
    return (ends[0], ends[1])
}
