import OmniwayTelemetry
import OmniwayTesting
@testable import OmniwayTransport
import Testing

/// A protocol whose handshake is one byte each way, and whose goodbye is another.
private struct Knock: AcceptorLayer, DialerLayer {
    let layerName = "knock"
    var handshakes = HandshakeLimits(deadline: .seconds(3), total: 2)
    var knocks = true

    func acceptingDriver(on loop: Loop) -> LayerDriver { KnockDriver(says: "!", hears: "?") }
    func dialingDriver(on loop: Loop) -> LayerDriver { KnockDriver(says: knocks ? "?" : "", hears: "!") }

    func accepting(_ stream: InProcess) -> some Acceptor { over(stream) }
    func dialing(_ stream: InProcess) -> some Dialer { over(stream) }
}

private final class KnockDriver: LayerDriver {
    private let says: [UInt8]
    private let hears: [UInt8]
    private var isDone = false
    init(says: String, hears: String) { (self.says, self.hears) = (Array(says.utf8), Array(hears.utf8)) }

    override func begin(over carrier: Link) { if says == Array("?".utf8) { carrier.write(says) } }

    override func receive(_ bytes: RawSpan, endOfMessage: Bool, from carrier: Link) -> Int {
        if isDone { return super.receive(bytes, endOfMessage: endOfMessage, from: carrier) }
        guard unsafe bytes.unsafeLoad(as: UInt8.self) == hears.first else {
            fail(.handshakeFailed.with("not a knock"))
            return 0
        }
        isDone = true
        if says == Array("!".utf8) { carrier.write(says) }
        complete()
        if bytes.byteCount > 1 { link?.deliver(bytes.extracting(droppingFirst: 1)) }
        return bytes.byteCount
    }

    override func sayGoodbye(_ reason: CloseReason, rest: RawSpan, over carrier: Link) {
        super.sayGoodbye(reason, rest: rest, over: carrier)
        carrier.write(Array("bye".utf8))
    }
}

@Suite struct LayerTests {
    let world = SimulatedWorld()
    let stream = InProcess()

    private func listen(_ layer: Knock) async throws -> (LoopBound<RecordingIntake>, Listening) {
        let intake = await world.first.own { _ in RecordingIntake() }
        return (intake, try await layer.accepting(stream).open(into: [intake]))
    }

    private func dial(_ dialer: any Dialer) async -> LoopBound<Recorder> {
        let client = await world.first.own { _ in Recorder() }
        await client.run { loop, client in _ = dialer.dial(on: loop, deadline: .seconds(5), handler: client) }
        world.settle()
        return client
    }

    @Test func `the intake is asked once the handshake is done, and both links open`() async throws {
        let (intake, _) = try await listen(Knock())
        let silent = await dial(stream)
        await intake.run { _, intake in #expect(intake.recorders.isEmpty) }
        let client = await dial(Knock().dialing(stream))
        await client.run { _, client in
            #expect(client.events == [.opened])
            client.link?.write("hello")
        }
        world.settle()
        await intake.run { _, intake in #expect(intake.recorders.map(\.text) == ["hello"]) }
        await silent.run { _, silent in #expect(silent.events == [.opened]) }
    }

    @Test func `limits of a link are those of its carriers too`() async throws {
        let (intake, _) = try await listen(Knock())
        _ = await dial(Knock().dialing(stream))
        await intake.run { _, intake in
            let link = intake.recorders.first?.link
            link?.limits.high = 300_000
            #expect((link?.driver as? LayerDriver)?.carrier?.limits.high == 300_000)
            link?.write([UInt8](repeating: 0, count: 400_000))
            #expect(link?.isFull == true)
        }
    }

    @Test func `a peer that stays silent is cut at the deadline, and counted, while another is served`() async throws {
        let layer = Knock()
        let (intake, _) = try await listen(layer)
        let silent = await dial(stream)
        world.advance(by: .seconds(2))
        let client = await dial(layer.dialing(stream))
        world.advance(by: .milliseconds(999))
        await silent.run { _, silent in #expect(silent.closeReason == nil) }
        world.advance(by: .milliseconds(1))
        await silent.run { _, silent in #expect(silent.closeReason != nil) }
        world.advance(by: .seconds(60))
        await client.run { _, client in #expect(client.events == [.opened]) }
        await intake.run { _, intake in #expect(intake.recorders.count == 1) }
        let text = await world.first.snapshot().prometheusText
        #expect(text.contains(#"omniway_handshakes_total{layer="knock",outcome="timeout",side="accepting"} 1"#))
        #expect(text.contains(#"omniway_links_closed_total{reason="handshake-timeout"} 1"#))
        #expect(layer.handshakes.count == 0)
    }

    @Test func `more handshakes at once than allowed are refused, and their places come free`() async throws {
        let layer = Knock()
        let (_, _) = try await listen(layer)
        let first = [await dial(stream), await dial(stream)]
        let third = await dial(stream)
        await third.run { _, third in #expect(third.closeReason != nil) }
        for client in first { await client.run { _, client in #expect(client.closeReason == nil) } }
        await first[0].run { _, client in client.link?.close(.done) }
        world.settle()
        #expect(layer.handshakes.count == 1)
        let fourth = await dial(layer.dialing(stream))
        await fourth.run { _, fourth in #expect(fourth.events == [.opened]) }
    }

    @Test func `a dialled handshake that gets no answer ends with the dialling's deadline`() async throws {
        let intake = await world.first.own { _ in RecordingIntake() }
        _ = try await stream.open(into: [intake])
        let client = await dial(Knock().dialing(stream))
        world.advance(by: .seconds(4))
        await client.run { _, client in #expect(client.events.isEmpty) }
        world.advance(by: .seconds(1))
        await client.run { _, client in #expect(client.events == [.closed(.connectTimeout)]) }
        await intake.run { _, intake in #expect(intake.recorders.first?.closeReason != nil) }
    }

    @Test func `what is no beginning fails the handshake with its reason`() async throws {
        let layer = Knock()
        let (intake, _) = try await listen(layer)
        let client = await dial(stream)
        await client.run { _, client in client.link?.write("x") }
        world.settle()
        await client.run { _, client in #expect(client.events == [.opened, .finished]) }
        await intake.run { _, intake in #expect(intake.recorders.isEmpty) }
        #expect(layer.handshakes.count == 0)
    }

    @Test func `when a loop ends, the goodbye of a link above goes out before its carrier does`() async throws {
        let far = SimulatedWorld()
        let (intake, _) = try await listen(Knock())
        let client = await far.first.own { _ in Recorder() }
        await client.run { [stream] loop, client in _ = stream.dial(on: loop, deadline: .seconds(5), handler: client) }
        func settle() { for _ in 0..<4 { [world, far].forEach { $0.settle() } } }
        settle()
        await client.run { _, client in client.link?.write("?") }
        settle()
        await intake.run { _, intake in #expect(intake.recorders.count == 1) }
        world.first.endSimulation()
        settle()
        await client.run { _, client in #expect(client.text == "!bye") }
    }

    @Test func `stopping twice is stopping once, and a refused link ends its carrier`() async throws {
        let (intake, listening) = try await listen(Knock())
        await intake.run { _, intake in intake.refuses = true }
        let client = await dial(Knock().dialing(stream))
        await client.run { _, client in #expect(client.events == [.opened, .finished]) }
        await listening.stop()
        await listening.stop()
        let late = await dial(stream)
        await late.run { _, late in #expect(late.closeReason == .refused) }
    }
}
