import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// Peers that begin a handshake well and go on as slowly as they can.
@Suite struct SlowHandshakeTests {
    private static let limits = HandshakeLimits(deadline: .seconds(4))

    /// A protocol, and the right beginning of its handshake.
    struct Speech: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let beginning: [UInt8]
        let accept: @Sendable (InProcess, LoopBound<RecordingIntake>) async throws -> Void
        let dialer: @Sendable (InProcess) throws -> any Dialer
    }

    private static func all() throws -> [Speech] {
        let identity = try TLSIdentity.selfSigned("localhost")
        let roots = TLSTrust.roots(pem: try identity.certificatePEM)
        return [
            Speech(
                testDescription: "tls",
                beginning: [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3] + [UInt8](repeating: 7, count: 99),
                accept: { stream, intake in
                    let acceptor: some Acceptor = try TLSServer(identity, handshakes: limits).over(stream)
                    _ = try await acceptor.open(into: [intake])
                },
                dialer: { stream in
                    let dialer: some Dialer = try TLSClient(host: "localhost", trust: roots).over(stream)
                    return dialer
                }),
            Speech(
                testDescription: "websocket",
                beginning: Array(
                    "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: \(String(repeating: "x", count: 99))".utf8),
                accept: { stream, intake in
                    let acceptor: some Acceptor = WebSocket(handshakes: limits).over(stream)
                    _ = try await acceptor.open(into: [intake])
                },
                dialer: { stream in
                    let dialer: some Dialer = WebSocket().over(stream)
                    return dialer
                }),
            Speech(
                testDescription: "proxy", beginning: Array("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443".utf8),
                accept: { stream, intake in
                    let acceptor: some Acceptor = ProxyProtocol(from: [.unix], handshakes: limits).over(stream)
                    _ = try await acceptor.open(into: [intake])
                },
                dialer: { stream in
                    let dialer: some Dialer = ProxyAnnouncement(source: .none, destination: .none).over(stream)
                    return dialer
                }),
        ]
    }

    @Test(arguments: try all()) func `a handshake that trickles is cut at its deadline, while others are served`(
        _ speech: Speech
    ) async throws {
        let world = SimulatedWorld()
        let stream = InProcess()
        let intake = await world.first.own { _ in RecordingIntake() }
        try await speech.accept(stream, intake)
        func dial(_ dialer: any Dialer) async -> LoopBound<Recorder> {
            let client = await world.first.own { _ in Recorder() }
            await client.run { loop, client in _ = dialer.dial(on: loop, deadline: .seconds(9), handler: client) }
            world.settle()
            return client
        }
        let slow = await dial(stream)
        for (index, byte) in speech.beginning.prefix(40).enumerated() {
            #expect(await slow.reason == nil, "after \(index) bytes")
            await slow.run { _, slow in slow.link?.write([byte]) }
            world.advance(by: .milliseconds(100))
        }
        #expect(await slow.reason != nil)
        let served = await dial(try speech.dialer(stream))
        #expect(await served.events == [.opened])
        #expect(await intake.run { _, intake in intake.recorders.count } == 1)
        let text = await world.first.snapshot().prometheusText
        let counted =
            "omniway_handshakes_total{layer=\"\(speech.testDescription)\",outcome=\"timeout\",side=\"accepting\"} 1"
        #expect(text.contains(counted))
    }
}
