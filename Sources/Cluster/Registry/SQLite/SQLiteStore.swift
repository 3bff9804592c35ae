import Glibc
import OmniwayTransport

/// A registry's file, as the thread that has it open sees it. Every call may block.
final class SQLiteStore {
    private let connection: SQLiteConnection
    private let limit: RegistryHistory
    private var tables: SQLiteEntries
    /// What there was when the file was last looked at, and nothing was written here since.
    private var lastLook: (version: Int64, news: SQLiteNews)?
    private var random = SystemRandomNumberGenerator()

    /// How long to wait for another process that writes.
    private static let patience: Int32 = 2000

    init(_ path: String, history limit: RegistryHistory) throws(RegistryError) {
        Self.create(path)
        connection = try SQLiteConnection(path)
        connection.wait(milliseconds: Self.patience)
        self.limit = limit
        try SQLiteSchema.prepare(connection, path)
        tables = SQLiteEntries(connection: connection)
        try alone { () throws(RegistryError) in try begin() }
    }

    /// A new file is its owner's alone: SQLite would let everybody read it. What is beside it gets the same mode.
    private static func create(_ path: String) {
        let descriptor = unsafe Glibc.open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)  // The call keeps no pointer.
        if descriptor >= 0 { close(descriptor) }  // Otherwise SQLite says what is wrong.
    }

    /// What was promised before the machine was started again is promised once more: nobody could renew it.
    private func begin() throws(RegistryError) {
        let now = MachineTime.now
        var boot: RegistryBytes = ""
        try connection.statement("SELECT boot FROM state").rows([]) { row in
            boot = row.bytes(0)
            return false
        }
        let isSame = boot.bytes == MachineTime.boot
        try connection.run(
            "UPDATE leases SET ends = ? + seconds * 1000 WHERE ? OR ends > ? + seconds * 1000", .number(now),
            .number(isSame ? 0 : 1), .number(now))
        if !isSame { try connection.run("UPDATE state SET boot = ?", .bytes(MachineTime.boot)) }
    }

    /// `patience` is how long another process that writes may be waited for.
    func perform(_ request: DriverRequest, patience: Duration) throws(RegistryError) -> DriverAnswer {
        connection.wait(milliseconds: Int32(clamping: patience.nanoseconds / 1_000_000))
        switch request {
        case .transaction(let transaction) where transaction.onlyReads:
            try expireIfDue()
            return try reading { () throws(RegistryError) in .outcome(try tables.transact(transaction)) }
        case .transaction(let transaction):
            return try writing { () throws(RegistryError) in .outcome(try tables.transact(transaction)) }
        case .list(let keys, let keysOnly):
            try expireIfDue()
            return try reading { () throws(RegistryError) in
                .listing(
                    RegistryListing(
                        entries: try tables.entries(keys, limit: .max, keysOnly: keysOnly),
                        revision: try tables.revision))
            }
        case .grant(let seconds): return try writing { () throws(RegistryError) in try grant(seconds) }
        case .keepAlive(let id): return try writing { () throws(RegistryError) in try keepAlive(id) }
        case .revoke(let id):
            return try writing { () throws(RegistryError) in
                guard try tables.hasLease(id) else { throw .noLease(id) }
                try end(id)
                return .done
            }
        case .compact(let revision):
            return try writing { () throws(RegistryError) in
                try tables.compact(through: revision)
                return .done
            }
        }
    }

    /// What happened from a revision on; some of it, when there is much.
    func news(from first: Int64) throws(RegistryError) -> SQLiteNews {
        connection.wait(milliseconds: Self.patience)
        try expireIfDue()
        // A number that other processes' writes change: most looks end here.
        let version = try connection.number("PRAGMA data_version") ?? 0
        if let lastLook, lastLook.version == version, first > lastLook.news.revision { return lastLook.news }
        let news = try reading { () throws(RegistryError) in
            let (revision, compacted) = (try tables.revision, try tables.compacted)
            let changes = first > revision ? [] : try tables.changes(from: first, about: 1024, bytes: 4 << 20)
            return SQLiteNews(changes: changes, revision: revision, compacted: compacted)
        }
        lastLook = (version, SQLiteNews(changes: [], revision: news.revision, compacted: news.compacted))
        return news
    }

    /// Makes the entries without a lease those that are given, by changes that whoever watches hears of. Entries of
    /// leases belong to those who are there now, and stay.
    func replaceLasting(with wanted: [RegistryEntry]) throws(RegistryError) -> (put: Int, removed: Int) {
        try writing { () throws(RegistryError) in
            let revision = try tables.revision + 1
            var present: [RegistryBytes: RegistryEntry] = [:]
            for entry in try tables.entries(.prefix(""), limit: .max, keysOnly: false) { present[entry.key] = entry }
            var (put, removed) = (0, 0)
            for entry in wanted where entry.lease == 0 {
                let previous = present.removeValue(forKey: entry.key)
                if let previous, previous.lease != 0 || previous.value == entry.value { continue }
                let restored = RegistryEntry(
                    key: entry.key, value: entry.value, created: previous?.created ?? revision, modified: revision,
                    version: (previous?.version ?? 0) + 1, lease: 0)
                try tables.apply(
                    RegistryChange(key: entry.key, entry: restored, previous: previous, revision: revision))
                put += 1
            }
            for entry in present.values.sorted(by: { $0.key < $1.key }) where entry.lease == 0 {
                try tables.apply(RegistryChange(key: entry.key, entry: nil, previous: entry, revision: revision))
                removed += 1
            }
            if put + removed > 0 { try tables.advance(to: revision) }
            return (put, removed)
        }
    }

    // MARK: Leases

    /// How long until a lease ends that nobody renews; nil when there is none. A file that cannot be read is asked
    /// again, and says so then.
    var timeToNextEnd: Duration? {
        guard let end = try? connection.number("SELECT MIN(ends) FROM leases") else { return nil }
        return .milliseconds(max(1, end - MachineTime.now))
    }

    private func grant(_ seconds: Int64) throws(RegistryError) -> DriverAnswer {
        let id = Int64(random.next() >> 1) | 1
        try connection.run(
            "INSERT INTO leases(id, seconds, ends) VALUES(?, ?, ?)", .number(id), .number(seconds),
            .number(MachineTime.now + seconds * 1000))
        return .lease(id: id, seconds: seconds)
    }

    private func keepAlive(_ id: Int64) throws(RegistryError) -> DriverAnswer {
        guard let seconds = try connection.number("SELECT seconds FROM leases WHERE id = ?", .number(id)) else {
            throw .noLease(id)
        }
        try connection.run(
            "UPDATE leases SET ends = ? WHERE id = ?", .number(MachineTime.now + seconds * 1000), .number(id))
        return .lease(id: id, seconds: seconds)
    }

    private func end(_ id: Int64) throws(RegistryError) {
        try tables.remove(try tables.entries(ofLease: id))
        try connection.run("DELETE FROM leases WHERE id = ?", .number(id))
    }

    /// Whoever looks ends the leases whose time is over, of all processes.
    private func expireIfDue() throws(RegistryError) {
        let due = try connection.number("SELECT 1 FROM leases WHERE ends <= ? LIMIT 1", .number(MachineTime.now))
        if due != nil { try writing { () throws(RegistryError) in } }
    }

    private func expire() throws(RegistryError) {
        var due: [Int64] = []
        let statement = try connection.statement("SELECT id FROM leases WHERE ends <= ? ORDER BY ends, id")
        try statement.rows([.number(MachineTime.now)]) { row in
            due.append(row.number(0))
            return true
        }
        for id in due { try end(id) }
    }

    // MARK: Transactions of SQLite

    private func reading<R>(_ body: () throws(RegistryError) -> R) throws(RegistryError) -> R {
        try between("BEGIN", body)
    }

    private func writing<R>(_ body: () throws(RegistryError) -> R) throws(RegistryError) -> R {
        try alone { () throws(RegistryError) in
            try expire()
            let result = try body()
            try tables.shorten(to: limit)
            return result
        }
    }

    private func alone<R>(_ body: () throws(RegistryError) -> R) throws(RegistryError) -> R {
        lastLook = nil
        return try between("BEGIN IMMEDIATE", body)
    }

    private func between<R>(_ begin: String, _ body: () throws(RegistryError) -> R) throws(RegistryError) -> R {
        try connection.run(begin)
        do throws(RegistryError) {
            let result = try body()
            try connection.run("COMMIT")
            return result
        } catch {
            // It fails when SQLite has rolled back by itself; the first error is the one that says what is wrong.
            try? connection.run("ROLLBACK")
            throw error
        }
    }
}

/// What a look into the file has found.
struct SQLiteNews: Sendable {
    let changes: [RegistryChange]
    let revision: Int64
    let compacted: Int64

    /// Everything up to this revision is among the changes.
    var through: Int64 { changes.last?.revision ?? revision }
}
