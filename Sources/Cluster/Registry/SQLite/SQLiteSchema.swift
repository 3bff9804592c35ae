import Glibc

/// The tables of a registry's file, and how an older file becomes one of today.
enum SQLiteSchema {
    /// `OmwR`, so that the `file` command and we know it.
    static let applicationID: Int64 = 0x4f6d_7752
    /// The step at an index leads from the version of that number to the next. Steps that were released never change.
    static let steps = [
        """
        CREATE TABLE entries(
            key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
            version INTEGER NOT NULL, lease INTEGER NOT NULL);
        CREATE INDEX entries_by_lease ON entries(lease) WHERE lease != 0;
        CREATE TABLE leases(id INTEGER PRIMARY KEY, seconds INTEGER NOT NULL, ends INTEGER NOT NULL);
        CREATE INDEX leases_by_end ON leases(ends);
        CREATE TABLE changes(
            position INTEGER PRIMARY KEY, revision INTEGER NOT NULL, total INTEGER NOT NULL, key BLOB NOT NULL,
            value BLOB, created INTEGER, version INTEGER, lease INTEGER,
            old_value BLOB, old_created INTEGER, old_modified INTEGER, old_version INTEGER, old_lease INTEGER);
        CREATE INDEX changes_by_revision ON changes(revision);
        CREATE TABLE state(
            only INTEGER PRIMARY KEY CHECK(only = 1), revision INTEGER NOT NULL, compacted INTEGER NOT NULL,
            boot BLOB NOT NULL);
        INSERT INTO state VALUES(1, 1, 0, x'');
        """
    ]

    /// Makes the tables of a new file, and brings an older one to today's version. A newer one is refused.
    static func prepare(
        _ connection: SQLiteConnection, _ path: String, by steps: [String] = steps
    ) throws(RegistryError) {
        try connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        // Looked at in one transaction: another process may be making the tables between two looks.
        let isNew = try transact("BEGIN", connection) { () throws(RegistryError) in
            try version(connection, path, of: steps.count) < steps.count
        }
        guard isNew else { return }
        try transact("BEGIN IMMEDIATE", connection) { () throws(RegistryError) in
            // Another process may have done it meanwhile.
            for step in steps.dropFirst(try version(connection, path, of: steps.count)) { try connection.execute(step) }
            try connection.execute("PRAGMA application_id = \(applicationID); PRAGMA user_version = \(steps.count)")
        }
    }

    private static func transact<Value>(
        _ begin: String, _ connection: SQLiteConnection, _ body: () throws(RegistryError) -> Value
    ) throws(RegistryError) -> Value {
        try connection.execute(begin)
        do throws(RegistryError) {
            let value = try body()
            try connection.execute("COMMIT")
            return value
        } catch {
            try? connection.execute("ROLLBACK")
            throw error
        }
    }

    /// Of a file that is a registry's, or empty, and no newer than the newest that is known.
    static func version(
        _ connection: SQLiteConnection, _ path: String, of newest: Int = steps.count
    ) throws(RegistryError) -> Int {
        let version = Int(try connection.number("PRAGMA user_version") ?? 0)
        let application = try connection.number("PRAGMA application_id") ?? 0
        let tables = try connection.number("SELECT count(*) FROM sqlite_schema") ?? 0
        guard application == applicationID || (version, application, tables) == (0, 0, 0) else {
            throw RegistryError(.damaged, "\(path) is a database of another program; choose another file")
        }
        guard version <= newest else {
            throw RegistryError(
                .refused, "\(path) was written by a newer version (\(version)); this one knows \(newest): update")
        }
        return version
    }
}

/// Time that all processes of the machine share, and which goes on while it sleeps.
enum MachineTime {
    /// Milliseconds since the machine was started.
    static var now: Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Which start of the machine that is.
    static let boot: [UInt8] = {
        let descriptor = unsafe open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return Array(bytes.prefix(max(0, count)))
    }()
}
