import OmniwayTelemetry
import OmniwayTransport

/// Keeps one lease alive: says so to the store every third of its time, notices when it is lost, and puts its keys
/// again under another one.
final class LeaseKeeper {
    private enum Phase {
        case held
        /// Its time is over without an answer; the store may have kept it.
        case unsure
        /// The store does not have it. Another is asked for, and the keys are put again.
        case replacing
        case ended
    }
    private enum Token { static let renew: UInt64 = 1, expire: UInt64 = 2, replace: UInt64 = 3, restore: UInt64 = 4 }
    private static let batch = 64
    private static let batchBytes = 1 << 20

    let number: UInt64
    let shared: RegistryLease.Shared
    /// What is under it, to be put again.
    var keys: [RegistryBytes: RegistryBytes] = [:]
    private unowned let home: RegistryHome
    private let loop: Loop
    private let seconds: Int64
    private let afterLoss: RegistryLease.AfterLoss
    private let changed: @Sendable (RegistryLease.Event) -> Void
    private var id: Int64
    private var ttl = Duration.zero
    private var phase = Phase.held
    private var ends: Moment
    private var timers: [UInt64: TimerID] = [:]
    private var failures = 0
    /// What is still to be put again, and which keys are somebody else's already.
    private var unrestored: (keys: ArraySlice<RegistryBytes>, taken: [RegistryBytes]) = ([], [])
    private var lastError = RegistryError(.timedOut, "the lease was not renewed in time")

    init(
        _ number: UInt64, _ home: RegistryHome, id: Int64, seconds: Int64, afterLoss: RegistryLease.AfterLoss,
        changed: @escaping @Sendable (RegistryLease.Event) -> Void
    ) {
        (self.number, self.home, self.id, self.seconds) = (number, home, id, seconds)
        (self.afterLoss, self.changed, loop) = (afterLoss, changed, home.loop)
        shared = RegistryLease.Shared(id: id, ttl: .seconds(seconds))
        ends = loop.now
    }

    /// Under which keys may be put now.
    var usableID: Int64? { if case .held = phase { id } else { nil } }

    func begins(_ granted: Int64, asked: Moment) { heard(granted, asked: asked) }

    /// No more is done for it. The store's number for it.
    func end() -> Int64 {
        phase = .ended
        for (_, timer) in timers { loop.cancel(timer) }
        home.leases.remove(self)
        tell(.ended)
        return id
    }

    private func tell(_ event: RegistryLease.Event) {
        let id = usableID
        shared.state.withLock { $0.id = id }
        changed(event)
    }

    // MARK: Staying alive

    private func heard(_ granted: Int64, asked: Moment) {
        failures = 0
        ttl = .seconds(granted)
        let ttl = ttl
        shared.state.withLock { $0.ttl = ttl }
        ends = asked + ttl
        set(Token.expire, after: ends - loop.now)
        // Not all at the same moment after an outage.
        set(Token.renew, after: ttl / 3 * (0.9 + 0.2 * chance))
    }

    private var chance: Double { Double(loop.random.next() >> 11) / Double(1 << 53) }

    private func set(_ token: UInt64, after delay: Duration) {
        if let timer = timers[token] { loop.cancel(timer) }
        timers[token] = loop.after(max(delay, .milliseconds(1)), self, token: token)
    }

    private func retry(_ token: UInt64) {
        let pause = Reconnecting(first: .milliseconds(200), longest: max(.milliseconds(500), ttl / 3))
        set(token, after: pause.pause(after: failures, chance: loop.random.next()))
        failures += 1
    }

    private func renew() {
        let (asked, renewed) = (loop.now, id)
        home.run(.keepAlive(lease: id), within: max(.seconds(1), ttl / 3)) { [self] result in
            guard renewed == id else { return }  // It was replaced meanwhile.
            switch (phase, result) {
            case (.ended, _): break
            case (_, .success(.lease(_, let seconds))):
                heard(seconds, asked: asked)
                guard case .unsure = phase else { break }
                phase = .held
                tell(.regained)
            case (_, .failure(let error)) where error.code == .leaseLost: isGone(error)
            case (_, .failure(let error)):
                lastError = error
                retry(Token.renew)
            case (_, .success): retry(Token.renew)
            }
        }
    }

    private func expire() {
        guard case .held = phase else { return }
        phase = .unsure
        tell(.lost(lastError))
    }

    // MARK: Being replaced

    private func isGone(_ error: RegistryError) {
        let wasHeld = usableID != nil
        phase = .replacing
        if wasHeld { tell(.lost(error)) }
        switch afterLoss {
        case .restores: replace()
        case .ends: _ = end()
        }
    }

    private func replace() {
        let asked = loop.now
        home.run(.grant(seconds: seconds), within: home.limits.deadline) { [self] result in
            guard case .replacing = phase else { return }
            switch result {
            case .success(.lease(let id, let granted)):
                self.id = id
                if let timer = timers[Token.restore] { loop.cancel(timer) }  // That was for the lease before.
                heard(granted, asked: asked)
                restore(keys.keys.sorted()[...], taken: [])
            case .success, .failure: retry(Token.replace)
            }
        }
    }

    /// Puts the keys again that nobody has put meanwhile, some at once.
    private func restore(_ rest: ArraySlice<RegistryBytes>, taken: [RegistryBytes]) {
        var puts: [DriverTransaction.Operation] = []
        var batch: [RegistryBytes] = []
        var bytes = 0
        var rest = rest
        while let key = rest.first, batch.count < Self.batch {
            if let value = keys[key] {  // Otherwise it was deleted meanwhile.
                bytes += 2 * key.count + value.count
                if bytes > Self.batchBytes, !batch.isEmpty { break }
                batch.append(key)
                puts.append(.put(key, value, lease: id))
            }
            rest = rest.dropFirst()
        }
        if batch.isEmpty { return isRestored(taken) }
        let transaction = DriverTransaction(
            conditions: batch.map { .absent($0) }, then: puts,
            otherwise: batch.map { .read(.key($0), limit: 1, keysOnly: true) })
        let attempt = id
        home.run(.transaction(transaction), within: home.limits.deadline) { [self] result in
            guard case .replacing = phase, attempt == id else { return }
            switch result {
            case .success(.outcome(let outcome)) where outcome.succeeded:
                // Not all in one turn.
                unrestored = (rest, taken)
                set(Token.restore, after: .zero)
            case .success(.outcome(let outcome)): restore(batch, rest, taken, given: outcome.results.flatMap(\.entries))
            case .failure(let error) where error.code == .leaseLost: replace()
            case .success, .failure:
                unrestored = ((batch + rest)[...], taken)
                retry(Token.restore)
            }
        }
    }

    /// Some of a batch are there: our own, put by an attempt of which we have not heard, or somebody else's.
    private func restore(
        _ batch: [RegistryBytes], _ rest: ArraySlice<RegistryBytes>, _ taken: [RegistryBytes],
        given: [RegistryEntry]
    ) {
        let others = given.filter { $0.lease != id }.map(\.key)
        for key in others { home.leases.forget(key, of: number) }
        let present = Set(given.map(\.key))
        restore((batch.filter { !present.contains($0) } + rest)[...], taken: taken + others)
    }

    private func isRestored(_ taken: [RegistryBytes]) {
        phase = .held
        tell(.restored(taken: taken))
    }
}

extension LeaseKeeper: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        if case .ended = phase { return }
        switch token {
        case Token.renew: renew()
        case Token.expire: expire()
        case Token.restore: if case .replacing = phase { restore(unrestored.keys, taken: unrestored.taken) }
        default: replace()
        }
    }
}
