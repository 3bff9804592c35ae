import OmniwayTelemetry
import OmniwayTransport
import Synchronization

/// Something that an app does again and again, or once later. Made by `every` and `after` of the app.
public final class AppTimer: Sendable {
    typealias Plain = @Sendable () throws -> Void
    typealias Async = nonisolated(nonsending) @Sendable () async throws -> Void
    enum Body: Sendable {
        case plain(Plain)
        case async(Async)
    }

    /// Until its first run.
    let delay: Duration
    let interval: Duration
    /// How often it runs; nil for ever.
    let count: Int?
    let condition: @Sendable () -> Bool
    let body: Body
    /// Where in the source it was made, for the log.
    let origin: String
    private let owner: AppTimers
    private let isOver = Atomic<Bool>(false)
    private let loop = Atomic<Int>(AppTimer.nowhere)
    private static let nowhere = -1

    init(
        _ owner: AppTimers, delay: Duration, interval: Duration, count: Int?, condition: @escaping @Sendable () -> Bool,
        body: Body, origin: String
    ) {
        (self.owner, self.delay, self.interval, self.count) = (owner, delay, interval, count)
        (self.condition, self.body, self.origin) = (condition, body, origin)
    }

    /// False when it was stopped, has run as often as it should, or the app has stopped.
    public var isRunning: Bool { !isOver.load(ordering: .acquiring) }

    /// It does not run again. A run that is under way comes to its end.
    public func stop() {
        guard finish() else { return }
        let loop = loop.load(ordering: .acquiring)
        if loop != Self.nowhere { owner.tell(self, loop) }
    }

    /// False when it was over already.
    @discardableResult
    func finish() -> Bool {
        if isOver.exchange(true, ordering: .acquiringAndReleasing) { return false }
        owner.ended()
        return true
    }

    func place(on loop: Int) { self.loop.store(loop, ordering: .releasing) }
}

/// All timers of an app. Those that are set before it starts begin when it listens.
final class AppTimers: Sendable {
    private enum Phase {
        case before([AppTimer])
        case running(AppServer)
        case over
    }
    private struct State {
        var phase = Phase.before([])
        /// Timers that are not over.
        var count = 0
        /// Where the next one goes that nobody on a loop has set.
        var next = 0
    }
    private let state = Lock(State())
    private let most: Int

    init(most: Int) { self.most = most }

    func add(_ timer: AppTimer) {
        enum Answer { case waits, over, full, begins(AppServer, Int) }
        let answer = state.withLock { state -> Answer in
            if state.count >= most { return .full }
            state.count += 1
            switch state.phase {
            case .before(var timers):
                state.phase = .over  // The array has one owner while it grows.
                timers.append(timer)
                state.phase = .before(timers)
                return .waits
            case .running(let server):
                state.next += 1
                return .begins(server, state.next)
            case .over: return .over
            }
        }
        switch answer {
        case .waits: break
        case .over: timer.finish()
        case .full:
            state.withLock { $0.count += 1 }  // What ends was counted.
            timer.finish()
            Log.shared.error(
                "timer not set", ["at": timer.origin, "error": "there are \(most), as many as settings.maxTimers says"])
        case .begins(let server, let turn): begin(timer, server, turn)
        }
    }

    func begin(_ server: AppServer) {
        let timers = state.withLock { state -> [AppTimer] in
            guard case .before(let timers) = state.phase else { return [] }
            (state.phase, state.next) = (.running(server), timers.count)
            return timers
        }
        for (turn, timer) in timers.enumerated() where timer.isRunning { begin(timer, server, turn) }
    }

    /// On the loop that the caller is on; otherwise the loops take turns.
    private func begin(_ timer: AppTimer, _ server: AppServer, _ turn: Int) {
        let loop = server.shards.firstIndex { $0.home.isCurrent } ?? turn % server.shards.count
        timer.place(on: loop)
        if server.tell(loop, .timer(timer)) { return }
        timer.finish()
        Log.shared.error("timer not set", ["at": timer.origin, "error": "its loop is far behind"])
    }

    func tell(_ timer: AppTimer, _ loop: Int) {
        let server = state.withLock { state -> AppServer? in
            if case .running(let server) = state.phase { server } else { nil }
        }
        server?.tell(loop, .timer(timer))
    }

    func ended() { state.withLock { $0.count -= 1 } }

    /// Timers that are set from now on never run.
    func end() {
        let before = state.withLock { state -> [AppTimer] in
            defer { state.phase = .over }
            if case .before(let timers) = state.phase { return timers } else { return [] }
        }
        for timer in before { timer.finish() }
    }
}
