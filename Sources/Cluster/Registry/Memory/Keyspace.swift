import OmniwayTransport

/// Entries, leases and the latest changes, as a value. It knows no clock: whoever has it says when leases end.
struct Keyspace: EntryStorage {
    private struct Lease {
        let seconds: Int64
        var ends: Moment
        var keys: Set<RegistryBytes> = []
    }

    private(set) var revision: Int64 = 1
    /// Changes up to this revision are forgotten.
    private(set) var compacted: Int64 = 0
    private var table: [RegistryBytes: RegistryEntry] = [:]
    /// All keys in order.
    private var keys: [RegistryBytes] = []
    private var leases: [Int64: Lease] = [:]
    private var history: [RegistryChange] = []
    private var historyBytes = 0
    private var bytes = 0
    private let limit: RegistryHistory
    private let capacity: Int

    init(_ limit: RegistryHistory, capacity: Int) { (self.limit, self.capacity) = (limit, capacity) }

    // MARK: Reading

    func entry(_ key: RegistryBytes) -> RegistryEntry? { table[key] }

    func entries(_ span: RegistryKeys, limit: Int, keysOnly: Bool) -> [RegistryEntry] {
        if case .key(let key) = span { return table[key].map { [keysOnly ? $0.withoutValue : $0] } ?? [] }
        var found: [RegistryEntry] = []
        var index = position(of: span.first)
        while index < keys.count, found.count < limit, span.contains(keys[index]) {
            if let entry = table[keys[index]] { found.append(keysOnly ? entry.withoutValue : entry) }
            index += 1
        }
        return found
    }

    func count(_ span: RegistryKeys) -> Int {
        switch span {
        case .key(let key): table[key] == nil ? 0 : 1
        case .prefix(let prefix):
            (RegistryKeys.end(of: prefix).map { position(of: $0) } ?? keys.count) - position(of: prefix)
        }
    }

    /// The first index whose key is not below.
    private func position(of key: RegistryBytes) -> Int {
        var (low, high) = (0, keys.count)
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The changes from a revision on, at most about so many, never a part of a revision.
    func changes(from first: Int64, about count: Int) -> ArraySlice<RegistryChange> {
        var (low, high) = (0, history.count)
        while low < high {
            let middle = (low + high) / 2
            if history[middle].revision < first { low = middle + 1 } else { high = middle }
        }
        var end = min(low + count, history.count)
        while end > low, end < history.count, history[end].revision == history[end - 1].revision { end += 1 }
        return history[low..<end]
    }

    // MARK: Writing

    mutating func advance(to revision: Int64) {
        self.revision = revision
        if history.count > limit.changes + limit.changes / 8 || historyBytes > limit.bytes + limit.bytes / 8 {
            shorten()
        }
    }

    private mutating func shorten() {
        var (count, bytes) = (history.count, historyBytes)
        var cut = 0
        while count > limit.changes || bytes > limit.bytes, cut < history.count {
            bytes -= history[cut].byteCount
            (cut, count) = (cut + 1, count - 1)
        }
        if cut > 0 { compact(through: history[cut - 1].revision) }
    }

    mutating func compact(through revision: Int64) {
        compacted = max(compacted, min(revision, self.revision))
        let kept = history.firstIndex { $0.revision > compacted } ?? history.count
        for change in history[..<kept] { historyBytes -= change.byteCount }
        history.removeFirst(kept)
    }

    mutating func apply(_ change: RegistryChange) throws(RegistryError) {
        if let previous = change.previous, previous.lease != 0 { leases[previous.lease]?.keys.remove(change.key) }
        bytes += (change.entry?.byteCount ?? 0) - (change.previous?.byteCount ?? 0)
        history.append(change)
        historyBytes += change.byteCount
        if let entry = change.entry {
            if entry.lease != 0 { leases[entry.lease]?.keys.insert(change.key) }
            if table.updateValue(entry, forKey: change.key) == nil {
                keys.insert(change.key, at: position(of: change.key))
            }
        } else if table.removeValue(forKey: change.key) != nil {
            keys.remove(at: position(of: change.key))
        }
    }

    /// Before anything is written, because a value that is half written cannot be undone.
    func checkRoom(for transaction: DriverTransaction) throws(RegistryError) {
        var most = 0
        for case .put(let key, let value, _) in transaction.then + transaction.otherwise {
            most += key.count + value.count
        }
        if most > 0, bytes + most > capacity {
            throw RegistryError(.full, "the registry in memory holds \(bytes) bytes of \(capacity); delete keys")
        }
    }

    // MARK: Leases

    func hasLease(_ id: Int64) -> Bool { leases[id] != nil }

    mutating func grant(_ id: Int64, seconds: Int64, from now: Moment) {
        leases[id] = Lease(seconds: seconds, ends: now + .seconds(seconds))
    }

    /// For how many seconds from now; nil when there is no such lease.
    mutating func extend(_ id: Int64, from now: Moment) -> Int64? {
        guard let seconds = leases[id]?.seconds else { return nil }
        leases[id]?.ends = now + .seconds(seconds)
        return seconds
    }

    /// Ends a lease, and its keys with it. False when there was none.
    mutating func end(_ id: Int64) throws(RegistryError) -> Bool {
        guard let lease = leases[id] else { return false }
        try remove(lease.keys.sorted().compactMap { table[$0] })
        leases[id] = nil
        return true
    }

    /// Leases whose time is over, the earliest first.
    func due(_ now: Moment) -> [Int64] {
        leases.filter { $0.value.ends <= now }.sorted { ($0.value.ends, $0.key) < ($1.value.ends, $1.key) }.map(\.key)
    }

    var nextEnd: Moment? { leases.values.map(\.ends).min() }
    var leaseCount: Int { leases.count }
}
