import OmniwayCluster
import OmniwayTransport
import Testing

/// What every registry does, whatever keeps it.
@Suite(.timeLimit(.minutes(2))) struct ConformanceTests {
    typealias Kind = RegistrySubject.Kind

    // MARK: Keys and values

    @Test(arguments: Kind.allCases)
    func `a key is what it was last put to, and knows when that was`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let registry = subject.registry
        #expect(try await registry.get("a") == nil)
        let first = try await registry.put("a", "1")
        let second = try await registry.put("a", "2")
        #expect(second == first + 1)
        let entry = try #require(try await subject.other.get("a"))
        #expect(entry == RegistryEntry(key: "a", value: "2", created: first, modified: second, version: 2))
        #expect(try await registry.delete("a"))
        #expect(try await !registry.delete("a"))
        let third = try await registry.put("a", "3")
        #expect(third == second + 2)
        let again = try #require(try await registry.get("a"))
        #expect((again.created, again.version) == (third, 1))
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `keys and values are any bytes, and a value may be empty`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let key = RegistryBytes([0, 0xff, 0x80, 10])
        let value = RegistryBytes((0...255).map { UInt8($0) })
        try await subject.registry.put(key, value)
        try await subject.registry.put("empty", "")
        #expect(try await subject.other.get(key)?.value == value)
        #expect(try await subject.other.get("empty")?.value == "")
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `a list has the keys of a prefix in order, and no others`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let registry = subject.registry
        for key in ["b/2", "a", "b/10", "b", "c", "b0", "b/1"] { try await registry.put(RegistryBytes(key), "v") }
        let edge = RegistryBytes([0xff, 0xff, 1])
        try await registry.put(edge, "v")
        #expect(try await registry.list("b/").entries.map(\.key.text) == ["b/1", "b/10", "b/2"])
        #expect(try await registry.list("none/").entries.isEmpty)
        #expect(try await registry.list(RegistryBytes([0xff, 0xff])).entries.map(\.key) == [edge])
        let all = try await registry.list("", keysOnly: true)
        #expect(all.entries.map(\.key).dropLast() == ["a", "b", "b/1", "b/10", "b/2", "b0", "c"])
        #expect(all.entries.allSatisfy { $0.value.isEmpty && $0.version == 1 })
        #expect(all.revision == all.entries.map(\.modified).max())
        #expect(try await registry.deleteAll("b/") == 3)
        #expect(try await registry.list("b").entries.map(\.key.text) == ["b", "b0"])
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `a list of thousands of keys is whole`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        for batch in 0..<25 {
            let puts = (0..<100).map { RegistryOperation.put("many/\(10_000 + batch * 100 + $0)", "\($0)") }
            _ = try await subject.registry.transact(RegistryTransaction(then: puts))
        }
        let listing = try await subject.other.list("many/")
        #expect(listing.entries.map(\.key.text) == (0..<2500).map { "many/\(10_000 + $0)" })
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `a list of large values is whole`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let value = RegistryBytes([UInt8](repeating: 0xaa, count: 1_400_000))
        for number in 0..<10 { try await subject.registry.put("large/\(10 + number)", value) }
        let listing = try await subject.other.within(.seconds(30)).list("large/")
        #expect(listing.entries.map(\.key.text) == (10..<20).map { "large/\($0)" })
        #expect(listing.entries.allSatisfy { $0.value == value })
        await subject.end()
    }

    // MARK: Transactions

    @Test(arguments: Kind.allCases)
    func `a transaction does one branch, in order, as one revision`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let registry = subject.registry
        let before = try await registry.put("a", "1")
        let transaction = RegistryTransaction(
            if: [.exists("a"), .absent("b"), .value(of: "a", is: "1")],
            then: [.get("b"), .put("b", "2"), .get("b"), .delete("a"), .list(prefix: "", limit: 1)],
            else: [.get("a")])
        let done = try await registry.transact(transaction)
        #expect(done.succeeded)
        #expect(done.revision == before + 1)
        let b = RegistryEntry(key: "b", value: "2", created: before + 1, modified: before + 1, version: 1)
        #expect(
            done.results == [
                .entries([], hasMore: false), .put, .entries([b], hasMore: false), .deleted(1),
                .entries([b], hasMore: false),
            ])
        let refused = try await registry.transact(transaction)
        #expect(!refused.succeeded)
        #expect(refused.results == [.entries([], hasMore: false)])
        #expect(refused.revision == before + 1)
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `conditions compare what a key is`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let registry = subject.registry
        let created = try await registry.put("k", "m")
        let modified = try await registry.put("k", "n")
        let cases: [(RegistryCondition, Bool)] = [
            (.init("k", .equal, .created(created)), true), (.init("k", .equal, .modified(modified)), true),
            (.init("k", .equal, .version(2)), true), (.init("k", .notEqual, .version(2)), false),
            (.init("k", .less, .modified(modified + 1)), true), (.init("k", .greater, .modified(modified)), false),
            (.init("k", .greater, .value("m")), true), (.init("k", .less, .value("m")), false),
            (.init("k", .notEqual, .value("n")), false), (.init("none", .equal, .version(0)), true),
            (.init("none", .equal, .value("")), false), (.init("none", .notEqual, .value("x")), false),
            (.absent("none"), true), (.exists("none"), false),
        ]
        for (condition, holds) in cases {
            let outcome = try await registry.transact(RegistryTransaction(if: [condition], then: [.get("k")]))
            #expect(outcome.succeeded == holds, "\(condition)")
        }
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `of many who take a key only one gets it`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let winners = await withTaskGroup(of: Int.self) { group in
            for number in 0..<16 {
                group.addTask {
                    let registry = number.isMultiple(of: 2) ? subject.registry : subject.other
                    let error = await code { () throws(RegistryError) in
                        try await registry.put("one", "\(number)", if: .absent("one"))
                    }
                    return error == nil ? 1 : error == .compareFailed ? 0 : 100
                }
            }
            return await group.reduce(0, +)
        }
        #expect(winners == 1)
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `an entry that somebody has changed is not overwritten`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        try await subject.registry.put("a", "1")
        let read = try #require(try await subject.registry.get("a"))
        try await subject.other.put("a", "2")
        let error = await code { () throws(RegistryError) in
            try await subject.registry.put("a", "3", if: .unchanged(read))
        }
        #expect(error == .compareFailed)
        #expect(try await subject.registry.get("a")?.value == "2")
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `what is too large or contradicts itself is refused, and nothing is done`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let registry = subject.registry
        func failure(_ operations: [RegistryOperation]) async -> RegistryError.Code? {
            await code { () throws(RegistryError) in
                _ = try await registry.transact(RegistryTransaction(then: operations))
            }
        }
        let big = RegistryBytes([UInt8](repeating: 7, count: RegistryLimits.requestBytes))
        #expect(await failure([.put("a", big)]) == .tooLarge)
        #expect(await failure((0...128).map { .put("a/\($0)", "") }) == .tooLarge)
        #expect(await failure([.put("", "1")]) == .invalid)
        #expect(await failure([.put("a", "1"), .put("a", "2")]) == .invalid)
        #expect(await failure([.put("a", "1"), .delete("a")]) == .invalid)
        #expect(await failure([.deleteAll(prefix: "a"), .put("a", "1")]) == .invalid)
        #expect(try await registry.list("").entries.isEmpty)
        let most = RegistryBytes([UInt8](repeating: 7, count: RegistryLimits.requestBytes - 1000))
        try await registry.within(.seconds(30)).put("a", most)
        #expect(try await registry.get("a")?.value == most)
        #expect(await failure((0..<128).map { .put("b/\($0)", "") }) == nil)
        #expect(registry.health == .good)
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `a closed registry says so`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        await subject.registry.close()
        #expect(await code { () throws(RegistryError) in _ = try await subject.registry.get("a") } == .closed)
        #expect(try await subject.other.get("a") == nil)
        await subject.end()
    }

    // MARK: Leases

    @Test(arguments: Kind.allCases)
    func `all keys of a lease go when it is revoked, as one revision`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let registry = subject.registry
        let lease = try await registry.lease(ttl: .seconds(60))
        #expect(lease.ttl >= .seconds(60))
        try await registry.put("l/1", "1", lease: lease)
        try await registry.put("l/2", "2", lease: lease)
        try await registry.put("l/3", "3", lease: lease)
        try await registry.put("l/3", "stays")
        let watch = await subject.watch(.prefix("l/"))
        let listing = try #require(await watch.reset())
        #expect(listing.entries.map(\.lease) == [lease.id ?? 0, lease.id ?? 0, 0])
        try await lease.revoke()
        #expect(!lease.isHeld)
        let gone = await watch.changes(2)
        #expect(gone.map(\.short) == ["-l/1", "-l/2"])
        #expect(Set(gone.map(\.revision)).count == 1)
        #expect(gone.map { $0.previous?.value } == ["1", "2"])
        #expect(try await registry.list("l/").entries.map(\.value) == ["stays"])
        #expect(
            await code { () throws(RegistryError) in try await registry.put("l/4", "", lease: lease) } == .leaseLost)
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `a lease stays while its registry does, and goes when nobody keeps it`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let (events, tell) = AsyncStream<RegistryLease.Event>.makeStream()
        let kept = try await subject.registry.lease(ttl: .seconds(3)) { tell.yield($0) }
        try await subject.registry.put("kept", "1", lease: kept)
        // A program that ended without a word: its lease has nobody to keep it alive.
        let loop = EventLoop()
        let deserter = try await subject.third(on: loop)
        let left = try await deserter.lease(ttl: .seconds(4))
        try await deserter.put("left", "1", lease: left)
        let watch = await subject.watch(.key("left"))
        _ = await watch.reset()
        if kind == .memory { deserter.simulateOutage(true) }
        await loop.shutdown()
        #expect(await watch.changes(1).map(\.short) == ["-left"])
        #expect(try await subject.other.get("kept")?.value == "1")
        #expect(kept.isHeld)
        try await kept.revoke()
        for await event in events {
            #expect(event == .ended)
            break
        }
        await subject.end()
        withExtendedLifetime(left) {}
    }

    @Test(arguments: Kind.allCases)
    func `a lease without a keeper lives as long as somebody renews it`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let registry = subject.registry
        let id = try await registry.grant(ttl: .milliseconds(1500))
        let members = RegistryTransaction(
            if: [.absent("g/room")], then: [.putUnder(lease: id, "g/room", ""), .putUnder(lease: id, "g/room/u1", "")])
        #expect(try await registry.transact(members).succeeded)
        let group = try #require(try await subject.other.get("g/room"))
        // Another program knows the lease by its key.
        #expect(group.lease == id)
        _ = try await subject.other.transact(
            RegistryTransaction(if: [.exists("g/room")], then: [.putUnder(lease: group.lease, "g/room/u2", "")]))
        #expect(try await subject.other.keepAlive(group.lease) == .seconds(2))
        let watch = await subject.watch(.prefix("g/"))
        #expect(await watch.reset()?.entries.count == 3)
        // Nobody renews it any more.
        #expect(await watch.changes(3).map(\.short) == ["-g/room", "-g/room/u1", "-g/room/u2"])
        #expect(await code { () throws(RegistryError) in try await registry.keepAlive(id) } == .leaseLost)
        #expect(await code { () throws(RegistryError) in try await registry.revoke(id) } == .leaseLost)
        let late = RegistryTransaction(then: [.put("g/a", ""), .putUnder(lease: id, "g/b", "")])
        #expect(await code { () throws(RegistryError) in _ = try await registry.transact(late) } == .leaseLost)
        #expect(try await registry.list("g/").entries.isEmpty)
        await subject.end()
    }

    // MARK: Watches

    @Test(arguments: Kind.allCases)
    func `a watch tells every change once, in order, with what was before`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let registry = subject.registry
        try await registry.put("w/a", "1")
        let watch = await subject.watch(.prefix("w/"))
        let listing = try #require(await watch.reset())
        #expect(listing.entries.map(\.value) == ["1"])
        _ = try await registry.transact(
            RegistryTransaction(then: [.put("w/c", "3"), .put("w/b", "2"), .put("other", "")]))
        try await registry.put("w/a", "2")
        try await registry.delete("w/b")
        try await registry.deleteAll("w/")
        let changes = await watch.changes(6)
        #expect(changes.map(\.short) == ["w/c=3", "w/b=2", "w/a=2", "-w/b", "-w/a", "-w/c"])
        #expect(changes.map { $0.previous?.value } == [nil, nil, "1", "2", "2", "3"])
        #expect(changes.map { $0.revision - listing.revision } == [1, 1, 2, 3, 4, 4])
        await watch.cancel()
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `a watch from a revision tells the past, and then what comes`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let registry = subject.registry
        try await registry.put("w/a", "1")
        let second = try await registry.put("w/a", "2")
        for number in 3...40 { try await registry.put("w/a", "\(number)") }
        let watch = await subject.watch(.key("w/a"), from: second)
        #expect(await watch.changes(39).map(\.short) == (2...40).map { "w/a=\($0)" })
        try await registry.put("w/a", "41")
        #expect(await watch.changes(1).map { $0.previous?.value } == ["40"])
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `a watch of what was compacted starts over`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let first = try await subject.registry.put("w/a", "1")
        let last = try await subject.registry.put("w/b", "2")
        try await subject.registry.compact(through: last)
        let watch = await subject.watch(.prefix("w/"), from: first)
        #expect(await watch.reset()?.entries.map(\.value) == ["1", "2"])
        try await subject.registry.put("w/a", "3")
        #expect(await watch.changes(1).map(\.short) == ["w/a=3"])
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `a cancelled watch tells nothing more`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let watch = await subject.watch(.prefix(""))
        let control = await subject.watch(.prefix(""))
        _ = await watch.reset()
        _ = await control.reset()
        await watch.cancel()
        try await subject.registry.put("a", "1")
        #expect(await control.changes(1).count == 1)
        #expect(await watch.told == 1)
        await subject.end()
    }

    @Test(arguments: Kind.allCases)
    func `a mirror is what the store is`(_ kind: Kind) async throws {
        let subject = try await RegistrySubject(kind)
        let registry = subject.registry
        let (told, tell) = AsyncStream<RegistryChange>.makeStream()
        try await registry.put("m/a", "1")
        let other = subject.other
        let mirror = await subject.loop.own { loop in
            RegistryMirror(other.on(loop), prefix: "m/") { tell.yield($0) }
        }
        for number in 0..<50 {
            try await registry.put("m/\(number % 7)", "\(number)")
            if number.isMultiple(of: 5) { try await registry.delete("m/\(number % 3)") }
        }
        try await registry.put("m/end", "")
        var copy: [RegistryBytes: RegistryEntry] = [:]
        for await change in told {
            #expect(copy[change.key] == change.previous)
            copy[change.key] = change.entry
            if change.key == "m/end" { break }
        }
        let listing = try await registry.list("m/")
        #expect(await mirror.run { _, mirror in mirror.entries } == listing.entries)
        #expect(await mirror.run { _, mirror in mirror.revision } == listing.revision)
        #expect(copy.values.sorted { $0.key < $1.key } == listing.entries)
        await mirror.run { _, mirror in mirror.end() }
        await subject.end()
    }
}
