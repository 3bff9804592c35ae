import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// What is written down of clients and rules, on one loop: each change a transaction that holds whole or not at all.
final class TunnelBook {
    typealias Done<Value> = (Result<Value, TunnelRefusal>) -> Void

    let registry: LocalRegistry
    private let loop: Loop
    private static let attempts = 8

    init(_ registry: LocalRegistry) { (self.registry, loop) = (registry, registry.loop) }

    // MARK: Clients

    /// Writes down a new client under a number that nobody has.
    func register(attempt: Int = 1, _ done: @escaping Done<TunnelIdentity>) {
        let identity = TunnelIdentity.make(client: UUIDText.random(using: &loop.random))
        let (record, tunnel) = (TunnelKey.record(identity.client), TunnelKey.tunnel(identity.tunnel))
        let written: JSON = [
            "ClientId": .string(identity.client), "TunnelId": .string(identity.tunnel),
            "TokenMark": .string(Secret.mark(identity.token)), "CreateTime": .string(Timestamp.now().text),
        ]
        let transaction = RegistryTransaction(
            if: [.absent(record), .absent(tunnel)],
            then: [.put(record, RegistryBytes(written.text)), .put(tunnel, Self.tunnelValue(identity))])
        registry.transact(transaction) { result in
            switch result {
            case .failure(let error): done(.failure(TunnelRefusal(error)))
            case .success(let outcome) where outcome.succeeded: done(.success(identity))
            case .success where attempt < Self.attempts: self.register(attempt: attempt + 1, done)
            case .success: done(.failure(TunnelRefusal(.offline, "no number is free; try again")))
            }
        }
    }

    private static func tunnelValue(_ identity: TunnelIdentity) -> RegistryBytes {
        let json: JSON = [
            "TunnelId": .string(identity.tunnel), "TerminalId": .string(identity.client),
            "AuthCode": .string(identity.authCode),
        ]
        return RegistryBytes(json.text)
    }

    /// The number of a client, if the token is its own. Who is not known, and who has another token, hear the same.
    func check(_ client: String, token: String, _ done: @escaping Done<String>) {
        let refusal = TunnelRefusal(.notAuthenticated, "no such client, or not its token")
        guard client.isTunnelID else { return done(.failure(refusal)) }
        registry.get(TunnelKey.record(client)) { result in
            switch result {
            case .failure(let error): done(.failure(TunnelRefusal(error)))
            case .success(let entry):
                guard let entry, let reader = try? MemberReader(entry.value.text),
                    let mark = try? reader.text("TokenMark"), let tunnel = try? reader.text("TunnelId"),
                    Secret.isMark(mark, of: token)
                else { return done(.failure(refusal)) }
                done(.success(tunnel))
            }
        }
    }

    /// What a number stands for; nil when it is nobody's.
    func find(_ tunnel: String, _ done: @escaping Done<FoundTunnel?>) {
        guard tunnel.isTunnelNumber else { return done(.success(nil)) }
        registry.get(TunnelKey.tunnel(tunnel)) { result in
            done(result.mapError { TunnelRefusal($0) }.map { $0.flatMap { FoundTunnel($0) } })
        }
    }

    /// Another AuthCode for a client. With `revokes`, the rules that others made with the old one go.
    func changeCode(of identity: (client: String, tunnel: String), revokes: Bool, _ done: @escaping Done<String>) {
        let new = TunnelIdentity(
            client: identity.client, token: "", tunnel: identity.tunnel,
            authCode: Secret.text(8, of: Secret.letters))
        registry.put(TunnelKey.tunnel(identity.tunnel), Self.tunnelValue(new)) { result in
            if case .failure(let error) = result { return done(.failure(TunnelRefusal(error))) }
            if !revokes { return done(.success(new.authCode)) }
            self.revoke(identity.client) { done($0.map { new.authCode }) }
        }
    }

    private func revoke(_ target: String, _ done: @escaping Done<Void>) {
        let prefix = TunnelKey.reverse(of: target)
        registry.list(.prefix(prefix)) { result in
            switch result {
            case .failure(let error): done(.failure(TunnelRefusal(error)))
            case .success(let listing):
                let names = listing.entries.compactMap { $0.key.after(prefix)?.text }
                self.removeAll(names.filter { !$0.hasPrefix(target + "=>") }[...], done)
            }
        }
    }

    private func removeAll(_ names: ArraySlice<String>, _ done: @escaping Done<Void>) {
        guard let name = names.first, let cut = name.range(of: "=>") else { return done(.success(())) }
        remove(String(name[cut.upperBound...]), of: String(name[..<cut.lowerBound])) { result in
            if case .failure(let refusal) = result, refusal.code != .notFound { return done(.failure(refusal)) }
            self.removeAll(names.dropFirst(), done)
        }
    }

    // MARK: Rules

    /// Writes down a rule with all that points to it, if its name or port is free or its owner's, and the target's
    /// AuthCode is still what was checked.
    func put(_ rule: TunnelRule, whileUnchanged tunnel: RegistryEntry, _ done: @escaping Done<TunnelRule>) {
        put(rule, tunnel, attempt: 1, done)
    }

    private func put(
        _ rule: TunnelRule, _ tunnel: RegistryEntry, attempt: Int, _ done: @escaping Done<TunnelRule>
    ) {
        let key = TunnelKey.rule(rule.owner, rule.listenAddress.text)
        let claim = TunnelKey.claim(rule.listenAddress)
        registry.transact(RegistryTransaction(then: [.get(key)] + (claim.map { [.get($0)] } ?? []))) { result in
            switch result {
            case .failure(let error): done(.failure(TunnelRefusal(error)))
            case .success(let read):
                let before = read.results.first?.entries.first
                let holder = read.results.dropFirst().first?.entries.first
                if let holder, ![rule.owner, rule.holder].contains(holder.value.text) {
                    let words = "\(rule.listenAddress.text) belongs to somebody else; choose another"
                    return done(.failure(TunnelRefusal(.forbidden, words)))
                }
                var conditions: [RegistryCondition] = [.unchanged(tunnel), Self.still(key, before)]
                if let claim { conditions.append(Self.still(claim, holder)) }
                var steps: [RegistryOperation] = [.put(key, RegistryBytes(rule.json.text))]
                let reverse = TunnelKey.reverse(rule.target, rule.owner, rule.listenAddress.text)
                if let before, let old = try? TunnelRule(MemberReader.json(before.value.text)) {
                    let gone = TunnelKey.reverse(old.target, old.owner, old.listenAddress.text)
                    if gone != reverse { steps.append(.delete(gone)) }
                }
                steps.append(.put(reverse, ""))
                // Written also when it is there, so that who takes it away sees that somebody has come.
                if let claim { steps.append(.put(claim, RegistryBytes(rule.holder))) }
                if let group = rule.group { steps.append(.put(TunnelKey.member(group, rule.owner), "")) }
                if case .domain(let name) = rule.listenAddress {
                    steps.append(.put(TunnelKey.domain(name, of: rule.owner), ""))
                }
                self.registry.transact(RegistryTransaction(if: conditions, then: steps)) { result in
                    switch result {
                    case .failure(let error): done(.failure(TunnelRefusal(error)))
                    case .success(let outcome) where outcome.succeeded: done(.success(rule))
                    case .success where attempt < Self.attempts:
                        self.putAgain(rule, tunnel, attempt: attempt + 1, done)
                    case .success: done(.failure(TunnelRefusal(.offline, "the rule changes all the time; try again")))
                    }
                }
            }
        }
    }

    /// What was checked may be what has changed; then checking is to be done again by whoever asked.
    private func putAgain(
        _ rule: TunnelRule, _ tunnel: RegistryEntry, attempt: Int, _ done: @escaping Done<TunnelRule>
    ) {
        registry.get(tunnel.key) { result in
            switch result {
            case .failure(let error): done(.failure(TunnelRefusal(error)))
            case .success(let now) where now?.modified == tunnel.modified:
                self.put(rule, tunnel, attempt: attempt, done)
            case .success: done(.failure(TunnelRefusal(.forbidden, "the AuthCode has just changed")))
            }
        }
    }

    private static func still(_ key: RegistryBytes, _ entry: RegistryEntry?) -> RegistryCondition {
        entry.map { .unchanged($0) } ?? .absent(key)
    }

    /// Takes a rule away, with all that points to it.
    func remove(_ address: String, of owner: String, _ done: @escaping Done<Void>) {
        let key = TunnelKey.rule(owner, address)
        registry.get(key) { result in
            switch result {
            case .failure(let error): return done(.failure(TunnelRefusal(error)))
            case .success(let entry):
                guard let entry, let rule = try? TunnelRule(MemberReader.json(entry.value.text)) else {
                    return done(.failure(TunnelRefusal(.notFound, "there is no rule for \(address)")))
                }
                var steps: [RegistryOperation] = [
                    .delete(key), .delete(TunnelKey.reverse(rule.target, owner, address)),
                ]
                if let group = rule.group { return self.leave(group, rule, entry, steps, done) }
                if let claim = TunnelKey.claim(rule.listenAddress) { steps.append(.delete(claim)) }
                if case .domain(let name) = rule.listenAddress {
                    steps.append(.delete(TunnelKey.domain(name, of: owner)))
                }
                self.registry.transact(RegistryTransaction(if: [.unchanged(entry)], then: steps)) { result in
                    switch result {
                    case .failure(let error): done(.failure(TunnelRefusal(error)))
                    case .success(let outcome) where outcome.succeeded: done(.success(()))
                    case .success: done(.failure(TunnelRefusal(.superseded, "the rule has just changed; try again")))
                    }
                }
            }
        }
    }
}

/// A number, as the registry has it now.
struct FoundTunnel {
    let entry: RegistryEntry
    let client: String
    let authCode: String

    fileprivate init?(_ entry: RegistryEntry) {
        guard let reader = try? MemberReader(entry.value.text), let client = try? reader.text("TerminalId"),
            client.isTunnelID, let authCode = try? reader.text("AuthCode")
        else { return nil }
        (self.entry, self.client, self.authCode) = (entry, client, authCode)
    }
}

extension TunnelBook {
    /// Takes a rule of a group away; the last one takes its name or port with it.
    private func leave(
        _ group: String, _ rule: TunnelRule, _ entry: RegistryEntry, _ steps: [RegistryOperation],
        _ done: @escaping Done<Void>
    ) {
        guard let claim = TunnelKey.claim(rule.listenAddress) else { return done(.success(())) }
        let members = TunnelKey.members(group)
        let read = RegistryTransaction(then: [.get(claim), .list(prefix: members, limit: 2, keysOnly: true)])
        registry.transact(read) { result in
            switch result {
            case .failure(let error): done(.failure(TunnelRefusal(error)))
            case .success(let read):
                guard let held = read.results.first?.entries.first else { return done(.success(())) }
                let member = TunnelKey.member(group, rule.owner)
                let isLast = !(read.results.last?.entries ?? []).contains { $0.key != member }
                var steps = steps + [.delete(member), isLast ? .delete(claim) : .put(claim, held.value)]
                if case .domain(let name) = rule.listenAddress {
                    steps.append(.delete(TunnelKey.domain(name, of: rule.owner)))
                }
                let conditions: [RegistryCondition] = [.unchanged(entry), .unchanged(held)]
                self.registry.transact(RegistryTransaction(if: conditions, then: steps)) { result in
                    switch result {
                    case .failure(let error): done(.failure(TunnelRefusal(error)))
                    case .success(let outcome) where outcome.succeeded: done(.success(()))
                    case .success: done(.failure(TunnelRefusal(.superseded, "the group has just changed; try again")))
                    }
                }
            }
        }
    }
}

extension TunnelRefusal {
    init(_ error: RegistryError) { self.init(.offline, "the registry cannot do it now: \(error)") }
}

extension String {
    /// Where the text stands first.
    func range(of text: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
