import OmniwayTelemetry
import OmniwayTesting
@testable import OmniwayTransport
import Testing

@Suite struct TLSTests {
    let identity: TLSIdentity
    let roots: TLSTrust

    init() throws {
        identity = try .selfSigned("localhost", "*.games.example", "10.0.0.1")
        roots = .roots(pem: try identity.certificatePEM)
    }

    private func client(_ host: String = "localhost", protocols: [String] = []) throws -> TLSClient {
        try TLSClient(host: host, trust: roots, protocols: protocols)
    }

    @Test(arguments: [TLSVersion.v12, .v13]) func `what is written arrives, both ways, and both sides know of it`(
        _ version: TLSVersion
    ) async throws {
        let tls = try await TLSWorld(TLSServer(identity, minimum: version))
        let near = await tls.dial(try client())
        #expect(await near.events == [.opened])
        await near.write("hello")
        tls.world.settle()
        #expect(await tls.received() == "hello")
        await tls.intake.run { _, intake in intake.recorders[0].link?.write("welcome") }
        tls.world.settle()
        #expect(await near.run { _, near in near.text } == "welcome")
        let info = try #require(await near.tls)
        #expect(info.version == .v13)
        #expect(info.peer?.fingerprint == (try identity.fingerprint))
        #expect(info.peer?.names == ["DNS:localhost", "DNS:*.games.example", "IP Address:10.0.0.1"])
        let theirs = await tls.intake.run { _, intake in intake.recorders[0].link?.tls }
        #expect(theirs?.serverName == "localhost")
        #expect(theirs?.peer == nil)
    }

    @Test(arguments: 1...20) func `bytes survive a stream that cuts them anywhere, and the ends too`(
        _ seed: UInt64
    ) async throws {
        let tls = try await TLSWorld(TLSServer(identity))
        var faults = SeededNetwork.Faults()
        faults.piece = 1...(seed < 5 ? 1 : 300)
        let near = await tls.dial(try client(), through: SeededNetwork(seed: seed, faults: faults))
        tls.world.advance(by: .seconds(300))
        let text = String(repeating: "0123456789", count: 3000)
        await near.run { _, near in
            near.link?.write(text)
            near.link?.finish()
        }
        tls.world.advance(by: .seconds(600))
        #expect(await tls.received() == text, "seed \(seed)")
        await tls.intake.run { _, intake in
            #expect(intake.recorders[0].events == [.opened, .finished], "seed \(seed)")
            intake.recorders[0].link?.write("got it")
            intake.recorders[0].link?.finish()
        }
        tls.world.advance(by: .seconds(60))
        #expect(await near.run { _, near in near.text } == "got it")
        #expect(await near.events == [.opened, .closed(.finished)])
    }

    @Test func `a link that is closed has sent what was written before, and its end`() async throws {
        let tls = try await TLSWorld(TLSServer(identity))
        let near = await tls.dial(try client())
        let text = String(repeating: "x", count: 3_000_000)
        await near.run { _, near in
            near.link?.write(text)
            near.link?.close(.done)
        }
        tls.world.advance(by: .seconds(1))
        #expect(await tls.received() == text)
        #expect(await tls.intake.run { _, intake in intake.recorders[0].events } == [.opened, .finished])
    }

    @Test func `a connection that ends without the end of TLS is truncated, not finished`() async throws {
        let tls = try await TLSWorld(TLSServer(identity))
        let near = await tls.dial(try client())
        await near.run { _, near in
            let carrier = (near.link?.driver as? LayerDriver)?.carrier
            carrier?.finish()
        }
        tls.world.settle()
        #expect(await tls.intake.run { _, intake in intake.recorders[0].closeReason } == .truncated)
    }

    @Test func `a paused link is not read, and what waits comes when it reads again`() async throws {
        let tls = try await TLSWorld(TLSServer(identity))
        let near = await tls.dial(try client())
        let text = String(repeating: "0123456789abcdef", count: 20_000)
        await tls.intake.run { _, intake in
            intake.recorders[0].link?.pauseReading()
        }
        await near.write(text)
        tls.world.settle()
        #expect(await tls.received() == "")
        await tls.intake.run { _, intake in intake.recorders[0].link?.resumeReading() }
        tls.world.advance(by: .seconds(1))
        #expect(await tls.received() == text)
    }

    @Test func `what a peer does not read waits above TLS, and little of it encrypted`() async throws {
        let tls = try await TLSWorld(TLSServer(identity))
        let near = await tls.dial(try client())
        await tls.intake.run { _, intake in intake.recorders[0].link?.pauseReading() }
        let text = String(repeating: "z", count: 5_000_000)
        await near.write(text)
        tls.world.settle()
        let (above, below) = await near.run { _, near in
            (near.link?.queued ?? 0, (near.link?.driver as? LayerDriver)?.carrier?.queued ?? 0)
        }
        #expect(above > 1_000_000)
        #expect(below <= 160 << 10)
        #expect(await near.run { _, near in near.link?.limits } == QueueLimits())
        #expect(await tls.intake.run { _, intake in intake.recorders[0].link?.limits } == QueueLimits())
        await tls.intake.run { _, intake in intake.recorders[0].link?.resumeReading() }
        tls.world.advance(by: .seconds(5))
        #expect(await tls.received() == text)
    }

    @Test func `a handler that pauses at each piece and reads on later gets every byte`() async throws {
        let tls = try await TLSWorld(TLSServer(identity))
        let near = await tls.dial(try client())
        await tls.intake.run { _, intake in intake.recorders[0].link?.handler = Pauser() }
        await near.write(String(repeating: "y", count: 500_000))
        tls.world.advance(by: .seconds(10))
        let counts = await tls.world.first.run { loop -> [Int] in
            var counts: [Int] = []
            loop.forEachLink { if let pauser = $0.handler as? Pauser { counts.append(pauser.count) } }
            return counts
        }
        #expect(counts == [500_000])
    }

    @Test func `ALPN takes what the server likes best, and refuses what it does not speak`() async throws {
        let tls = try await TLSWorld(TLSServer(identity, protocols: ["mesh/2", "http/1.1"]))
        let near = await tls.dial(try client(protocols: ["http/1.1", "mesh/2"]))
        #expect(await near.tls?.protocolName == "mesh/2")
        let other = await tls.dial(try client(protocols: ["smtp"]))
        #expect(
            await other.reason?.description
                == "handshake-failed: the server speaks none of the application protocols offered")
        let none = await tls.dial(try client())
        #expect(await none.tls?.protocolName == nil)
    }

    @Test func `the server name chooses among several certificates, the first is for everybody else`() async throws {
        let second = try TLSIdentity.selfSigned("second.example", "*.second.example")
        let third = try TLSIdentity.selfSigned("exact.games.example")  // Beside a wildcard of the first.
        let tls = try await TLSWorld(TLSServer(identity, second, third))
        let expected = [
            ("exact.games.example", try third.fingerprint), ("a.games.example", try identity.fingerprint),
            ("second.example", try second.fingerprint), ("a.second.example", try second.fingerprint),
            ("localhost", try identity.fingerprint), ("else.example", try identity.fingerprint),
        ]
        for (host, fingerprint) in expected {
            let near = await tls.dial(try TLSClient(host: host, trust: .anybody))
            #expect(await near.tls?.peer?.fingerprint == fingerprint, "\(host)")
        }
    }

    @Test func `a session is resumed, also after the server has a new certificate of the same kind`() async throws {
        let tls = try await TLSWorld(TLSServer(identity))
        let client = try client()
        for expected in [false, true, true] {
            let near = await tls.dial(client)
            await near.write("x")
            tls.world.settle()
            #expect(await near.tls?.isResumed == expected)
        }
    }

    @Test func `a session outlives one change of the ticket keys, and no second`() async throws {
        let tls = try await TLSWorld(TLSServer(identity))
        let client = try client()
        for (hours, expected) in [(0, false), (1, true), (2, true), (5, false), (1, true)] {
            tls.world.advance(by: .seconds(hours * 3600))
            let near = await tls.dial(client)
            await near.write("x")
            tls.world.settle()
            #expect(await near.tls?.isResumed == expected, "after \(hours) hours")
        }
    }

    @Test func `clients without a certificate are refused where one is required, and told so`() async throws {
        let known = try TLSIdentity.selfSigned("player-1")
        let server = try TLSServer(identity, clients: .required(.roots(pem: known.certificatePEM)))
        let tls = try await TLSWorld(server)
        let bare = await tls.dial(try client())
        await bare.write("x")
        tls.world.settle()
        #expect(
            await bare.reason?.description
                == "tls-broken: the server requires a certificate of this side; give TLSClient an identity")
        let stranger = try TLSIdentity.selfSigned("player-1")
        let refused = await tls.dial(try TLSClient(host: "localhost", trust: roots, identity: stranger))
        tls.world.settle()
        #expect(await refused.reason == .tlsBroken)
        let welcome = await tls.dial(try TLSClient(host: "localhost", trust: roots, identity: known))
        #expect(await welcome.events == [.opened])
        let peer = await tls.intake.run { _, intake in intake.recorders.last?.link?.tls?.peer }
        #expect(peer?.fingerprint == (try known.fingerprint))
        #expect(peer?.subject == "CN = player-1")
        let text = await tls.world.first.snapshot().prometheusText
        #expect(text.contains(#"omniway_handshakes_total{layer="tls",outcome="failed",side="accepting"} 2"#))
        #expect(text.contains(#"omniway_links_closed_total{reason="certificate-refused"}"#))
    }

    @Test func `bytes that are no TLS end the handshake with a reason on both sides`() async throws {
        let tls = try await TLSWorld(TLSServer(identity))
        for said in ["GET / HTTP/1.1\r\n\r\n", "hello, is anybody there?", "\u{16}\u{3}\u{1}"] {
            let stranger = await tls.dial(tls.stream)
            await stranger.write(said)
            tls.world.settle()
            await stranger.run { _, stranger in stranger.link?.finish() }
            tls.world.settle()
            #expect(await stranger.reason == .finished, "\(said)")
        }
        let text = await tls.world.first.snapshot().prometheusText
        #expect(text.contains(#"omniway_handshakes_total{layer="tls",outcome="failed",side="accepting"} 3"#))
    }

    @Test func `an end that is cut off is truncated, also where this side has ended before`() async throws {
        let tls = try await TLSWorld(TLSServer(identity))
        let near = await tls.dial(try client())
        await near.run { _, near in near.link?.finish() }
        tls.world.settle()
        await tls.intake.run { _, intake in
            intake.recorders[0].link?.write("half of it")
            let carrier = (intake.recorders[0].link?.driver as? LayerDriver)?.carrier
            carrier?.finish()
        }
        tls.world.settle()
        #expect(await near.reason == .truncated)
    }

    @Test func `what follows the end of TLS is ignored, and the link goes on the other way`() async throws {
        let tls = try await TLSWorld(TLSServer(identity))
        let near = await tls.dial(try client())
        await near.run { _, near in
            guard let driver = near.link?.driver as? TLSDriver, let carrier = driver.carrier else { return }
            driver.sayGoodbye(.done, rest: RawSpan(), over: carrier)
        }
        for _ in 0..<3 {
            await near.run { _, near in
                (near.link?.driver as? LayerDriver)?.carrier?.write([UInt8](repeating: 7, count: 600_000))
            }
            tls.world.settle()
        }
        await tls.intake.run { _, intake in
            #expect(intake.recorders[0].events == [.opened, .finished])
            intake.recorders[0].link?.write("got it")
        }
        tls.world.settle()
        #expect(await near.run { _, near in near.text } == "got it")
    }

    @Test func `a link that is paused before it is open opens, and is not read`() async throws {
        let tls = try await TLSWorld(TLSServer(identity))
        let recorder = await tls.world.first.own { _ in Recorder() }
        let dialer: some Dialer = try client().over(tls.stream)
        await recorder.run { loop, recorder in
            dialer.dial(on: loop, deadline: .seconds(20), handler: recorder)?.pauseReading()
        }
        tls.world.settle()
        #expect(await recorder.events == [.opened])
        await tls.intake.run { _, intake in intake.recorders.first?.link?.write("welcome") }
        tls.world.settle()
        #expect(await recorder.run { _, recorder in recorder.text } == "")
        await recorder.run { _, recorder in recorder.link?.resumeReading() }
        tls.world.settle()
        #expect(await recorder.run { _, recorder in recorder.text } == "welcome")
    }

    @Test func `a link that is closed with its queue as full as it may be sends all of it`() async throws {
        let limits = QueueLimits(low: 16 << 10, high: 64 << 10, most: 1 << 20)
        let tls = try await TLSWorld(TLSServer(identity), stream: InProcess(queue: limits))
        let near = await tls.dial(try client())
        let text = String(repeating: "z", count: limits.most - 100)
        await near.run { _, near in
            near.link?.write(text)
            near.link?.close(.done)
        }
        tls.world.advance(by: .seconds(1))
        #expect(await tls.received().utf8.count == text.utf8.count)
        #expect(await near.reason == .done)
        #expect(await tls.intake.run { _, intake in intake.recorders[0].events } == [.opened, .finished])
    }

    @Test func `when a loop ends, the goodbye of a WebSocket goes through its TLS`() async throws {
        let (world, far) = (SimulatedWorld(), SimulatedWorld())
        let stream = InProcess()
        let intake = await world.first.own { _ in RecordingIntake() }
        let secured: some Acceptor = try TLSServer(identity).over(stream)
        _ = try await WebSocket().over(secured).open(into: [intake])
        let near = await far.first.own { _ in Recorder() }
        let dialer: some Dialer = try client().over(stream)
        let webSocket: some Dialer = WebSocket().over(dialer)
        await near.run { loop, near in _ = webSocket.dial(on: loop, deadline: .seconds(5), handler: near) }
        func settle() { for _ in 0..<20 { [world, far].forEach { $0.settle() } } }
        settle()
        #expect(await near.events == [.opened])
        await intake.run { _, intake in intake.recorders[0].link?.write("last words") }
        world.first.endSimulation()
        settle()
        far.advance(by: .seconds(20))
        #expect(await near.run { _, near in near.messages } == [Array("last words".utf8)])
        #expect(await near.reason == .finished)
    }

    @Test func `a connection that never came about is no handshake, and a late answer is a timeout`() async throws {
        let world = SimulatedWorld()
        let stream = InProcess()
        let dialer: some Dialer = try client().over(stream)
        let recorder = await world.first.own { _ in Recorder() }
        let dial: @Sendable (Loop, Recorder) -> Void = { loop, recorder in
            _ = dialer.dial(on: loop, deadline: .seconds(5), handler: recorder)
        }
        await recorder.run(dial)
        world.settle()
        #expect(await recorder.reason == .refused)
        #expect(await !world.first.snapshot().prometheusText.contains("omniway_handshakes_total{"))
        let silent = await world.first.own { _ in RecordingIntake() }
        _ = try await stream.open(into: [silent])
        await recorder.run(dial)
        world.advance(by: .seconds(5))
        let text = await world.first.snapshot().prometheusText
        #expect(text.contains(#"omniway_handshakes_total{layer="tls",outcome="timeout",side="dialing"} 1"#))
        #expect(!text.contains(#"outcome="failed""#))
    }
}

/// Pauses after every piece, and reads on in the next turn.
private final class Pauser: LinkHandler, TimerTarget {
    private(set) var count = 0
    private var link: Link?

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        self.link = link
        link.pauseReading()
        link.loop.after(.milliseconds(1), self)
        let taken = min(bytes.byteCount, 1000)
        count += taken
        return taken
    }
    func timerFired(_ token: UInt64, on loop: Loop) { link?.resumeReading() }
}
