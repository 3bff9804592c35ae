import FoundationEssentials
import Glibc
import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import Testing

/// What only a file can do to us: other processes that write to it, die, or are of another version.
@Suite(.timeLimit(.minutes(1))) struct SQLiteTests {
    /// A file of its own for each test.
    private final class Place {
        let folder: TemporaryFolder
        let loop = EventLoop()
        var file: String { folder.file("registry.db") }
        init() throws { folder = try TemporaryFolder() }

        func open(history: RegistryHistory = RegistryHistory()) async throws -> Registry {
            try await Registry.open(.sqlite(file, history: history), on: loop)
        }

        /// Runs SQL as an operator would, and gives what it prints.
        func sql(_ text: String) async throws -> [String] {
            let program = try await script("for s in sys.argv[2].split(';'):\n for r in c.execute(s): print(*r)", text)
            {
                $0 == "done"
            }
            let lines = await program.lines
            await program.stop()
            return lines.dropLast()
        }

        /// Another program that has the file open as `c`.
        func script(
            _ lines: String, _ argument: String = "", until isReady: @escaping @Sendable (String) -> Bool
        ) async throws -> TestProgram {
            let begin = "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            return try await TestProgram(
                ["python3", "-u", "-c", begin + lines + "\nprint('done')", file, argument], until: isReady)
        }
    }

    @Test func `a process that is killed while it writes leaves a whole file`() async throws {
        let place = try Place()
        for round in 0..<3 {
            let writer = try await TestProgram(
                [BuiltProduct.path("RegistryWriter"), place.file, "round\(round)/", "0"]
            ) { $0 == "put 50" }
            await writer.stop(signal: SIGKILL)
            let lines = await writer.lines
            let said = lines.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.max() ?? 0
            let registry = try await place.open()
            let entries = try await registry.list(RegistryBytes("round\(round)/")).entries
            // All that it has said, and at most one more.
            #expect(said...(said + 1) ~= entries.count - 1)
            #expect(Set(entries.map(\.key.text)) == Set((0..<entries.count).map { "round\(round)/\($0)" }))
            try await registry.put("after", "\(round)")
            await registry.close()
            #expect(try await place.sql("PRAGMA integrity_check") == ["ok"])
        }
        await place.loop.shutdown()
    }

    @Test func `what another process writes is seen within a tenth of a second`() async throws {
        let place = try Place()
        let registry = try await place.open()
        let (delays, tell) = AsyncStream<Int64>.makeStream()
        let mirror = await place.loop.own { loop in
            RegistryMirror(registry.on(loop), prefix: "p/") { change in
                let now = loop.clockTime.nanoseconds
                if let text = change.entry?.value.text, let then = Int64(text) { tell.yield(now - then) }
            }
        }
        let writer = try await TestProgram([BuiltProduct.path("RegistryWriter"), place.file, "p/", "20"]) {
            $0 == "put 19"
        }
        var seen: [Int64] = []
        for await delay in delays {
            seen.append(delay)
            if seen.count == 20 { break }
        }
        await writer.stop()
        // The writer notes the time before it writes. The middle one, because the machine has other things to do too.
        let middle = Duration.nanoseconds(seen.sorted()[10])
        #expect(middle < .milliseconds(100), "\(seen.map { $0 / 1_000_000 }) ms")
        await mirror.run { _, mirror in mirror.end() }
        await registry.close()
        await place.loop.shutdown()
    }

    @Test func `many may make the same file at once, and it is its owner's alone`() async throws {
        let place = try Place()
        let (file, loop) = (place.file, place.loop)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<12 {
                group.addTask {
                    let registry = try await Registry.open(.sqlite(file), on: loop)
                    try await registry.put("n/\(number)", "")
                    await registry.close()
                }
            }
            try await group.waitForAll()
        }
        let registry = try await place.open()
        #expect(try await registry.list("n/").entries.count == 12)
        for name in ["", "-wal", "-shm"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: file + name)
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
        }
        await registry.close()
        await loop.shutdown()
    }

    @Test func `what was written is there after all have gone, but for what was leased`() async throws {
        let place = try Place()
        var registry = try await place.open()
        let lease = try await registry.lease(ttl: .seconds(60))
        try await registry.put("stays", "1")
        try await registry.put("goes", "1", lease: lease)
        let before = try #require(try await registry.get("stays"))
        await registry.close()
        registry = try await place.open()
        #expect(try await registry.list("").entries == [before])
        await registry.close()
        await place.loop.shutdown()
    }

    @Test func `leases of another start of the machine get their time once more, and end`() async throws {
        let place = try Place()
        var registry = try await place.open()
        let loop = EventLoop()
        let deserter = try await Registry.open(.sqlite(place.file), on: loop)
        let lease = try await deserter.lease(ttl: .seconds(1))
        try await deserter.put("k", "v", lease: lease)
        await loop.shutdown()
        await registry.close()
        // As if the machine had been up for years when the lease was granted, and was then started again.
        _ = try await place.sql("UPDATE leases SET ends = ends + 100000000000; UPDATE state SET boot = x'00'")
        registry = try await place.open()
        #expect(try await registry.get("k")?.value == "v")
        let watch = await WatchedEvents(registry, on: place.loop, .key("k"))
        _ = await watch.reset()
        #expect(await watch.changes(1).map(\.short) == ["-k"])
        await registry.close()
        await place.loop.shutdown()
        withExtendedLifetime(lease) {}
    }

    @Test func `the past is forgotten by number and by size, and a slow watch starts over`() async throws {
        let place = try Place()
        let registry = try await place.open(history: RegistryHistory(changes: 20, bytes: 10_000))
        let first = try await registry.put("k", "0")
        for number in 1...100 { try await registry.put("k", "\(number)") }
        #expect(try await place.sql("SELECT count(*) <= 23 FROM changes") == ["1"])
        let watch = await WatchedEvents(registry, on: place.loop, .key("k"), from: first)
        #expect(await watch.reset()?.entries.map(\.value) == ["100"])
        let big = RegistryBytes([UInt8](repeating: 1, count: 4000))
        for _ in 0..<10 { try await registry.put("big", big) }
        #expect(try await place.sql("SELECT count(*) <= 3 FROM changes") == ["1"])
        #expect(try await registry.list("").entries.count == 2)
        await registry.close()
        await place.loop.shutdown()
    }

    @Test func `files that are no registry, or of a newer version, are left alone`() async throws {
        let place = try Place()
        let registry = try await place.open()
        await registry.close()
        #expect(try await place.sql("PRAGMA journal_mode") == ["wal"])
        _ = try await place.sql("PRAGMA user_version = 999")
        var error = await #expect(throws: RegistryError.self) { _ = try await place.open() }
        #expect(error?.code == .refused)

        try place.folder.write("registry.db", "This is a text, and no database. " + String(repeating: "x", count: 4096))
        error = await #expect(throws: RegistryError.self) { _ = try await place.open() }
        #expect(error?.code == .damaged)

        try place.folder.write("registry.db", "")
        _ = try await place.sql("CREATE TABLE other(a)")
        error = await #expect(throws: RegistryError.self) { _ = try await place.open() }
        #expect(error?.code == .damaged)
        #expect(try await place.sql("SELECT count(*) FROM sqlite_schema") == ["1"])

        error = await #expect(throws: RegistryError.self) {
            _ = try await Registry.open(.sqlite("/nowhere/at/all.db"), on: place.loop)
        }
        #expect(error?.code == .unavailable)
        await place.loop.shutdown()
    }

    @Test func `a process that holds the file makes others wait, and then say so`() async throws {
        let place = try Place()
        let registry = try await place.open().within(.milliseconds(300))
        try await registry.put("k", "1")
        let holder = try await place.script("c.execute('BEGIN IMMEDIATE'); print('held'); time.sleep(100)") {
            $0 == "held"
        }
        let error = await code { () throws(RegistryError) in try await registry.put("k", "2") }
        #expect(error == .timedOut || error == .unavailable)
        #expect(try await registry.within(.seconds(5)).get("k")?.value == "1")
        let again = await code { () throws(RegistryError) in try await registry.put("k", "2") }
        #expect(again == .timedOut || again == .unavailable)
        await holder.stop(signal: SIGKILL)
        try await registry.within(.seconds(5)).put("k", "3")
        #expect(registry.health == .good)
        await registry.close()
        await place.loop.shutdown()
    }
}
