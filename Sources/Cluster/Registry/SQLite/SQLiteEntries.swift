/// The tables of a registry as what a transaction needs. Whoever writes has begun a transaction of SQLite.
struct SQLiteEntries: EntryStorage {
    let connection: SQLiteConnection

    var revision: Int64 {
        get throws(RegistryError) { try connection.number("SELECT revision FROM state") ?? 1 }
    }
    var compacted: Int64 {
        get throws(RegistryError) { try connection.number("SELECT compacted FROM state") ?? 0 }
    }

    func entry(_ key: RegistryBytes) throws(RegistryError) -> RegistryEntry? {
        try entries(.key(key), limit: 1, keysOnly: false).first
    }

    private static let columns = "SELECT key, created, modified, version, lease"

    func entries(_ keys: RegistryKeys, limit: Int, keysOnly: Bool) throws(RegistryError) -> [RegistryEntry] {
        let select = keysOnly ? Self.columns + " FROM entries" : Self.columns + ", value FROM entries"
        let count = SQLiteValue.number(Int64(limit))
        switch keys {
        case .key(let key): return try read(select + " WHERE key = ? LIMIT ?", [SQLiteValue(key), count], keysOnly)
        case .prefix(let prefix):
            guard let end = RegistryKeys.end(of: prefix) else {
                return try read(
                    select + " WHERE key >= ? ORDER BY key LIMIT ?", [SQLiteValue(prefix), count], keysOnly)
            }
            return try read(
                select + " WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
                [SQLiteValue(prefix), SQLiteValue(end), count], keysOnly)
        }
    }

    func count(_ keys: RegistryKeys) throws(RegistryError) -> Int {
        let count = "SELECT count(*) FROM entries WHERE key "
        let found: Int64? =
            switch keys {
            case .key(let key): try connection.number(count + "= ?", SQLiteValue(key))
            case .prefix(let prefix):
                if let end = RegistryKeys.end(of: prefix) {
                    try connection.number(count + ">= ? AND key < ?", SQLiteValue(prefix), SQLiteValue(end))
                } else {
                    try connection.number(count + ">= ?", SQLiteValue(prefix))
                }
            }
        return Int(found ?? 0)
    }

    private func read(
        _ text: String, _ values: [SQLiteValue], _ keysOnly: Bool
    ) throws(RegistryError) -> [RegistryEntry] {
        var found: [RegistryEntry] = []
        try connection.statement(text).rows(values) { row in
            found.append(
                RegistryEntry(
                    key: row.bytes(0), value: keysOnly ? "" : row.bytes(5), created: row.number(1),
                    modified: row.number(2), version: row.number(3), lease: row.number(4)))
            return true
        }
        return found
    }

    func hasLease(_ id: Int64) throws(RegistryError) -> Bool {
        try connection.number("SELECT 1 FROM leases WHERE id = ?", .number(id)) != nil
    }

    /// The keys of a lease, in order.
    func entries(ofLease id: Int64) throws(RegistryError) -> [RegistryEntry] {
        try read(Self.columns + ", value FROM entries WHERE lease = ? ORDER BY key", [.number(id)], false)
    }

    // MARK: Writing

    func advance(to revision: Int64) throws(RegistryError) {
        try connection.run("UPDATE state SET revision = ?", .number(revision))
    }

    func apply(_ change: RegistryChange) throws(RegistryError) {
        if let entry = change.entry {
            try connection.run(
                "INSERT INTO entries(key, value, created, modified, version, lease) VALUES(?, ?, ?, ?, ?, ?) "
                    + "ON CONFLICT(key) DO UPDATE SET value = excluded.value, modified = excluded.modified, "
                    + "version = excluded.version, lease = excluded.lease",
                SQLiteValue(entry.key), SQLiteValue(entry.value), .number(entry.created), .number(entry.modified),
                .number(entry.version), .number(entry.lease))
        } else {
            try connection.run("DELETE FROM entries WHERE key = ?", SQLiteValue(change.key))
        }
        try record(change)
    }

    private func record(_ change: RegistryChange) throws(RegistryError) {
        let total = try connection.number("SELECT total FROM changes ORDER BY position DESC LIMIT 1") ?? 0
        let (new, old) = (change.entry, change.previous)
        try connection.run(
            "INSERT INTO changes(revision, total, key, value, created, version, lease, "
                + "old_value, old_created, old_modified, old_version, old_lease) "
                + "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            .number(change.revision), .number(total + Int64(change.byteCount)), SQLiteValue(change.key),
            new.map { SQLiteValue($0.value) } ?? .null, .number(new?.created ?? 0), .number(new?.version ?? 0),
            .number(new?.lease ?? 0), old.map { SQLiteValue($0.value) } ?? .null, .number(old?.created ?? 0),
            .number(old?.modified ?? 0), .number(old?.version ?? 0), .number(old?.lease ?? 0))
    }

    // MARK: The past

    /// The changes from a revision on, about so many, never a part of a revision.
    func changes(from first: Int64, about count: Int, bytes: Int) throws(RegistryError) -> [RegistryChange] {
        var found: [RegistryChange] = []
        var size = 0
        let statement = try connection.statement(
            "SELECT revision, key, value, created, version, lease, old_value, old_created, old_modified, "
                + "old_version, old_lease FROM changes WHERE revision >= ? ORDER BY position")
        try statement.rows([.number(first)]) { row in
            let (revision, key) = (row.number(0), row.bytes(1))
            if found.count >= count || size >= bytes, revision != found.last?.revision { return false }
            let change = RegistryChange(
                key: key,
                entry: row.isNull(2)
                    ? nil
                    : RegistryEntry(
                        key: key, value: row.bytes(2), created: row.number(3), modified: revision,
                        version: row.number(4), lease: row.number(5)),
                previous: row.isNull(6)
                    ? nil
                    : RegistryEntry(
                        key: key, value: row.bytes(6), created: row.number(7), modified: row.number(8),
                        version: row.number(9), lease: row.number(10)),
                revision: revision)
            found.append(change)
            size += change.byteCount
            return true
        }
        return found
    }

    func compact(through revision: Int64) throws(RegistryError) {
        try connection.run("DELETE FROM changes WHERE revision <= ?", .number(revision))
        try connection.run(
            "UPDATE state SET compacted = max(compacted, min(revision, ?))", .number(revision))
    }

    /// Forgets the oldest changes when there are more than may be, an eighth at a time.
    func shorten(to limit: RegistryHistory) throws(RegistryError) {
        guard let newest = try connection.number("SELECT max(position) FROM changes"),
            let oldest = try connection.number("SELECT min(position) FROM changes"),
            let most = try connection.number("SELECT total FROM changes WHERE position = ?", .number(newest)),
            let least = try connection.number("SELECT total FROM changes WHERE position = ?", .number(oldest))
        else { return }
        var cut: Int64?
        let kept = Int64(limit.changes)
        if newest - oldest >= kept + kept / 8 {
            cut = try connection.number("SELECT revision FROM changes WHERE position = ?", .number(newest - kept))
        }
        let bytes = Int64(limit.bytes)
        if most - least > bytes + bytes / 8 {
            let revision = try connection.number(
                "SELECT max(revision) FROM changes WHERE total <= ?", .number(most - bytes))
            cut = max(cut ?? 0, revision ?? 0)
        }
        if let cut { try compact(through: cut) }
    }
}
