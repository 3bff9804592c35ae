import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// What becomes of a port whose servers come and go, in simulated time.
@Suite struct NATSReconnectingTests {
    @Test func `a connection that was cut comes back with all its subscriptions`() async throws {
        let (cluster, heard) = (try await FakeCluster(), Heard())
        try await cluster.with { port in
            port.whenStateChanges { heard.add("\($0)") }
            for name in ["a", "b"] { try port.subscribe(name) { _ in } }
            try port.subscribe("gone") { _ in }.cancel()
        }
        #expect(await cluster.state() == .open)
        func open() async -> Bool {
            await cluster.world.first.snapshot().prometheusText.contains("omniway_bus_open 1")
        }
        #expect(await open())
        let before = await cluster.serve { $0.subjects }
        #expect(before.count == 3 && before.suffix(2) == ["a", "b"] && before[0].hasPrefix("_INBOX."))

        await cluster.serve { $0.cutAll() }
        guard case .away(let words) = await cluster.state() else {
            Issue.record("not away")
            return
        }
        #expect(words.contains("nats://fake:1") && words.contains("reset"))
        #expect(await !open(), "health is degraded")
        try await cluster.with { port in
            _ = try port.subscribe("c") { _ in }
            #expect(throws: BusError.away(words)) { try port.publish("a", []) }
        }
        await cluster.request("a", into: heard)
        cluster.world.advance(by: .milliseconds(49))
        #expect(await cluster.serve { $0.connections.count } == 0, "not at once")
        cluster.world.advance(by: .milliseconds(51))
        #expect(await cluster.state() == .open)
        #expect(await cluster.serve { $0.subjects } == before + ["c"])
        #expect(heard.texts == ["open", "away: \(words)", "bus-away", "open"])
    }

    @Test func `requests under way when the connection is cut fail at once, and say so`() async throws {
        let (cluster, heard) = (try await FakeCluster(), Heard())
        try await cluster.with { _ = try $0.subscribe("slow") { _ in } }
        await cluster.request("slow", into: heard)
        await cluster.request("slow", into: heard)
        #expect(heard.texts.isEmpty)
        await cluster.serve { $0.cutAll() }
        #expect(heard.texts == ["bus-lost", "bus-lost"])
        cluster.world.advance(by: .seconds(10))
        #expect(heard.texts.count == 2, "their deadlines tell nobody a second time")
    }

    @Test func `two hundred ports of a server that restarts do not come back at once`() async throws {
        let cluster = try await FakeCluster(clients: 200)
        for client in 0..<200 { await cluster.with(client) { _ in } }
        await cluster.serve { $0.cutAll() }
        let start = cluster.world.clock.now
        cluster.world.advance(by: .seconds(1))
        let greeted = await cluster.serve { $0.greeted.suffix(200).map { $0 } }
        #expect(greeted.count == 200 && Set(greeted).count > 190)
        let spread = greeted.map { $0 - start }.sorted()
        #expect(spread[0] >= .milliseconds(50) && spread[199] <= .milliseconds(100))
        #expect(spread[100] - spread[0] > .milliseconds(15), "and evenly")
    }

    @Test func `a long outage is asked about ever more rarely, without end, and heals by itself`() async throws {
        let cluster = try await FakeCluster()
        await cluster.with { _ in }
        await cluster.serve {
            $0.isDown = true
            $0.cutAll()
        }
        cluster.world.advance(by: .seconds(3600))
        let asked = await cluster.serve { $0.greeted.count }
        #expect((700...1500).contains(asked), "\(asked) times in an hour")
        await cluster.serve { $0.isDown = false }
        cluster.world.advance(by: .seconds(5))
        #expect(await cluster.state() == .open)
    }

    @Test func `all servers are tried before there is a pause`() async throws {
        let cluster = try await FakeCluster(servers: 3)
        for index in 0..<3 { await cluster.serve(index) { $0.isDown = index != 2 } }
        await cluster.with { _ in }
        cluster.world.advance(by: .milliseconds(1))
        #expect(await cluster.state() == .open)
        #expect(await cluster.serve(2) { $0.connections.count } == 1)
    }

    @Test func `a server that falls silent is given up after its pings`() async throws {
        let (cluster, heard) = (try await FakeCluster { $0.pingInterval = .seconds(10) }, Heard())
        await cluster.with { port in _ = port.whenStateChanges { heard.add("\($0)") } }
        cluster.world.advance(by: .seconds(300))
        #expect(await cluster.state() == .open, "it answers pings")
        await cluster.serve { $0.isSilent = true }
        cluster.world.advance(by: .seconds(29))
        #expect(await cluster.state() == .open)
        cluster.world.advance(by: .seconds(11))
        #expect(heard.texts.dropFirst().first?.contains("2 pings were not answered") == true, "\(heard.texts)")
        await cluster.serve { $0.isSilent = false }
        cluster.world.advance(by: .seconds(11))
        #expect(await cluster.state() == .open)
    }

    @Test func `a server that never greets is given up in time, for the next`() async throws {
        let cluster = try await FakeCluster(servers: 2)
        for index in 0..<2 { await cluster.serve(index) { $0.isSilent = true } }
        await cluster.with { _ in }
        cluster.world.advance(by: .seconds(60))
        let tries = [await cluster.serve(0) { $0.greeted.count }, await cluster.serve(1) { $0.greeted.count }]
        #expect(tries.allSatisfy { (4...7).contains($0) }, "\(tries)")
        for index in 0..<2 { await cluster.serve(index) { $0.isSilent = false } }
        cluster.world.advance(by: .seconds(11))
        #expect(await cluster.state() == .open)
    }

    @Test func `a login that is refused says why, and is tried again`() async throws {
        let cluster = try await FakeCluster { $0.credentials = .password(user: "u", Secret("p")) }
        await cluster.serve { $0.refusal = "Authorization Violation" }
        await cluster.with { _ in }
        guard case .away(let words) = await cluster.state() else {
            Issue.record("let in")
            return
        }
        #expect(words.contains("Authorization Violation") && !words.contains("\"p\""))
        await cluster.serve { $0.refusal = nil }
        cluster.world.advance(by: .seconds(5))
        #expect(await cluster.state() == .open)
        #expect(await cluster.serve { $0.commands[0] }.contains("\"user\":\"u\",\"pass\":\"p\""))
    }

    @Test(arguments: [
        "PUB a 0\r\n\r\n", "MSG a 1\r\n", "HTTP/1.1 400 Bad Request\r\n", "INFO {\r\n", "MSG a 1 2000000\r\n",
    ])
    func `a server that speaks nonsense loses its connection and nothing else`(_ nonsense: String) async throws {
        let cluster = try await FakeCluster()
        await cluster.with { _ in }
        await cluster.serve { $0.say(nonsense) }
        guard case .away(let words) = await cluster.state() else {
            Issue.record("still open")
            return
        }
        #expect(words.contains("protocol-error"))
        cluster.world.advance(by: .seconds(1))
        #expect(await cluster.state() == .open)
    }

    @Test func `complaints about permissions and messages for nobody leave the connection open`() async throws {
        let cluster = try await FakeCluster()
        await cluster.with { _ in }
        await cluster.serve { $0.say("-ERR 'Permissions Violation for Publish to \"x\"'\r\nMSG a 99 1\r\nx\r\n") }
        await cluster.serve { $0.say("+OK\r\nPING\r\n-ERR 'Slow Consumer'\r\n") }
        #expect(await cluster.state() == .open)
        let snapshot = await cluster.world.first.snapshot()
        #expect(snapshot.prometheusText.contains("omniway_bus_refusals_total 1"))
        #expect(snapshot.prometheusText.contains("omniway_bus_late_total 1"))
        #expect(snapshot.prometheusText.contains("omniway_bus_slow_consumers_total 1"))
    }

    @Test func `who insists on TLS says nothing to a server without, and the other way round`() async throws {
        let insists = try await FakeCluster { $0.tls = NATSTLS(trust: .anybody) }
        await insists.with { _ in }
        guard case .away(let words) = await insists.state() else {
            Issue.record("open")
            return
        }
        #expect(words.contains("has no TLS"))
        #expect(await insists.serve { $0.commands }.isEmpty)

        let plain = try await FakeCluster()
        await plain.serve { $0.info.requiresTLS = true }
        await plain.with { _ in }
        guard case .away(let others) = await plain.state() else {
            Issue.record("open")
            return
        }
        #expect(others.contains("tls://"))
    }

    @Test func `the server's own limit of a message is obeyed`() async throws {
        let cluster = try await FakeCluster()
        await cluster.serve { $0.info.maxPayload = 20 }
        await cluster.with { _ in }
        try await cluster.with { port in
            #expect(port.maxPayload == 20)
            #expect(throws: BusError.noHeaders) { try port.publish("s", [], headers: ["a": "b"]) }
            #expect(throws: BusError.tooLarge(21, limit: 20)) {
                try port.publish("s", [UInt8](repeating: 0, count: 21))
            }
            try port.publish("s", [UInt8](repeating: 0, count: 20))
        }
        #expect(await cluster.serve { $0.published } == ["s"])
    }

    @Test func `a server that takes nothing is not sent more than may wait`() async throws {
        let cluster = try await FakeCluster { $0.mostQueued = 64 << 10 }
        await cluster.with { _ in }
        await cluster.serve { $0.connections[0].link?.pauseReading() }
        var code = ""
        for _ in 0..<1000 where code.isEmpty {
            code = await cluster.with { port in
                do throws(BusError) { try port.publish("s", [UInt8](repeating: 0, count: 4096)) } catch {
                    return error.code
                }
                return ""
            }
        }
        #expect(code == "bus-full")
        #expect(await cluster.state() == .open)
        await cluster.serve { $0.connections[0].link?.resumeReading() }
        try await cluster.with { try $0.publish("end", []) }
        #expect(await cluster.serve { $0.published.last } == "end")
    }

    @Test func `subscriptions beyond a full queue are renewed piece by piece, with what changes meanwhile`()
        async throws
    {
        let cluster = try await FakeCluster { $0.mostQueued = 64 << 10 }
        let subscriptions = await cluster.world.first.own { _ in Kept() }
        let (bus, count) = (cluster.bus, 20_000)
        try await subscriptions.run { loop, kept in
            for number in 0..<count {
                kept.all.append(try bus.port(on: loop).subscribe("pitaya/connector/user/\(number)/push") { _ in })
            }
        }
        cluster.world.settle()
        await cluster.serve { server in
            server.readsOnlyLogins = true
            server.cutAll()
        }
        cluster.world.advance(by: .seconds(1))
        #expect(await cluster.state() != .open, "the server has not taken all")
        try await subscriptions.run { loop, kept in
            kept.all[10].cancel()
            kept.all[count - 10].cancel()
            kept.all.append(try bus.port(on: loop).subscribe("early") { _ in })  // In the place of one that was there.
            kept.all.append(try bus.port(on: loop).subscribe("late") { _ in })
        }
        await cluster.serve { server in
            server.readsOnlyLogins = false
            for client in server.connections { client.link?.resumeReading() }
        }
        let subjects = await cluster.serve { $0.subjects }
        #expect(subjects.count == count + 1 && Set(subjects).count == count + 1)
        #expect(subjects.contains("early") && subjects.contains("late"))
        #expect(await cluster.state() == .open)
    }

    @Test func `a loop that ends takes its port along, and fails what is under way`() async throws {
        let (cluster, heard) = (try await FakeCluster(), Heard())
        try await cluster.with { port in
            port.whenStateChanges { heard.add("\($0)") }
            _ = try port.subscribe("slow") { _ in }
        }
        await cluster.request("slow", into: heard)
        cluster.world.first.endSimulation()
        #expect(heard.texts.contains("bus-lost") && heard.texts.last == "closed")
        cluster.world.settle()
        #expect(await cluster.serve { $0.connections.count } == 0)
    }

    @Test func `draining while the bus is away just closes`() async throws {
        let (cluster, heard) = (try await FakeCluster(), Heard())
        await cluster.with { _ in }
        await cluster.serve {
            $0.isDown = true
            $0.cutAll()
        }
        await cluster.with { port in
            port.drain { heard.add("\(port.state)") }
        }
        #expect(heard.texts == ["closed"])
        cluster.world.advance(by: .seconds(60))
        #expect(await cluster.serve { $0.greeted.count } == 1, "nobody asks for it any more")
    }

    @Test func `who waits for the bus hears when it is there, or why it is not`() async throws {
        let (cluster, heard) = (try await FakeCluster(), Heard())
        await cluster.serve { $0.isDown = true }
        await cluster.with { port in
            port.whenOpen(within: .seconds(2)) { heard.add("1 \($0?.code ?? "open")") }
            port.whenOpen(within: .seconds(30)) { heard.add("2 \($0?.code ?? "open")") }
        }
        cluster.world.advance(by: .seconds(3))
        await cluster.serve { $0.isDown = false }
        cluster.world.advance(by: .seconds(6))
        #expect(heard.texts == ["1 bus-away", "2 open"])
    }

    @Test(arguments: 1...10) func `over a bad network every request ends once`(_ seed: UInt64) async throws {
        var faults = SeededNetwork.Faults()
        faults.piece = 1...200
        faults.cutAfter = 2_000...20_000
        let cluster = try await FakeCluster(clients: 2, seed: seed, faults: faults)
        let heard = Heard()
        try await cluster.with(1) { port in
            _ = try port.subscribe("echo") { message in try? message.respond(message.payload) }
        }
        for number in 0..<300 {
            await cluster.request("echo", "\(number)", into: heard)
            cluster.world.advance(by: .milliseconds(20))
        }
        cluster.world.advance(by: .seconds(20))
        let texts = heard.texts
        let codes: Set = ["bus-away", "bus-lost", "no-responders", "timed-out"]
        #expect(texts.count == 300, "seed \(seed)")
        #expect(texts.allSatisfy { Int($0) != nil || codes.contains($0) }, "seed \(seed)")
        #expect(Set(texts.compactMap(Int.init)).count == texts.compactMap(Int.init).count, "none is answered twice")
        #expect(texts.compactMap(Int.init).count > 20, "seed \(seed): \(texts.compactMap(Int.init).count)")
        #expect(await cluster.with { $0.requestCount } == 0)
    }
}

/// Holds subscriptions.
final class Kept { var all: [BusSubscription] = [] }
