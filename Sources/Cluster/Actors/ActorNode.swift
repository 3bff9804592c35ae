import OmniwayTelemetry
import OmniwayTransport

/// What goes from anywhere to the loop of an actor system.
enum ActorMail: Sendable {
    case join(ActorPromise<ActorError?>)
    case claim(ActorIdentity, ActorPromise<ActorError?>)
    /// Whether the name is still ours, now that the actor is made.
    case confirm(ActorIdentity, ActorPromise<Bool>)
    case release(ActorIdentity, ActorPromise<Void>)
    case call(OutgoingRequest)
    /// Whoever made that call does not wait any more.
    case cancel(UInt64)
    /// Takes no more calls; the answer is the lease to be given back.
    case leave(ActorPromise<RegistryLease?>)
    case end(within: Duration, ActorPromise<Void>)
}

/// Somebody who is told exactly once; if everybody forgets him, what was said at the beginning.
final class ActorPromise<Value: Sendable>: Sendable {
    private let handler: Lock<(@Sendable (Value) -> Void)?>
    private let otherwise: Value

    init(otherwise: Value, _ handler: @escaping @Sendable (Value) -> Void) {
        (self.otherwise, self.handler) = (otherwise, Lock(handler))
    }
    deinit { give(otherwise) }

    func give(_ value: Value) {
        let handler = handler.withLock { exchange(&$0, with: nil) }
        handler?(value)
    }
}

/// The part of an actor system that lives on its loop: what it hosts, and the calls there and back.
final class ActorNode {
    let loop: Loop
    let port: BusPort
    let registry: LocalRegistry
    let settings: ActorSettings
    let table: ActorTable
    let counters: ActorCounters
    /// By which callers find it: a value of the registry, and the end of its subject.
    let name: String
    /// The same in the numbers of its calls.
    let number: UInt64
    private(set) var lease: RegistryLease?
    private var mirror: RegistryMirror?
    private var subscription: BusSubscription?
    private var door: Mailbox<ActorMail>?
    /// The names that are ours, and the revision in which they became so.
    private var claims: [ActorIdentity: Int64] = [:]
    private var claiming: Set<ActorIdentity> = []
    var outgoing: [UInt64: OutgoingCall] = [:]
    var incoming: [ActorCallNumber: IncomingCall] = [:]
    /// Calls from elsewhere, of one actor.
    var underWay: [ActorIdentity: Int] = [:]
    private var isLeaving = false
    private var waitingForEnd: ActorPromise<Void>?

    init(
        on loop: Loop, _ registry: LocalRegistry, _ port: BusPort, _ settings: ActorSettings, _ table: ActorTable
    ) {
        (self.loop, self.registry, self.port) = (loop, registry, port)
        (self.settings, self.table) = (settings, table)
        counters = ActorCounters(loop.meters)
        number = loop.random.next()
        name = [loop.random.next(), number].map {
            let digits = String($0, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// The way in, for all threads: room for each call, its cancellation, and some more.
    func open() throws(ActorError) -> Mailbox<ActorMail> {
        do {
            subscription = try port.subscribe(Self.subject(of: name)) { [weak self] in self?.receive($0) }
        } catch { throw ActorError(error) }
        mirror = RegistryMirror(registry, prefix: RegistryBytes(settings.prefix), limit: settings.known) {
            [weak self] in self?.hostChanged($0)
        }
        let door = loop.mailbox(limit: 2 * settings.calls + 65_536) { [weak self] in self?.take($0) }
        self.door = door
        return door
    }

    static func subject(of host: String) -> String { "omniway.actors.\(host)" }

    private func take(_ mail: ActorMail) {
        switch mail {
        case .join(let waiter): join(waiter)
        case .claim(let identity, let waiter): claim(identity, waiter)
        case .confirm(let identity, let waiter): waiter.give(claims[identity] != nil)
        case .release(let identity, let waiter): release(identity, waiter)
        case .call(let request): OutgoingCall(request, self).start()
        case .cancel(let number): outgoing[number]?.cancel()
        case .leave(let waiter):
            isLeaving = true
            waiter.give(lease)
        case .end(let limit, let waiter):
            waitingForEnd = waiter
            loop.after(limit, self)
            endIfDone()
        }
    }

    // MARK: Coming and going

    private func join(_ waiter: ActorPromise<ActorError?>) {
        registry.lease(ttl: settings.lease) { [weak self] event in
            if case .restored(let taken) = event { self?.restored(but: taken) }
        } _: { [weak self] result in
            switch result {
            case .success(let lease):
                self?.lease = lease
                waiter.give(nil)
            case .failure(let error): waiter.give(ActorError(error))
            }
        }
    }

    /// Whether what it hosts is certainly its own.
    var isHost: Bool { !isLeaving && lease?.isHeld == true }

    func endIfDone() { if waitingForEnd != nil, incoming.isEmpty { end() } }

    private func end() {
        for call in incoming.values.sorted(by: { $0.number < $1.number }) { call.cancel() }
        for call in outgoing.values.sorted(by: { $0.number < $1.number }) { call.end(.failed(.closed)) }
        subscription?.cancel()
        mirror?.end()
        for identity in table.identities { table.remove(identity) }
        counters.actors.add(-Int64(claims.count))
        claims = [:]
        lease = nil
        if let door { loop.remove(door) }
        exchange(&waitingForEnd, with: nil)?.give(())
    }

    // MARK: Names

    func key(of identity: ActorIdentity) -> RegistryBytes {
        RegistryBytes("\(settings.prefix)\(identity.type)/\(identity.name)")
    }

    private func identity(of key: RegistryBytes) -> ActorIdentity? {
        guard let text = key.after(RegistryBytes(settings.prefix))?.text, let slash = text.firstIndex(of: "/")
        else { return nil }
        return ActorIdentity(type: String(text[..<slash]), name: String(text[text.index(after: slash)...]))
    }

    private func claim(_ identity: ActorIdentity, _ waiter: ActorPromise<ActorError?>) {
        guard isHost, let lease else {
            return waiter.give(ActorError(.leaseLost, "the lease of this host is lost; try again when it is back"))
        }
        guard claims[identity] == nil, claiming.insert(identity).inserted else {
            return waiter.give(ActorError(.taken, "\(identity) is hosted here already"))
        }
        guard claims.count + claiming.count <= settings.actors else {
            claiming.remove(identity)
            return waiter.give(ActorError(.overloaded, "\(settings.actors) actors are hosted here; release some"))
        }
        let key = key(of: identity)
        let take = RegistryTransaction(
            if: [.absent(key)], then: [.put(key, RegistryBytes(name), lease: lease)], else: [.get(key)])
        registry.transact(take) { [weak self] result in
            guard let self else { return }
            claiming.remove(identity)
            switch result {
            case .success(let outcome):
                let entry = outcome.results.first?.entries.first
                // Ours already: an attempt before this one, of which nothing was heard.
                guard outcome.succeeded || entry?.value.text == name else {
                    let host = entry?.value.text ?? "another"
                    return waiter.give(ActorError(.taken, "\(identity) is hosted by \(host)"))
                }
                claims[identity] = outcome.revision
                counters.actors.add(1)
                waiter.give(nil)
            case .failure(let error):
                giveBack(identity)  // It may have been done.
                waiter.give(ActorError(error))
            }
        }
    }

    private func release(_ identity: ActorIdentity, _ waiter: ActorPromise<Void>? = nil) {
        guard claims.removeValue(forKey: identity) != nil else { return }
        counters.actors.add(-1)
        giveBack(identity, waiter)
    }

    /// Deletes the key if it is ours, also from what the lease puts again.
    private func giveBack(_ identity: ActorIdentity, _ waiter: ActorPromise<Void>? = nil) {
        let key = key(of: identity)
        lease?.forget(key)
        registry.transact(
            RegistryTransaction(if: [.value(of: key, is: RegistryBytes(name))], then: [.delete(key)])
        ) { result in
            waiter?.give(())
            // It goes with the lease then, at the latest.
            if case .failure(let error) = result {
                Log.shared.notice(
                    "actors: a name is not given back yet", ["actor": "\(identity)", "error": "\(error)"])
            }
        }
    }

    /// The lease was lost for a while; these names are others' now.
    private func restored(but taken: [RegistryBytes]) {
        for key in taken { if let identity = identity(of: key) { evict(identity) } }
    }

    private func hostChanged(_ change: RegistryChange) {
        guard let entry = change.entry, entry.value.text != name, let identity = identity(of: change.key),
            let claimed = claims[identity], entry.modified > claimed
        else { return }
        evict(identity)
    }

    private func evict(_ identity: ActorIdentity) {
        guard claims[identity] != nil else { return }
        table.remove(identity)
        release(identity)
        counters.evictions.add(1)
        settings.evicted(identity)
    }

    /// Who hosts an actor, as far as is known here.
    func knownHost(of identity: ActorIdentity) -> String? { mirror?[key(of: identity)]?.value.text }
}

extension ActorNode: TimerTarget {
    /// Calls from elsewhere have had their time to end.
    func timerFired(_ token: UInt64, on loop: Loop) { if waitingForEnd != nil { end() } }
}
