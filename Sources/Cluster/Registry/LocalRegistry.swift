public import OmniwayTransport

/// A registry for the code of one loop: answers and watches come as calls on it, without tasks.
///
/// ```swift
/// let registry = registry.on(loop)
/// registry.put("a", "b") { result in … }
/// registry.watch(.prefix("servers/")) { event in … }
/// ```
///
/// Who lets go of it hears no more answers, and its watches end.
public final class LocalRegistry {
    private enum Mail: Sendable {
        case answer(UInt64, Result<RegistryReply, RegistryError>)
        /// Something waits for a watch.
        case news(UInt64)
        case lease(UInt64, RegistryLease.Event)
    }

    public let registry: Registry
    public let loop: Loop
    private var mailbox: Mailbox<Mail>?
    private var waiting: [UInt64: (Result<RegistryReply, RegistryError>) -> Void] = [:]
    private var watches: [UInt64: RegistryWatch] = [:]
    private var leases: [UInt64: (RegistryLease.Event) -> Void] = [:]
    private var last: UInt64 = 0

    init(_ registry: Registry, on loop: Loop) {
        (self.registry, self.loop) = (registry, loop)
        // Room for all that may come: an answer for each call, a notice for each watch, what happens to a lease.
        let limits = registry.door.limits
        let room = 2 * (limits.calls + limits.watches) + 8 * limits.leases
        mailbox = loop.mailbox(of: Mail.self, limit: room) { [weak self] in
            self?.receive($0)
        }
    }

    deinit {
        for watch in watches.values { watch.cancel() }
        if let mailbox { loop.remove(mailbox) }
    }

    private func receive(_ mail: Mail) {
        switch mail {
        case .answer(let number, let result): waiting.removeValue(forKey: number)?(result)
        case .news(let number): watches[number]?.takeNews()
        case .lease(let number, let event):
            let handler = event == .ended ? leases.removeValue(forKey: number) : leases[number]
            handler?(event)
        }
    }

    /// How many answers are due.
    public var callCount: Int { waiting.count }

    // MARK: Calls

    private func ask(
        _ question: RegistryQuestion, within limit: Duration? = nil,
        _ done: @escaping (Result<RegistryReply, RegistryError>) -> Void
    ) {
        last += 1
        let number = last
        waiting[number] = done
        let mailbox = mailbox
        registry.door.ask(question, within: limit ?? registry.deadline) { mailbox?.post(.answer(number, $0)) }
    }

    /// Does a transaction; see `Registry.transact`.
    public func transact(
        _ transaction: RegistryTransaction, _ done: @escaping (Result<RegistryOutcome, RegistryError>) -> Void
    ) {
        ask(.transaction(transaction)) { result in
            done(
                result.flatMap {
                    guard case .outcome(let outcome) = $0 else { return .failure(.unexpected("it was done")) }
                    return .success(outcome)
                })
        }
    }

    /// What a key is now.
    public func get(_ key: RegistryBytes, _ done: @escaping (Result<RegistryEntry?, RegistryError>) -> Void) {
        transact(RegistryTransaction(then: [.get(key)])) { done($0.map { $0.results.first?.entries.first }) }
    }

    /// All keys with a prefix, or one key, at one revision.
    public func list(_ keys: RegistryKeys, _ done: @escaping (Result<RegistryListing, RegistryError>) -> Void) {
        list(.list(keys, keysOnly: false), within: registry.deadline, done)
    }

    func list(
        _ question: RegistryQuestion, within limit: Duration,
        _ done: @escaping (Result<RegistryListing, RegistryError>) -> Void
    ) {
        ask(question, within: limit) { result in
            done(
                result.flatMap {
                    guard case .listing(let listing) = $0 else { return .failure(.unexpected("it was read")) }
                    return .success(listing)
                })
        }
    }

    /// Puts a value; the answer is the revision that this made.
    public func put(
        _ key: RegistryBytes, _ value: RegistryBytes, lease: RegistryLease? = nil,
        _ done: @escaping (Result<Int64, RegistryError>) -> Void = { _ in }
    ) {
        transact(RegistryTransaction(then: [.put(key, value, lease: lease)])) { done($0.map(\.revision)) }
    }

    /// Deletes a key; the answer is whether there was one.
    public func delete(_ key: RegistryBytes, _ done: @escaping (Result<Bool, RegistryError>) -> Void = { _ in }) {
        transact(RegistryTransaction(then: [.delete(key)])) { done($0.map { $0.results.first?.deleted == 1 }) }
    }

    /// A lease that stays alive by itself; see `Registry.lease`. What happens to it is told on this loop.
    public func lease(
        ttl: Duration, afterLoss: RegistryLease.AfterLoss = .restores,
        changed: @escaping (RegistryLease.Event) -> Void = { _ in },
        _ done: @escaping (Result<RegistryLease, RegistryError>) -> Void
    ) {
        last += 1
        let (number, mailbox) = (last, mailbox)
        leases[number] = changed
        let question = RegistryQuestion.lease(seconds: ttl.wholeSeconds, afterLoss) {
            mailbox?.post(.lease(number, $0))
        }
        ask(question) { [weak self] result in
            switch result {
            case .success(.lease(let lease)): return done(.success(lease))
            case .success: done(.failure(.unexpected("a lease was granted")))
            case .failure(let error): done(.failure(error))
            }
            self?.leases[number] = nil
        }
    }

    // MARK: Watches

    /// Tells every change of these keys, in the order of the store: none is lost, none comes twice.
    ///
    /// Without `from` the first event is a reset with what there is. With a revision the changes from then on come, the
    /// revision's own included. Outages are bridged; when the store has forgotten what happened meanwhile, or this loop
    /// was too slow to take it, there is a reset again.
    @discardableResult
    public func watch(
        _ keys: RegistryKeys, from revision: Int64? = nil, _ handler: @escaping (RegistryWatchEvent) -> Void
    ) -> RegistryWatch {
        last += 1
        let number = last
        let mailbox = mailbox
        let watch = RegistryWatch(keys, number, self, handler) { mailbox?.post(.news(number)) }
        watches[number] = watch
        watch.start(from: revision)
        return watch
    }

    func remove(_ watch: RegistryWatch) { watches[watch.number] = nil }
}

extension Registry {
    /// This registry for code on a loop.
    public func on(_ loop: Loop) -> LocalRegistry { LocalRegistry(self, on: loop) }
}
