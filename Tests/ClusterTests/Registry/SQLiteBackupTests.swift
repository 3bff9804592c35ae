import FoundationEssentials
import Glibc
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

@testable import OmniwayCluster

/// Copies of a registry's file, and files of older versions.
@Suite(.timeLimit(.minutes(1))) struct SQLiteBackupTests {
    private let folder: TemporaryFolder
    private let loop = EventLoop()
    private var file: String { folder.file("registry.db") }
    private var backup: String { folder.file("it's a backup.db") }

    init() throws { folder = try TemporaryFolder() }

    private func open(_ path: String? = nil) async throws -> Registry {
        try await Registry.open(.sqlite(path ?? file), on: loop)
    }

    private static func content(_ registry: Registry) async throws -> [String: String] {
        let entries = try await registry.list("").entries
        return Dictionary(uniqueKeysWithValues: entries.map { ($0.key.text, $0.value.text) })
    }

    @Test func `a backup has what there was at one moment, though others write`() async throws {
        let registry = try await open()
        for number in 0..<100 { try await registry.put("all/\(number)", "0") }
        // Each transaction changes all keys, so a copy of a half of one would show.
        let isOver = Lock(false)
        let writer = Task {
            var rounds = 0
            while !isOver.withLock({ $0 }) {
                rounds += 1
                let value = RegistryBytes("\(rounds)")
                let all = (0..<100).map { RegistryOperation.put("all/\($0)", value) }
                _ = try await registry.transact(RegistryTransaction(then: all))
            }
            return rounds
        }
        for _ in 0..<5 {
            try SQLiteBackup.save(file, to: backup)
            let copy = try await open(backup)
            let values = try await Self.content(copy).values
            #expect(values.count == 100)
            #expect(Set(values).count == 1)
            await copy.close()
        }
        isOver.withLock { $0 = true }
        #expect(try await writer.value > 0)
        await registry.close()
        var status = stat()
        #expect(unsafe stat(backup, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(!names.contains { $0.hasSuffix(".\(getpid())") })
        await loop.shutdown()
    }

    @Test func `a backup is put back while the registry is used, and who watches hears of each change`() async throws {
        let registry = try await open()
        try await registry.put("rules/kept", "1")
        try await registry.put("rules/changed", "old")
        try await registry.put("rules/lost", "1")
        let gone = try await registry.lease(ttl: .seconds(30))
        try await registry.put("online/then", "1", lease: gone)
        try SQLiteBackup.save(file, to: backup)
        try await gone.revoke()
        try await registry.put("rules/changed", "new")
        try await registry.delete("rules/lost")
        try await registry.put("rules/added", "1")
        let lease = try await registry.lease(ttl: .seconds(30))
        try await registry.put("online/now", "1", lease: lease)
        let revision = try await registry.list("").revision
        let (changes, tell) = AsyncStream<RegistryChange>.makeStream()
        let mirror = await loop.own { loop in
            RegistryMirror(registry.on(loop), prefix: "rules/") { _ = tell.yield($0) }
        }
        var seen = changes.makeAsyncIterator()
        for _ in 0..<3 { _ = await seen.next() }  // What there is: kept, changed, added.

        let (put, removed) = try SQLiteBackup.restore(backup, into: file)
        #expect((put, removed) == (2, 1))
        #expect(
            try await Self.content(registry) == [
                "rules/kept": "1", "rules/changed": "old", "rules/lost": "1", "online/now": "1",
            ])
        var heard: [String: String?] = [:]
        for _ in 0..<3 {
            let change = try #require(await seen.next())
            #expect(change.revision == revision + 1)
            heard.updateValue(change.entry?.value.text, forKey: change.key.text)
        }
        let wanted: [String: String?] = ["rules/changed": "old", "rules/lost": "1", "rules/added": String?.none]
        #expect(heard == wanted)
        // Once more there is nothing to do, and nothing is done.
        #expect(try SQLiteBackup.restore(backup, into: file) == (0, 0))
        #expect(try await registry.list("").revision == revision + 1)
        await mirror.release()
        await registry.close()
        await loop.shutdown()
    }

    @Test func `it is put back where there is nothing yet`() async throws {
        let registry = try await open()
        try await registry.put("rules/kept", "1")
        await registry.close()
        try SQLiteBackup.save(file, to: backup)
        let other = folder.file("other.db")
        #expect(try SQLiteBackup.restore(backup, into: other) == (1, 0))
        let again = try await open(other)
        #expect(try await Self.content(again) == ["rules/kept": "1"])
        await again.close()
        await loop.shutdown()
    }

    @Test func `what is no registry is neither copied nor put back`() async throws {
        let registry = try await open()
        try await registry.put("rules/kept", "1")
        try folder.write("text", String(repeating: "no database ", count: 1000))
        try folder.write("empty", "")
        for (name, code) in [("nothing", RegistryError.Code.unavailable), ("text", .damaged), ("empty", .damaged)] {
            let saving = #expect(throws: RegistryError.self) {
                try SQLiteBackup.save(folder.file(name), to: backup)
            }
            let restoring = #expect(throws: RegistryError.self) {
                _ = try SQLiteBackup.restore(folder.file(name), into: file)
            }
            #expect(saving?.code == code, "\(name)")
            #expect(restoring?.code == code, "\(name)")
        }
        let itself = #expect(throws: RegistryError.self) { try SQLiteBackup.save(file, to: file) }
        #expect(itself?.code == .refused)
        let nowhere = #expect(throws: RegistryError.self) { try SQLiteBackup.save(file, to: "/nowhere/at/all.db") }
        #expect(nowhere?.code == .unavailable)
        #expect(try await Self.content(registry) == ["rules/kept": "1"])
        await registry.close()
        await loop.shutdown()
    }

    // MARK: Older versions

    /// A file as the first version made it. Never change it: such files are out there.
    private static let version1 = """
        PRAGMA journal_mode = WAL;
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
        INSERT INTO state VALUES(1, 8, 5, x'');
        INSERT INTO entries VALUES(CAST('rules/a' AS BLOB), CAST('first' AS BLOB), 2, 7, 3, 0);
        INSERT INTO entries VALUES(CAST('online/b' AS BLOB), CAST('here' AS BLOB), 8, 8, 1, 17);
        INSERT INTO leases VALUES(17, 1000, 0);
        INSERT INTO changes VALUES(1, 8, 10, CAST('online/b' AS BLOB), CAST('here' AS BLOB), 8, 1, 17,
            NULL, 0, 0, 0, 0);
        PRAGMA application_id = 1332574034; PRAGMA user_version = 1
        """

    private func makeVersion1(_ path: String) throws {
        try SQLiteConnection(path).execute(Self.version1)
    }

    @Test func `a file of the first version is read, written and put back`() async throws {
        try makeVersion1(file)
        let registry = try await open()
        let entry = try #require(try await registry.get("rules/a"))
        #expect(entry == RegistryEntry(key: "rules/a", value: "first", created: 2, modified: 7, version: 3))
        // Its machine was started anew since, so the lease has its whole time before it.
        #expect(try await registry.get("online/b")?.lease == 17)
        try await registry.put("rules/a", "second")
        #expect(try await registry.get("rules/a")?.modified == 9)
        try makeVersion1(backup)
        #expect(try SQLiteBackup.restore(backup, into: file) == (1, 0))
        #expect(try await registry.get("rules/a")?.value == "first")
        #expect(try SQLiteConnection(file).number("PRAGMA user_version") == Int64(SQLiteSchema.steps.count))
        #expect(try SQLiteConnection(backup).number("PRAGMA user_version") == 1)
        await registry.close()
        await loop.shutdown()
    }

    @Test func `an older file takes each step to a newer version once, and all or none`() throws {
        try makeVersion1(file)
        let connection = try SQLiteConnection(file)
        let next = SQLiteSchema.steps.prefix(1) + ["ALTER TABLE entries ADD COLUMN note BLOB"]
        let broken = next + ["ALTER TABLE entries ADD COLUMN more BLOB; INSERT INTO nowhere VALUES(1)"]
        #expect(throws: RegistryError.self) { try SQLiteSchema.prepare(connection, file, by: Array(broken)) }
        #expect(try connection.number("PRAGMA user_version") == 1)
        let columns = "SELECT count(*) FROM pragma_table_info('entries')"
        #expect(try connection.number(columns) == 6)
        for _ in 0..<2 { try SQLiteSchema.prepare(connection, file, by: Array(next)) }
        #expect(try connection.number("PRAGMA user_version") == 2)
        #expect(try connection.number(columns) == 7)
        #expect(try connection.number("SELECT count(*) FROM entries") == 2)
        // A program of the version before leaves it alone.
        let error = #expect(throws: RegistryError.self) {
            try SQLiteSchema.prepare(connection, file, by: Array(next.prefix(1)))
        }
        #expect(error?.code == .refused)
    }
}
