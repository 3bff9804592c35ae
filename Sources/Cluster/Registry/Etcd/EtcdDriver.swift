import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// A registry in etcd, by the JSON API that every member has since 3.4.
final class EtcdDriver: RegistryDriver {
    let loop: Loop
    let limits: RegistryLimits
    var heard: ((RegistryError?) -> Void)?
    private let settings: EtcdSettings
    private let members: [EtcdMember]
    private var current: Int
    private var watches: [EtcdWatching] = []
    private var probes: TimerID?
    // Who we are.
    private var token: String?
    private var isAuthenticating = false
    private var waitForToken: [(Result<String?, RegistryError>) -> Void] = []
    // What the store is.
    private var cluster = ""
    /// The latest revision that was seen: a store that answers with an earlier one is not the same any more.
    private var seen: Int64 = 0

    init(on loop: Loop, _ settings: EtcdSettings, _ addresses: [EtcdAddress], _ limits: RegistryLimits) {
        (self.loop, self.settings, self.limits) = (loop, settings, limits)
        members = addresses.map { EtcdMember($0, on: loop, limits) }
        // Not everybody's first choice.
        current = Int(loop.random.next() % UInt64(members.count))
    }

    // MARK: Questions

    func perform(
        _ request: DriverRequest, before deadline: Moment,
        _ answer: @escaping (Result<DriverAnswer, RegistryError>) -> Void
    ) {
        switch request {
        case .transaction(let transaction):
            askKeys(.transaction(transaction), before: deadline, answer) { json throws(RegistryError) in
                .outcome(try EtcdAnswers.outcome(json, of: transaction))
            }
        case .list(let keys, let keysOnly):
            EtcdList(keys, keysOnly: keysOnly, of: self, before: deadline) { answer($0.map { .listing($0) }) }.begin()
        case .grant(let seconds):
            ask(.grant(seconds: seconds), before: deadline, answer) { json throws(RegistryError) in
                let (id, seconds) = (json.number("ID"), json.number("TTL"))
                if id == 0 || seconds <= 0 { throw .unexpected("a lease was granted") }
                return .lease(id: id, seconds: seconds)
            }
        case .keepAlive(let id):
            ask(.keepAlive(id), before: deadline, answer) { json throws(RegistryError) in
                let seconds = json["result"]?.number("TTL") ?? 0
                if seconds <= 0 { throw .noLease(id) }
                return .lease(id: id, seconds: seconds)
            }
        case .revoke(let id): ask(.revoke(id), before: deadline, answer) { _ in .done }
        case .compact(let revision):
            ask(.compact(revision), before: deadline) { result in
                switch result {
                case .failure(let error) where error.code != .compacted: answer(.failure(error))
                case .success, .failure: answer(.success(.done))
                }
            }
        }
    }

    func ask(
        _ request: EtcdRequest, before deadline: Moment, _ done: @escaping (Result<JSON, RegistryError>) -> Void
    ) {
        EtcdCall(request, to: self, before: deadline, done).begin()
    }

    private func ask(
        _ request: EtcdRequest, before deadline: Moment,
        _ answer: @escaping (Result<DriverAnswer, RegistryError>) -> Void,
        _ read: @escaping (JSON) throws(RegistryError) -> DriverAnswer
    ) {
        ask(request, before: deadline) { result in
            do throws(RegistryError) {
                answer(.success(try read(try result.get())))
            } catch { answer(.failure(error)) }
        }
    }

    /// About keys: the answer says which revision the store has, and that only grows.
    func askKeys(
        _ request: EtcdRequest, before deadline: Moment, _ done: @escaping (Result<JSON, RegistryError>) -> Void
    ) {
        let seenBefore = seen
        ask(request, before: deadline) { [self] result in
            if case .success(let json) = result { note(json, seenBefore) }
            done(result)
        }
    }

    private func askKeys(
        _ request: EtcdRequest, before deadline: Moment,
        _ answer: @escaping (Result<DriverAnswer, RegistryError>) -> Void,
        _ read: @escaping (JSON) throws(RegistryError) -> DriverAnswer
    ) {
        askKeys(request, before: deadline) { result in
            do throws(RegistryError) {
                answer(.success(try read(try result.get())))
            } catch { answer(.failure(error)) }
        }
    }

    /// A cluster that was set up anew, or restored from a backup, has another past: watches start over.
    private func note(_ json: JSON, _ seenBefore: Int64) {
        // Who reads the answer says what is wrong with it.
        guard let revision = try? EtcdAnswers.revision(json) else { return }
        let cluster = json["header"]?.text("cluster_id") ?? ""
        let isAnother = !self.cluster.isEmpty && cluster != self.cluster
        self.cluster = cluster
        if isAnother || revision < seenBefore {
            seen = revision
            for watch in exchange(&watches, with: []) { watch.lose() }
        } else {
            seen = max(seen, revision)
        }
    }

    // MARK: Members

    var memberCount: Int { members.count }

    /// The one in use, or the next of those that are left.
    func member(except tried: [ObjectIdentifier]) -> EtcdMember? {
        for step in members.indices {
            let member = members[(current + step) % members.count]
            if !tried.contains(ObjectIdentifier(member)) { return member }
        }
        return nil
    }

    /// Others are asked first from now on.
    func hasFailed(_ member: EtcdMember) {
        if members[current] === member { current = (current + 1) % members.count }
    }

    // MARK: Who we are

    /// The token for requests; nil where nobody is asked who he is.
    func withToken(before deadline: Moment, _ then: @escaping (Result<String?, RegistryError>) -> Void) {
        guard let user = settings.user else { return then(.success(nil)) }
        if let token { return then(.success(token)) }
        waitForToken.append(then)
        if isAuthenticating { return }
        isAuthenticating = true
        let password = settings.password?.revealed ?? ""
        authenticate(.authenticate(user: user, password: password), before: deadline)
    }

    private func authenticate(_ request: EtcdRequest, before deadline: Moment) {
        EtcdAuthentication(request, self, before: deadline) { [self] result in
            isAuthenticating = false
            if case .success(let token) = result { self.token = token }
            for then in exchange(&waitForToken, with: []) { then(result) }
        }.begin()
    }

    func forgetToken(_ old: String?) { if token == old { token = nil } }

    // MARK: Watches

    func follow(_ feed: RegistryFeed) {
        let watch = EtcdWatching(feed, of: self)
        watches.append(watch)
        watch.begin()
        setProbe()
    }

    func unfollow(_ feed: RegistryFeed) {
        for watch in watches where watch.feed === feed { watch.end() }
        watches.removeAll { $0.feed === feed }
    }

    /// The watch has nothing more to do.
    func remove(_ watch: EtcdWatching) { watches.removeAll { $0 === watch } }

    /// A stream that says nothing may be a quiet one or a dead one.
    private func setProbe() {
        guard probes == nil, !watches.isEmpty else { return }
        let chance = Double(loop.random.next() >> 11) / Double(1 << 53)
        probes = loop.after(limits.silence * (0.75 + 0.5 * chance), self)
    }

    private func probe() {
        var asked: [EtcdMember] = []
        for watch in watches {
            guard let member = watch.member, !asked.contains(where: { $0 === member }) else { continue }
            asked.append(member)
            EtcdProbe(member, token, within: limits.silence) { [weak self] error in
                self?.probed(member, error)
            }.begin()
        }
        setProbe()
    }

    private func probed(_ member: EtcdMember, _ error: RegistryError?) {
        guard let error else { return }
        hasFailed(member)
        heard?(error)
        for watch in watches where watch.member === member { watch.cut() }
    }

    // MARK: The end

    func close(_ done: @escaping () -> Void) {
        for watch in exchange(&watches, with: []) { watch.end() }
        if let probes { loop.cancel(probes) }
        for member in members { member.close() }
        done()
    }
}

extension EtcdDriver: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        probes = nil
        probe()
    }
}
