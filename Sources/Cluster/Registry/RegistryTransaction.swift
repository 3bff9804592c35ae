/// Reads and writes that are done together or not at all, if conditions hold.
///
/// ```swift
/// let taken = RegistryTransaction(
///     if: [.absent("domains/a.example")],
///     then: [.put("domains/a.example", owner), .put("owners/\(owner)/a.example", "")],
///     else: [.get("domains/a.example")])
/// if try await !registry.transact(taken).succeeded { … }
/// ```
///
/// The operations are done in order, and a read sees what stands before it. A key is put once at most, and not put and
/// deleted in the same branch. All writes together make one revision of the store.
public struct RegistryTransaction: Sendable {
    public var conditions: [RegistryCondition]
    /// What is done when all conditions hold.
    public var then: [RegistryOperation]
    /// What is done otherwise.
    public var otherwise: [RegistryOperation]

    public init(
        if conditions: [RegistryCondition] = [], then: [RegistryOperation], else otherwise: [RegistryOperation] = []
    ) {
        (self.conditions, self.then, self.otherwise) = (conditions, then, otherwise)
    }
}

/// One step of a transaction.
public enum RegistryOperation: Sendable {
    case get(RegistryBytes)
    /// At most `limit` keys with the prefix, the first ones in order.
    case list(prefix: RegistryBytes, limit: Int = 1000, keysOnly: Bool = false)
    /// How many keys there are with the prefix.
    case count(prefix: RegistryBytes)
    /// Without a lease the key stays until it is deleted, also if it had a lease before.
    case put(RegistryBytes, RegistryBytes, lease: RegistryLease? = nil)
    /// Puts under a lease that is known by its number alone, as `RegistryEntry.lease` tells it. Nobody puts the key
    /// again when that lease ends.
    case putUnder(lease: Int64, RegistryBytes, RegistryBytes)
    case delete(RegistryBytes)
    case deleteAll(prefix: RegistryBytes)
}

/// A comparison with what a key is now. A key that is absent has the revisions and the version 0, and no value.
public struct RegistryCondition: Sendable, Equatable {
    public enum Relation: Sendable { case equal, notEqual, less, greater }
    public enum Side: Sendable, Equatable {
        case created(Int64)
        case modified(Int64)
        case version(Int64)
        case value(RegistryBytes)
    }
    public let key: RegistryBytes
    public let relation: Relation
    public let side: Side

    public init(_ key: RegistryBytes, _ relation: Relation, _ side: Side) {
        (self.key, self.relation, self.side) = (key, relation, side)
    }

    public static func absent(_ key: RegistryBytes) -> Self { Self(key, .equal, .created(0)) }
    public static func exists(_ key: RegistryBytes) -> Self { Self(key, .greater, .created(0)) }
    public static func value(of key: RegistryBytes, is value: RegistryBytes) -> Self {
        Self(key, .equal, .value(value))
    }
    /// The key is what it was when this entry was read.
    public static func unchanged(_ entry: RegistryEntry) -> Self {
        Self(entry.key, .equal, .modified(entry.modified))
    }

    func holds(for entry: RegistryEntry?) -> Bool {
        switch side {
        case .created(let number): compare(entry?.created ?? 0, number)
        case .modified(let number): compare(entry?.modified ?? 0, number)
        case .version(let number): compare(entry?.version ?? 0, number)
        case .value(let value): entry.map { compare($0.value, value) } ?? false
        }
    }

    private func compare<Value: Comparable>(_ a: Value, _ b: Value) -> Bool {
        switch relation {
        case .equal: a == b
        case .notEqual: a != b
        case .less: a < b
        case .greater: a > b
        }
    }
}

/// What has become of a transaction.
public struct RegistryOutcome: Sendable, Equatable {
    /// Whether the conditions held, and so which branch was done.
    public let succeeded: Bool
    /// The revision of the store afterwards.
    public let revision: Int64
    /// One for each operation of the branch.
    public let results: [RegistryResult]

    public init(succeeded: Bool, revision: Int64, results: [RegistryResult]) {
        (self.succeeded, self.revision, self.results) = (succeeded, revision, results)
    }
}

/// What one operation of a transaction gave.
public enum RegistryResult: Sendable, Equatable {
    /// Of `get` and `list`; whether there are more keys than the limit.
    case entries([RegistryEntry], hasMore: Bool)
    case count(Int)
    case put
    /// How many keys went.
    case deleted(Int)

    /// What was read; empty for writes.
    public var entries: [RegistryEntry] { if case .entries(let entries, _) = self { entries } else { [] } }
    public var count: Int { if case .count(let count) = self { count } else { 0 } }
    public var deleted: Int { if case .deleted(let count) = self { count } else { 0 } }
}
