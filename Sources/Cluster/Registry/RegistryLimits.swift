/// What a registry takes. The first two are etcd's own, so that no driver takes what another refuses.
public struct RegistryLimits: Sendable, Equatable {
    /// Keys and values of one transaction together: 1.5 MiB.
    public static let requestBytes = 3 << 19
    /// Conditions, or operations of one branch, of a transaction.
    public static let operations = 128

    /// How long a call may take, unless `within(_:)` says otherwise.
    public var deadline: Duration
    /// Calls under way at once; further ones fail as overloaded.
    public var calls: Int
    /// Changes of one watch that its loop has not taken yet, and their bytes. Above, the watch starts over.
    public var waitingChanges: Int
    public var waitingBytes: Int
    /// Watches, and leases, of one registry.
    public var watches: Int
    public var leases: Int
    /// Keys that are kept under leases of this registry.
    public var leasedKeys: Int
    /// How long a server may be silent while it is watched before it is asked whether it is alive.
    public var silence: Duration

    public init(
        deadline: Duration = .seconds(5), calls: Int = 4096, waitingChanges: Int = 65_536,
        waitingBytes: Int = 64 << 20, watches: Int = 256, leases: Int = 4096, leasedKeys: Int = 1 << 20,
        silence: Duration = .seconds(5)
    ) {
        precondition(
            deadline > .zero && silence > .zero && min(calls, waitingChanges, waitingBytes) > 0, "limits are above zero"
        )
        (self.deadline, self.calls, self.waitingChanges) = (deadline, calls, waitingChanges)
        (self.waitingBytes, self.watches, self.leases, self.leasedKeys) = (waitingBytes, watches, leases, leasedKeys)
        self.silence = silence
    }
}

extension RegistryTransaction {
    /// The same for every driver: what etcd would refuse is refused before it is sent.
    func check() throws(RegistryError) {
        let most = max(conditions.count, then.count, otherwise.count)
        if most > RegistryLimits.operations {
            throw RegistryError(
                .tooLarge, "\(most) operations in a transaction; do at most \(RegistryLimits.operations) at once")
        }
        var bytes = 0
        for condition in conditions {
            try Self.check(condition.key)
            bytes += condition.key.count
            if case .value(let value) = condition.side { bytes += value.count }
        }
        for branch in [then, otherwise] { bytes += try Self.check(branch) }
        if bytes > RegistryLimits.requestBytes {
            throw RegistryError(
                .tooLarge, "\(bytes) bytes in a request; put at most \(RegistryLimits.requestBytes) at once")
        }
    }

    private static func check(_ key: RegistryBytes) throws(RegistryError) {
        if key.isEmpty { throw RegistryError(.invalid, "a key is empty; give it at least one byte") }
    }

    /// How many bytes a branch has.
    private static func check(_ branch: [RegistryOperation]) throws(RegistryError) -> Int {
        var bytes = 0
        var puts: Set<RegistryBytes> = []
        for operation in branch {
            switch operation {
            case .get(let key), .delete(let key):
                try check(key)
                bytes += key.count
            case .list(let prefix, let limit, _):
                if limit < 1 { throw RegistryError(.invalid, "a list of at most \(limit) keys; ask for one or more") }
                bytes += prefix.count
            case .count(let prefix), .deleteAll(let prefix): bytes += prefix.count
            case .put(let key, let value, _), .putUnder(_, let key, let value):
                try check(key)
                bytes += key.count + value.count
                if !puts.insert(key).inserted {
                    throw RegistryError(.invalid, "\(key) is put twice in one transaction; put it once")
                }
            }
        }
        for operation in branch {
            switch operation {
            case .delete(let key) where puts.contains(key):
                throw RegistryError(.invalid, "\(key) is put and deleted in one transaction; do one of both")
            case .deleteAll(let prefix) where puts.contains(where: { $0.hasPrefix(prefix) }):
                throw RegistryError(.invalid, "a key with the prefix \(prefix) is put and deleted in one transaction")
            case .get, .list, .count, .put, .putUnder, .delete, .deleteAll: break
            }
        }
        return bytes
    }
}
