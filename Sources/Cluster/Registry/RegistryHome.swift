import OmniwayTelemetry
import OmniwayTransport

/// The part of a registry that is on its own loop: what every store needs above its driver. Each call has a deadline,
/// leases are kept alive, and what is heard of the store becomes its health.
final class RegistryHome {
    private struct Call {
        let deadline: Moment
        let timer: TimerID
        let done: (Result<DriverAnswer, RegistryError>) -> Void
    }

    let loop: Loop
    let limits: RegistryLimits
    let door: RegistryDoor
    private let driver: any RegistryDriver
    private let log: Log
    private var mailbox: Mailbox<RegistryMail>?
    private var calls: [UInt64: Call] = [:]
    private var nextCall: UInt64 = 0
    private var feeds: Set<ObjectIdentifier> = []
    private var isClosed = false
    private let good: Gauge
    private(set) lazy var leases = LeaseTable(self)
    private var probe = Probe()
    /// What was logged last about a watch.
    private var complaint: RegistryError?

    /// How it is found out that the store is back.
    private struct Probe {
        let pause = Reconnecting(first: .milliseconds(200), longest: .seconds(5))
        var failures = 0
        var isSet = false
        static let token: UInt64 = 0
    }

    init(on loop: Loop, _ driver: any RegistryDriver, limits: RegistryLimits, log: Log) {
        (self.loop, self.driver, self.limits, self.log) = (loop, driver, limits, log)
        good = loop.meters.gauge("omniway_registry_good", "Registries whose store can do its work.")
        good.add(1)
        let box = Receiver()
        let mailbox = loop.mailbox(of: RegistryMail.self, limit: 1 << 20) { box.home?.receive($0) }
        self.mailbox = mailbox
        door = RegistryDoor(mailbox, limits)
        box.home = self
        driver.heard = { [weak self] in self?.hears($0) }
    }

    /// Between the mailbox and the home, which holds it.
    private final class Receiver { weak var home: RegistryHome? }

    private func receive(_ mail: RegistryMail) {
        switch mail {
        case .ask(let question, let limit, let answer): take(question, within: limit, answer)
        case .follow(let feed):
            // One watch too many tries again and again, slowly; its neighbours are not hurt.
            guard !isClosed, feeds.count < limits.watches else {
                feed.lose()
                break
            }
            feeds.insert(ObjectIdentifier(feed))
            driver.follow(feed)
        case .unfollow(let feed):
            if feeds.remove(ObjectIdentifier(feed)) != nil { driver.unfollow(feed) }
        case .forget(let key, let lease): leases.forget(key, of: lease)
        case .release(let lease): leases.revoke(lease) { _ in }
        case .outage(let isAway): driver.simulateOutage(isAway)
        }
    }

    // MARK: What users ask

    private func take(_ question: RegistryQuestion, within limit: Duration, _ answer: RegistryAnswer) {
        if isClosed { return answer.give(.failure(.closed)) }
        do throws(RegistryError) {
            switch question {
            case .transaction(let transaction): try transact(transaction, within: limit, answer)
            case .list(let keys, let keysOnly):
                run(.list(keys, keysOnly: keysOnly), within: limit) { answer.give($0.map(\.reply)) }
            case .beginning(let keys):
                run(.list(keys, keysOnly: false), within: limit) { [self] result in
                    if case .failure(let error) = result { hears(error) }
                    answer.give(result.map(\.reply))
                }
            case .compact(let revision): run(.compact(revision), within: limit) { answer.give($0.map(\.reply)) }
            case .lease(let seconds, let afterLoss, let changed):
                try leases.grant(seconds, afterLoss, changed, within: limit) { answer.give($0.map { .lease($0) }) }
            case .grant(let seconds): run(.grant(seconds: seconds), within: limit) { answer.give($0.map(\.reply)) }
            case .keepAlive(let id): run(.keepAlive(lease: id), within: limit) { answer.give($0.map(\.reply)) }
            case .end(let id): run(.revoke(lease: id), within: limit) { answer.give($0.map(\.reply)) }
            case .revoke(let lease): leases.revoke(lease) { answer.give($0.map { .done }) }
            case .close: close { answer.give(.success(.done)) }
            }
        } catch { answer.give(.failure(error)) }
    }

    private func transact(
        _ transaction: RegistryTransaction, within limit: Duration, _ answer: RegistryAnswer
    ) throws(RegistryError) {
        try transaction.check()
        let request = DriverRequest.transaction(try leases.resolve(transaction))
        run(request, within: limit) { [self] result in
            if case .success(.outcome(let outcome)) = result { leases.note(transaction, outcome) }
            answer.give(result.map(\.reply))
        }
    }

    // MARK: What the driver is asked

    /// Asks the driver, and hears its answer or that the time is over, once.
    func run(
        _ request: DriverRequest, within limit: Duration,
        _ done: @escaping (Result<DriverAnswer, RegistryError>) -> Void
    ) {
        if isClosed { return done(.failure(.closed)) }
        nextCall += 1
        let number = nextCall
        let deadline = loop.now + limit
        calls[number] = Call(deadline: deadline, timer: loop.after(limit, self, token: number), done: done)
        let mayWrite = request.mayWrite
        driver.perform(request, before: deadline) { [weak self] in self?.finish(number, $0, mayWrite: mayWrite) }
    }

    private func finish(_ number: UInt64, _ result: Result<DriverAnswer, RegistryError>, mayWrite: Bool) {
        guard let call = calls.removeValue(forKey: number) else { return }  // Too late, or the registry was closed.
        loop.cancel(call.timer)
        switch result {
        case .failure(let error): note(error.isTrouble ? error : nil)
        case .success: if mayWrite || !door.health.isFull { note(nil) }  // A full store can still be read.
        }
        call.done(result)
    }

    // MARK: Health

    /// What a driver hears in between, of a watch for example: a refusal says nothing about the store.
    private func hears(_ error: RegistryError?) {
        note(error.flatMap { $0.isTrouble ? $0 : nil })
        guard let error, !error.isTrouble, error != complaint else { return }
        complaint = error
        log.warning("registry watch refused", ["code": error.code.rawValue, "why": error.detail])
    }

    private func note(_ trouble: RegistryError?) { if let trouble { worsen(trouble) } else { heal() } }

    private func worsen(_ error: RegistryError) {
        if door.health == .good {
            good.add(-1)
            log.warning("registry degraded", ["code": error.code.rawValue, "why": error.detail])
        }
        door.health = .degraded(error)
        if probe.isSet || isClosed { return }
        probe.isSet = true
        loop.after(probe.pause.pause(after: probe.failures, chance: loop.random.next()), self, token: Probe.token)
    }

    private func heal() {
        if door.health != .good {
            good.add(1)
            log.notice("registry is back")
        }
        door.health = .good
        probe.failures = 0
    }

    private func ask() {
        probe.isSet = false
        guard door.health != .good else { return }
        probe.failures += 1
        // Any answer will do, also that this key must not be read.
        let question = DriverTransaction(then: [.read(.key("health-check"), limit: 1, keysOnly: true)])
        run(.transaction(question), within: limits.deadline) { _ in }
    }

    // MARK: The end

    private func close(_ done: @escaping () -> Void) {
        leases.revokeAll { [self] in
            isClosed = true
            if door.health == .good { good.add(-1) }
            for (_, call) in exchange(&calls, with: [:]).sorted(by: { $0.key < $1.key }) {
                loop.cancel(call.timer)
                call.done(.failure(.closed))
            }
            driver.close { [self] in
                if let mailbox { loop.remove(mailbox) }
                mailbox = nil
                done()
            }
        }
    }
}

extension RegistryHome: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        if token == Probe.token { return ask() }
        guard let call = calls[token] else { return }
        // A loop that ends lets all timers go early.
        let isOver = loop.now >= call.deadline
        finish(token, .failure(isOver ? .late : .closed), mayWrite: false)
    }
}

extension RegistryHealth {
    fileprivate var isFull: Bool { if case .degraded(let error) = self { error.code == .full } else { false } }
}

extension DriverAnswer {
    fileprivate var reply: RegistryReply {
        switch self {
        case .outcome(let outcome): .outcome(outcome)
        case .listing(let listing): .listing(listing)
        case .lease(let id, let seconds): .granted(id, .seconds(seconds))
        case .done: .done
        }
    }
}
