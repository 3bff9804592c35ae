import OmniwayTransport

/// The leases of one registry, and which keys they have. A key has one lease at most.
final class LeaseTable {
    private unowned let home: RegistryHome
    private var keepers: [UInt64: LeaseKeeper] = [:]
    private var owners: [RegistryBytes: UInt64] = [:]
    private var last: UInt64 = 0

    init(_ home: RegistryHome) { self.home = home }

    func grant(
        _ seconds: Int64, _ afterLoss: RegistryLease.AfterLoss,
        _ changed: @escaping @Sendable (RegistryLease.Event) -> Void, within limit: Duration,
        _ done: @escaping (Result<RegistryLease, RegistryError>) -> Void
    ) throws(RegistryError) {
        if keepers.count >= home.limits.leases {
            throw RegistryError(.overloaded, "the registry has \(keepers.count) leases; put more keys on each")
        }
        let asked = home.loop.now
        home.run(.grant(seconds: seconds), within: limit) { [self] result in
            switch result {
            case .success(.lease(let id, let granted)):
                last += 1
                let keeper = LeaseKeeper(
                    last, home, id: id, seconds: seconds, afterLoss: afterLoss, changed: changed)
                keepers[last] = keeper
                keeper.begins(granted, asked: asked)
                done(.success(RegistryLease(last, home.door, keeper.shared)))
            case .success: done(.failure(.unexpected("a lease was granted")))
            case .failure(let error): done(.failure(error))
            }
        }
    }

    /// Leases as the numbers that they have now.
    func resolve(_ transaction: RegistryTransaction) throws(RegistryError) -> DriverTransaction {
        var resolved = DriverTransaction(conditions: transaction.conditions, then: [])
        for operation in transaction.then { resolved.then.append(try resolve(operation)) }
        for operation in transaction.otherwise { resolved.otherwise.append(try resolve(operation)) }
        return resolved
    }

    private func resolve(_ operation: RegistryOperation) throws(RegistryError) -> DriverTransaction.Operation {
        switch operation {
        case .get(let key): return .read(.key(key), limit: 1, keysOnly: false)
        case .list(let prefix, let limit, let keysOnly): return .read(.prefix(prefix), limit: limit, keysOnly: keysOnly)
        case .count(let prefix): return .count(.prefix(prefix))
        case .delete(let key): return .delete(.key(key))
        case .deleteAll(let prefix): return .delete(.prefix(prefix))
        case .putUnder(let lease, let key, let value): return .put(key, value, lease: lease)
        case .put(let key, let value, nil): return .put(key, value, lease: 0)
        case .put(let key, let value, let lease?):
            guard lease.door === home.door else {
                throw RegistryError(.invalid, "the lease for \(key) belongs to another registry")
            }
            guard let id = keepers[lease.number]?.usableID else {
                throw RegistryError(.leaseLost, "the lease for \(key) is lost; try again when it was restored")
            }
            if owners.count >= home.limits.leasedKeys, owners[key] == nil {
                throw RegistryError(.full, "\(owners.count) keys are under leases, as many as may be")
            }
            return .put(key, value, lease: id)
        }
    }

    /// Who has which key after a transaction.
    func note(_ transaction: RegistryTransaction, _ outcome: RegistryOutcome) {
        for operation in outcome.succeeded ? transaction.then : transaction.otherwise {
            switch operation {
            case .get, .list, .count: break
            case .delete(let key), .putUnder(_, let key, _): forget(key)
            case .deleteAll(let prefix):
                if !owners.isEmpty { for key in owners.keys.filter({ $0.hasPrefix(prefix) }) { forget(key) } }
            case .put(let key, let value, let lease):
                forget(key)
                guard let lease, let keeper = keepers[lease.number] else { break }
                owners[key] = lease.number
                keeper.keys[key] = value
            }
        }
    }

    func forget(_ key: RegistryBytes, of lease: UInt64) { if owners[key] == lease { forget(key) } }

    private func forget(_ key: RegistryBytes) {
        if let lease = owners.removeValue(forKey: key) { keepers[lease]?.keys[key] = nil }
    }

    func revoke(_ number: UInt64, _ done: @escaping (Result<Void, RegistryError>) -> Void) {
        guard let keeper = keepers[number] else { return done(.success(())) }
        let id = keeper.end()
        home.run(.revoke(lease: id), within: home.limits.deadline) { result in
            switch result {
            case .failure(let error) where error.code != .leaseLost: done(.failure(error))
            case .success, .failure: done(.success(()))
            }
        }
    }

    /// Without its keeper a lease ends when its time is over.
    func remove(_ keeper: LeaseKeeper) {
        for key in keeper.keys.keys { owners[key] = nil }
        keepers[keeper.number] = nil
    }

    func revokeAll(_ done: @escaping () -> Void) {
        let numbers = keepers.keys.sorted()
        if numbers.isEmpty { return done() }
        var left = numbers.count
        for number in numbers {
            revoke(number) { _ in
                left -= 1
                if left == 0 { done() }
            }
        }
    }
}

extension RegistryError {
    static func unexpected(_ what: String) -> RegistryError {
        RegistryError(.damaged, "the store gave another answer than that \(what); is it a newer version?")
    }
}
