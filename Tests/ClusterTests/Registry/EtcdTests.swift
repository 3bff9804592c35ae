import ClusterSupport
import Glibc
import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// What only etcd can do to us: being away, coming back, asking who we are.
@Suite(.serialized, .timeLimit(.minutes(1))) struct EtcdTests {
    private func settings(_ endpoints: [String]) -> EtcdSettings {
        var settings = EtcdSettings()
        settings.endpoints = endpoints
        return settings
    }

    private func open(
        _ settings: EtcdSettings, on loop: EventLoop, deadline: Duration = .seconds(5)
    ) async throws -> Registry {
        try await Registry.open(.etcd(settings), on: loop, limits: RegistryLimits(deadline: deadline))
    }

    /// Asks until it is answered.
    private func heals(_ registry: Registry) async {
        // A refusal is an answer.
        while let error = await code({ () throws(RegistryError) in _ = try await registry.get("any") }),
            error != .refused
        {
            try? await Task.sleep(for: .milliseconds(50))  // Another program comes back; nothing tells us when.
        }
    }

    /// What pitaya keeps in etcd.
    private struct Recorded: Decodable {
        struct Pair: Decodable { let key: String, value: String }
        let servers: [Pair]
        let binding: Pair
        let group: Pair
        let groupMember: Pair
    }

    @Test func `etcdctl reads our keys, and we read its`() async throws {
        let server = try await EtcdServer()
        let loop = EventLoop()
        let registry = try await open(settings(server.endpoints), on: loop)
        let recorded = try Vectors.decode(Recorded.self, from: "pitaya-etcd")
        let lease = try await registry.lease(ttl: .seconds(60))
        for pair in recorded.servers + [recorded.binding, recorded.group, recorded.groupMember] {
            try await registry.put(RegistryBytes(pair.key), RegistryBytes(pair.value), lease: lease)
            let lines = try await server.control("get", pair.key, "--print-value-only")
            #expect(lines == [pair.value])
        }
        let id = String(lease.id ?? 0, radix: 16)
        let padded = String(repeating: "0", count: 16 - id.count) + id
        #expect(try await server.control("lease", "list").contains(padded))
        try await server.control("put", "theirs", "v")
        #expect(try await registry.get("theirs")?.value == "v")
        await registry.close()
        #expect(try await server.control("get", "", "--prefix", "--keys-only").filter { !$0.isEmpty } == ["theirs"])
        await loop.shutdown()
        await server.stop()
    }

    @Test func `a watch goes on after etcd was away, and misses nothing`() async throws {
        let server = try await EtcdServer()
        let loop = EventLoop()
        let registry = try await open(settings(server.endpoints), on: loop)
        let watch = await WatchedEvents(registry, on: loop, .prefix("w/"))
        _ = await watch.reset()
        try await server.control("put", "w/1", "a")
        #expect(await watch.changes(1).map(\.short) == ["w/1=a"])
        await server.stop(signal: SIGKILL)
        #expect(await code { () throws(RegistryError) in try await registry.put("w/x", "") } == .unavailable)
        guard case .degraded(let error) = registry.health else {
            Issue.record("the registry does not say that etcd is away")
            return
        }
        #expect(error.code == .unavailable)
        try await server.start()
        try await server.control("put", "w/2", "b")
        try await server.control("del", "w/1")
        #expect(await watch.changes(2).map(\.short) == ["w/2=b", "-w/1"])
        await heals(registry)
        #expect(registry.health == .good)
        await registry.close()
        await loop.shutdown()
        await server.stop()
    }

    @Test func `a watch whose past was compacted while it was cut off starts over`() async throws {
        let server = try await EtcdServer()
        let loop = EventLoop()
        // A way to etcd that can be cut.
        let gate = try await Gate(to: server.ports[0])
        let registry = try await open(settings(["http://127.0.0.1:\(gate.port)"]), on: loop)
        let watch = await WatchedEvents(registry, on: loop, .prefix("w/"))
        _ = await watch.reset()
        await gate.shut()
        for number in 1...5 { try await server.control("put", "w/k", "\(number)") }
        let status = try await server.control("get", "w/k", "--write-out", "fields")
        let line = try #require(status.first { $0.contains("ModRevision") })
        try await server.control("compact", line.split(separator: " ").last.map(String.init) ?? "")
        try await gate.open()
        #expect(await watch.reset()?.entries.map(\.value) == ["5"])
        try await server.control("put", "w/k", "6")
        #expect(await watch.changes(1).map(\.short) == ["w/k=6"])
        await registry.close()
        await loop.shutdown()
        await gate.end()
        await server.stop()
    }

    @Test func `the next endpoint is used when one does not answer`() async throws {
        let server = try await EtcdServer()
        let loop = EventLoop()
        let gate = try await Gate(to: server.ports[0])
        let dead = try TestProgram.freePort()
        let endpoints = ["http://127.0.0.1:\(dead)", "http://127.0.0.1:\(gate.port)", server.endpoints[1]]
        let registry = try await open(settings(endpoints), on: loop)
        let watch = await WatchedEvents(registry, on: loop, .prefix("w/"))
        _ = await watch.reset()
        for number in 1...3 { try await registry.put("w/k", "\(number)") }
        await gate.shut()
        // At most the one that was under way is lost.
        await heals(registry)
        for number in 4...6 { try await registry.put("w/k", "\(number)") }
        #expect(await watch.changes(6).map(\.short) == (1...6).map { "w/k=\($0)" })
        await registry.close()
        await loop.shutdown()
        await gate.end()
        await server.stop()
    }

    @Test func `a watch whose connection is dead without a word goes on with another`() async throws {
        let server = try await EtcdServer()
        let loop = EventLoop()
        let gate = try await Gate(to: server.ports[0])
        let limits = RegistryLimits(deadline: .milliseconds(500), silence: .milliseconds(200))
        let registry = try await Registry.open(
            .etcd(settings(["http://127.0.0.1:\(gate.port)"])), on: loop, limits: limits)
        let watch = await WatchedEvents(registry, on: loop, .prefix("w/"))
        _ = await watch.reset()
        await gate.silence()
        try await server.control("put", "w/k", "1")
        #expect(await watch.changes(1).map(\.short) == ["w/k=1"])
        await registry.close()
        await loop.shutdown()
        await gate.end()
        await server.stop()
    }

    @Test func `an etcd that stands still costs a deadline, and heals`() async throws {
        let server = try await EtcdServer()
        let loop = EventLoop()
        let registry = try await open(settings([server.endpoints[0]]), on: loop, deadline: .milliseconds(500))
        try await registry.put("w/k", "1")
        let watch = await WatchedEvents(registry, on: loop, .prefix("w/"))
        _ = await watch.reset()
        server.pause()
        let before = ContinuousClock.now
        #expect(await code { () throws(RegistryError) in try await registry.put("w/late", "") } == .timedOut)
        #expect(ContinuousClock.now - before < .seconds(3))
        guard case .degraded = registry.health else {
            Issue.record("the registry does not say that etcd stands still")
            return
        }
        server.resume()
        await heals(registry)
        try await registry.within(.seconds(5)).put("w/k", "2")
        // The late one may have been done or not.
        var changes = await watch.changes(1)
        if changes.map(\.key) == ["w/late"] { changes += await watch.changes(1) }
        #expect(changes.map(\.short).last == "w/k=2")
        #expect(registry.health == .good)
        await registry.close()
        await loop.shutdown()
        await server.stop()
    }

    @Test func `a lease that etcd has dropped comes back with its keys`() async throws {
        let server = try await EtcdServer()
        let loop = EventLoop()
        let gate = try await Gate(to: server.ports[0])
        let registry = try await open(settings(["http://127.0.0.1:\(gate.port)"]), on: loop, deadline: .seconds(1))
        let (events, tell) = AsyncStream<RegistryLease.Event>.makeStream()
        var told = events.makeAsyncIterator()
        let lease = try await registry.lease(ttl: .seconds(8)) { tell.yield($0) }
        for key in ["s/1", "s/2"] { try await registry.put(RegistryBytes(key), "mine", lease: lease) }
        await gate.shut()
        guard case .lost = await told.next() else {
            Issue.record("the loss was not told")
            return
        }
        // Sooner than by waiting for etcd's own clock, unless that has come round meanwhile.
        let list = try await server.control("lease", "list")
        for id in list.dropFirst() where try await server.control("lease", "list").contains(id) {
            do {
                try await server.control("lease", "revoke", id)
            } catch let failure as EtcdServer.Failure where failure.lines.contains(where: { $0.contains("not found") })
            {}
        }
        try await server.control("put", "s/2", "theirs")
        try await gate.open()
        #expect(await told.next() == .restored(taken: ["s/2"]))
        #expect(try await registry.list("s/").entries.map(\.value) == ["mine", "theirs"])
        #expect(lease.isHeld)
        await registry.close()
        await loop.shutdown()
        await gate.end()
        await server.stop()
    }

    @Test func `an etcd that lost everything makes watches and leases start over`() async throws {
        let server = try await EtcdServer()
        let loop = EventLoop()
        let registry = try await open(settings(server.endpoints), on: loop)
        let lease = try await registry.lease(ttl: .seconds(2))
        for number in 1...9 { try await registry.put("w/k", "\(number)", lease: lease) }
        let watch = await WatchedEvents(registry, on: loop, .prefix("w/"))
        #expect(await watch.reset()?.entries.map(\.value) == ["9"])
        await server.stop(signal: SIGKILL)
        try await server.erase()
        try await server.start()
        await heals(registry)
        // The watch begins before the lease has put its key again, or after it.
        let listing = try #require(await watch.reset())
        if listing.entries.isEmpty { #expect(await watch.changes(1).map(\.short) == ["w/k=9"]) }
        #expect(try await registry.get("w/k")?.version == 1)
        await registry.close()
        await loop.shutdown()
        await server.stop()
    }

    @Test func `a user shows a password, and gets no more than his roles`() async throws {
        let server = try await EtcdServer()
        for words in [
            ["user", "add", "root:secret"], ["role", "add", "app"],
            ["role", "grant-permission", "app", "readwrite", "app/", "--prefix=true"],
            ["user", "add", "ann:word"], ["user", "grant-role", "ann", "app"], ["auth", "enable"],
        ] {
            try await server.control(words)
        }
        let loop = EventLoop()
        var known = settings(server.endpoints)
        (known.user, known.password) = ("ann", Secret("word"))
        let registry = try await open(known, on: loop)
        let watch = await WatchedEvents(registry, on: loop, .prefix("app/"))
        _ = await watch.reset()
        try await registry.put("app/a", "1")
        #expect(await watch.changes(1).map(\.short) == ["app/a=1"])
        #expect(await code { () throws(RegistryError) in try await registry.put("other", "1") } == .refused)
        #expect(registry.health == .good)

        let forbidden = await WatchedEvents(registry, on: loop, .prefix("other/"), from: 1)
        known.password = Secret("wrong")
        let stranger = try await open(known, on: loop)
        #expect(await code { () throws(RegistryError) in _ = try await stranger.get("app/a") } == .refused)
        let nobody = try await open(settings(server.endpoints), on: loop)
        #expect(await code { () throws(RegistryError) in _ = try await nobody.get("app/a") } == .refused)

        // Simple tokens are forgotten when etcd starts again; we get another one.
        await server.stop()
        try await server.start()
        await heals(registry)
        try await registry.put("app/a", "2")
        #expect(await watch.changes(1).map(\.short) == ["app/a=2"])
        #expect(await forbidden.told == 0)
        for registry in [registry, stranger, nobody] { await registry.close() }
        await loop.shutdown()
        await server.stop()
    }

    @Test func `TLS is spoken with an authority of ours, and with no other`() async throws {
        let folder = try TemporaryFolder()
        let identity = try TLSIdentity.selfSigned("127.0.0.1", "localhost")
        try folder.write("cert.pem", identity.certificatePEM)
        try folder.write("key.pem", identity.keyPEM)
        let server = try await EtcdServer(
            .secret(certificate: folder.file("cert.pem"), key: folder.file("key.pem")))
        let loop = EventLoop()
        var trusting = settings(server.endpoints)
        trusting.trust = .roots(files: folder.file("cert.pem"))
        let registry = try await open(trusting, on: loop)
        let watch = await WatchedEvents(registry, on: loop, .key("a"))
        _ = await watch.reset()
        try await registry.put("a", "1")
        #expect(await watch.changes(1).map(\.short) == ["a=1"])
        let doubting = try await open(settings(server.endpoints), on: loop)
        let failure = await #expect(throws: RegistryError.self) { _ = try await doubting.get("a") }
        #expect(failure?.code == .unavailable)
        #expect(failure?.detail.contains("certificate") == true)
        for registry in [registry, doubting] { await registry.close() }
        await loop.shutdown()
        await server.stop()
    }

    @Test func `settings that can never work are refused at once`() async throws {
        let loop = EventLoop()
        for endpoints in [[], ["ftp://a:1"], ["http://host"], ["http://host:2379/path"]] {
            let error = await #expect(throws: RegistryError.self) { _ = try await open(settings(endpoints), on: loop) }
            #expect(error?.code == .invalid)
        }
        await loop.shutdown()
    }
}
