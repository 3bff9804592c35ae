import OmniwayTelemetry
import OmniwayTransport

/// Runs the cycles of one kind, as many at a time as there are places.
final class Cycles: LinkHandler, TimerTarget {
    private static let places = 50
    private let kind: Kind
    private let finish: AsyncStream<Duration>.Continuation
    private var left: Int
    private var running = 0
    private var linksBefore = 0
    private let start = ContinuousClock.now

    init(_ kind: Kind, _ count: Int, _ finish: AsyncStream<Duration>.Continuation) {
        (self.kind, left, self.finish) = (kind, count, finish)
    }

    func start(on loop: Loop) {
        linksBefore = loop.linkCount
        for _ in 0..<min(left, Self.places) { next(on: loop) }
    }

    private func next(on loop: Loop) {
        guard left > 0 else {
            if running == 0 { loop.after(.milliseconds(1), self) }
            return
        }
        left -= 1
        running += 1
        let link = kind.dialer.dial(on: loop, deadline: .seconds(10), handler: self)
        precondition(link != nil, "the loop has no room for a link")
    }

    func opened(_ link: Link) {
        if kind.says.isEmpty { return link.close(.done) }
        link.write(kind.says)
        // By the next turn what was said is out.
        if kind.breaksOff { link.loop.after(.zero, Breaker(link)) }
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }

    func closed(_ link: Link, _ reason: CloseReason) {
        running -= 1
        next(on: link.loop)
    }

    /// All clients have left; the server's links may need a little more.
    func timerFired(_ token: UInt64, on loop: Loop) {
        if loop.linkCount > linksBefore {
            loop.after(.milliseconds(1), self)
        } else {
            finish.yield(ContinuousClock.now - start)
        }
    }
}

/// Ends a link as a client does whose machine is gone.
private final class Breaker: TimerTarget {
    private let link: Link
    init(_ link: Link) { self.link = link }
    func timerFired(_ token: UInt64, on loop: Loop) { link.close(.reset) }
}
