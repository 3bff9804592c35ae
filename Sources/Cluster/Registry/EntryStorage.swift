/// Where entries, changes and leases are kept. What a transaction means is written once, in `transact`, for every
/// store that is our own.
protocol EntryStorage {
    /// Of the last change; 1 for a store that has seen none, as in etcd.
    var revision: Int64 { get throws(RegistryError) }
    func entry(_ key: RegistryBytes) throws(RegistryError) -> RegistryEntry?
    /// At most `limit`, in the order of their keys.
    func entries(_ keys: RegistryKeys, limit: Int, keysOnly: Bool) throws(RegistryError) -> [RegistryEntry]
    func count(_ keys: RegistryKeys) throws(RegistryError) -> Int
    func hasLease(_ id: Int64) throws(RegistryError) -> Bool

    mutating func advance(to revision: Int64) throws(RegistryError)
    /// Keeps or removes the entry, and remembers the change.
    mutating func apply(_ change: RegistryChange) throws(RegistryError)
}

extension EntryStorage {
    /// One transaction. The caller sees to it that nobody else writes meanwhile, and undoes it if it throws.
    mutating func transact(_ transaction: DriverTransaction) throws(RegistryError) -> RegistryOutcome {
        var succeeded = true
        for condition in transaction.conditions where !condition.holds(for: try entry(condition.key)) {
            succeeded = false
            break
        }
        let branch = succeeded ? transaction.then : transaction.otherwise
        for case .put(_, _, let lease) in branch where lease != 0 {
            if try !hasLease(lease) { throw .noLease(lease) }
        }
        var writing = Writing(revision: try revision)
        var results: [RegistryResult] = []
        for operation in branch { results.append(try perform(operation, &writing)) }
        if writing.hasWritten { try advance(to: writing.revision + 1) }
        return RegistryOutcome(succeeded: succeeded, revision: try revision, results: results)
    }

    private mutating func perform(
        _ operation: DriverTransaction.Operation, _ writing: inout Writing
    ) throws(RegistryError) -> RegistryResult {
        switch operation {
        case .read(let keys, let limit, let keysOnly):
            let found = try entries(keys, limit: limit == .max ? limit : limit + 1, keysOnly: keysOnly)
            return .entries(Array(found.prefix(limit)), hasMore: found.count > limit)
        case .count(let keys): return .count(try count(keys))
        case .put(let key, let value, let lease):
            let previous = try entry(key)
            let entry = RegistryEntry(
                key: key, value: value, created: previous?.created ?? writing.next, modified: writing.next,
                version: (previous?.version ?? 0) + 1, lease: lease)
            writing.hasWritten = true
            try apply(RegistryChange(key: key, entry: entry, previous: previous, revision: writing.next))
            return .put
        case .delete(let keys):
            return .deleted(try remove(try entries(keys, limit: .max, keysOnly: false), &writing))
        }
    }

    /// The keys of a lease that has ended go together.
    mutating func remove(_ entries: [RegistryEntry]) throws(RegistryError) {
        var writing = Writing(revision: try revision)
        _ = try remove(entries, &writing)
        if writing.hasWritten { try advance(to: writing.next) }
    }

    private mutating func remove(
        _ entries: [RegistryEntry], _ writing: inout Writing
    ) throws(RegistryError) -> Int {
        for entry in entries {
            writing.hasWritten = true
            try apply(RegistryChange(key: entry.key, entry: nil, previous: entry, revision: writing.next))
        }
        return entries.count
    }
}

/// The revision that the writes of one transaction make.
private struct Writing {
    let revision: Int64
    var hasWritten = false
    var next: Int64 { revision + 1 }
}

extension RegistryError {
    static func noLease(_ id: Int64) -> RegistryError {
        RegistryError(.leaseLost, "the lease \(String(id, radix: 16)) has ended; get another, and put its keys again")
    }
}

/// How much of the past a store of our own remembers for watches, and how much it holds at all.
public struct RegistryHistory: Sendable, Equatable {
    /// The last changes. A watch that wants older ones starts over.
    public var changes: Int
    public var bytes: Int

    public init(changes: Int = 100_000, bytes: Int = 64 << 20) {
        precondition(changes > 0 && bytes > 0, "a store remembers at least one change")
        (self.changes, self.bytes) = (changes, bytes)
    }
}
