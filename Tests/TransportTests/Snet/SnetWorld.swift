import OmniwayTelemetry
import OmniwayTesting
@testable import OmniwayTransport

/// What both ends of a stream have brought through, for tests to wait for.
final class SnetScore: Sendable {
    private struct Numbers {
        var done = 0
        var wrong = 0
    }
    private let numbers = Lock(Numbers())
    var done: Int { numbers.withLock { $0.done } }
    var wrong: Int { numbers.withLock { $0.wrong } }
    func finishOne() { numbers.withLock { $0.done += 1 } }
    func oneIsWrong() { numbers.withLock { $0.wrong += 1 } }
}

/// Says so many bytes that follow from their places, some at a time, and checks those of the other side.
final class SnetTalker: LinkHandler, TimerTarget {
    private let total: Int
    private let chunk: Int
    private let score: SnetScore
    private var said = 0
    private(set) var heard = 0
    private(set) var link: Link?
    private(set) var closeReason: CloseReason?
    var pausesNowAndThen = false

    init(_ total: Int, chunk: Int = 3_000, _ score: SnetScore) {
        (self.total, self.chunk, self.score) = (total, chunk, score)
    }

    static func byte(_ place: Int) -> UInt8 { UInt8(truncatingIfNeeded: place &* 31 &+ (place >> 8) &* 7) }

    func opened(_ link: Link) {
        self.link = link
        say(link)
    }

    private func say(_ link: Link) {
        let end = min(total, said + chunk)
        link.write((said..<end).map(Self.byte))
        said = end
        if said < total { link.loop.after(.milliseconds(10), self) }
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        guard let link else { return }
        if pausesNowAndThen { if link.isReading { link.pauseReading() } else { link.resumeReading() } }
        say(link)
        if said == total { link.resumeReading() }
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        for index in 0..<bytes.byteCount
        where unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self) != Self.byte(heard + index) {
            score.oneIsWrong()
            link.close(.protocolError.with("another byte than was said, at \(heard + index)"))
            return bytes.byteCount
        }
        heard += bytes.byteCount
        if heard == total { score.finishOne() }
        return bytes.byteCount
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        self.link = nil
        closeReason = reason
    }
}

/// Gives every link a talker.
final class SnetTalkers: LinkIntake {
    private let make: () -> SnetTalker
    private(set) var talkers: [SnetTalker] = []
    init(_ make: @escaping () -> SnetTalker) { self.make = make }

    func accept(_ link: Link) -> (any LinkHandler)? {
        talkers.append(make())
        return talkers.last
    }
}

/// Dials once by one way, and then by another.
struct SnetSwitch: Dialer {
    let first: any Dialer
    let then: any Dialer
    private let count = SnetScore()

    init(first: any Dialer, then: any Dialer) { (self.first, self.then) = (first, then) }

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        count.finishOne()
        return (count.done == 1 ? first : then).dial(on: loop, deadline: deadline, handler: handler)
    }
}

/// A dialler that can be told to find nobody.
final class SnetGate: Dialer {
    private let inner: any Dialer
    private let isOpen = Lock(true)
    init(_ inner: any Dialer) { self.inner = inner }
    func set(_ open: Bool) { isOpen.withLock { $0 = open } }

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        (isOpen.withLock { $0 } ? inner : InProcess()).dial(on: loop, deadline: deadline, handler: handler)
    }
}

extension Link {
    /// The connection below a stream.
    var snetCarrier: Link? { (driver as? SnetDriver)?.carrier }
}
