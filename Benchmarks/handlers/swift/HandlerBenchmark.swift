import OmniwayTelemetry
import OmniwayTransport

/// Nanoseconds per call of a handler: plain, async without suspension, async with one, and on the default executor.
@main
struct HandlerBenchmark {
    nonisolated static func main() async {
        let loop = EventLoop()
        for kind in Kind.allCases {
            var best = Double.infinity
            for _ in 0..<7 { best = min(best, await measure(kind, on: loop)) }
            print("\(kind.rawValue.padded(to: 52)) \(Int(best)) ns")
        }
        await loop.shutdown()
    }

    private static func measure(_ kind: Kind, on loop: EventLoop) async -> Double {
        let clock = ContinuousClock()
        if kind == .global {
            let took = await clock.measure {
                await withTaskGroup { group in for _ in 0..<count { group.addTask { await work() } } }
            }
            return took / .nanoseconds(count)
        }
        let (done, finish) = AsyncStream.makeStream(of: Duration.self)
        await loop.run { loop in _ = loop.after(.zero, Rounds(kind, count, finish)) }
        for await took in done { return took / .nanoseconds(count) }
        return 0
    }

    private static let count = 200_000
    @concurrent private static func work() async {}
}

private enum Kind: String, CaseIterable {
    case plain = "plain handler, by its protocol"
    case async = "async handler that does not suspend"
    case suspended = "async handler with one continuation"
    case global = "the same on the default executor, without suspension"
}

/// Calls a handler a thousand times a turn, as a busy loop would, until it has been called often enough.
private final class Rounds: TimerTarget {
    private static let perTurn = 1000
    private let kind: Kind
    private let count: Int
    private let finish: AsyncStream<Duration>.Continuation
    private let began = ContinuousClock.now
    private let handler: any LinkHandler = Plain()
    private var started = 0
    var ended = 0
    var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ kind: Kind, _ count: Int, _ finish: AsyncStream<Duration>.Continuation) {
        (self.kind, self.count, self.finish) = (kind, count, finish)
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        if kind == .plain { return callPlain(on: loop) }
        for waiter in exchange(&waiting, with: []) { waiter.resume() }
        for _ in 0..<min(Self.perTurn, count - started) {
            started += 1
            loop.start(Call(self, suspends: kind == .suspended))
        }
        if ended < count { loop.after(.zero, self) } else { end() }
    }

    private func callPlain(on loop: Loop) {
        let driver = Nothing()
        guard let link = Link(on: loop, traits: .stream, driver: driver, handler: handler) else { return }
        for _ in 0..<count { ended += handler.receive(RawSpan(), endOfMessage: false, from: link) + 1 }
        link.close(.done)
        end()
    }

    private func end() {
        finish.yield(ContinuousClock.now - began)
        finish.finish()
    }
}

private final class Call: LoopTask {
    private let rounds: Rounds
    private let suspends: Bool
    init(_ rounds: Rounds, suspends: Bool) { (self.rounds, self.suspends) = (rounds, suspends) }

    nonisolated(nonsending) func run() async {
        if suspends { await withCheckedContinuation { rounds.waiting.append($0) } }
        rounds.ended += 1
    }
}

private final class Plain: LinkHandler {
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }
}

private final class Nothing: LinkDriver {
    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int { bytes.byteCount }
    func setReading(_ isReading: Bool, for link: Link) {}
    func finish(_ link: Link) {}
    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {}
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
