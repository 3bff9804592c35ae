import Glibc
import OmniwayTransport

/// Copies of a registry's file, made and put back while other processes use it. Every call blocks.
package enum SQLiteBackup {
    /// How long to wait for a process that writes.
    private static let patience: Int32 = 10_000

    /// Writes all that the registry has at one moment into a file, which is there whole or not at all. Others go on
    /// reading and writing meanwhile.
    package static func save(_ path: String, to file: String) throws(RegistryError) {
        // Also the registry itself: to replace a file that is open would lose what is written next.
        guard unsafe access("\(file)-wal", F_OK) != 0 else {  // The call keeps no pointer.
            throw RegistryError(.refused, "\(file) is open as a registry; choose another file for the backup")
        }
        let connection = try SQLiteConnection(path, .changed)
        connection.wait(milliseconds: patience)
        guard try SQLiteSchema.version(connection, path) > 0 else {
            throw RegistryError(.damaged, "\(path) is empty; is it the file that the node uses?")
        }
        let draft = "\(file).\(getpid())"
        defer { remove(draft) }
        try copy(connection, to: draft)
        guard sync(draft), unsafe rename(draft, file) == 0 else {  // Safe because the call keeps no pointers.
            throw RegistryError(.unavailable, "cannot write \(file): \(SystemError(number: errno))")
        }
    }

    /// Makes what outlives its writers in a registry what a backup has, in one transaction. Who watches hears of each
    /// change. Entries of leases are neither put back nor taken away: they say who is there.
    package static func restore(
        _ backup: String, into path: String
    ) throws(RegistryError) -> (put: Int, removed: Int) {
        // A backup of an older version is brought to today's, and must not be changed by that.
        let draft = "\(path).\(getpid())"
        defer { for end in ["", "-wal", "-shm"] { remove(draft + end) } }
        do {
            let kept = try SQLiteConnection(backup, .onlyRead)
            guard try SQLiteSchema.version(kept, backup) > 0 else {
                throw RegistryError(.damaged, "\(backup) is empty; it is no backup")
            }
            try copy(kept, to: draft)
        }
        let connection = try SQLiteConnection(draft, .changed)
        try SQLiteSchema.prepare(connection, draft)
        let entries = try SQLiteEntries(connection: connection).entries(.prefix(""), limit: .max, keysOnly: false)
        let store = try SQLiteStore(path, history: RegistryHistory())
        return try store.replaceLasting(with: entries)
    }

    /// For its owner alone, as the file itself.
    private static func copy(_ connection: SQLiteConnection, to draft: String) throws(RegistryError) {
        remove(draft)  // Left by an earlier process of the same number.
        // The call keeps no pointer.
        let descriptor = unsafe open(draft, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw RegistryError(
                .unavailable, "cannot write \(draft): \(SystemError(number: errno)); does its folder exist?")
        }
        close(descriptor)
        let quoted = draft.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
        try connection.execute("VACUUM INTO '\(quoted)'")
    }

    /// Otherwise a power failure could leave an empty file under the right name.
    private static func sync(_ path: String) -> Bool {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)  // The call keeps no pointer.
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return fsync(descriptor) == 0
    }

    private static func remove(_ path: String) { unsafe unlink(path) }  // The call keeps no pointer.
}
