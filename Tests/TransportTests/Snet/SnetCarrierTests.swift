import OmniwayTelemetry
import OmniwayTesting
@testable import OmniwayTransport
import OmniwayWire
import Testing

/// Streams over other carriers than pipes, and over real sockets.
@Suite struct SnetCarrierTests {
    private func tls(_ stream: InProcess) throws -> (any Acceptor, any Dialer) {
        let identity = try TLSIdentity.selfSigned("localhost")
        let roots = TLSTrust.roots(pem: try identity.certificatePEM)
        let acceptor: some Acceptor = try TLSServer(identity).over(stream)
        let dialer: some Dialer = try TLSClient(host: "localhost", trust: roots).over(stream)
        return (acceptor, dialer)
    }

    private func webSocket(_ stream: InProcess) -> (any Acceptor, any Dialer) {
        let acceptor: some Acceptor = WebSocket().over(stream)
        let dialer: some Dialer = WebSocket().over(stream)
        return (acceptor, dialer)
    }

    @Test(arguments: ["tls", "websocket"], [1, 3]) func `a stream goes on over a carrier that cannot move`(
        _ carrier: String, _ loops: Int
    ) async throws {
        let pair = try await SnetPair(serverLoops: loops) {
            carrier == "tls" ? try tls($0) : webSocket($0)
        }
        var said = ""
        var answered = ""
        for number in 0..<7 {
            await pair.write("question \(number), ")
            said += "question \(number), "
            try await pair.onServer { $0.link?.write("answer \(number), ") }
            answered += "answer \(number), "
            await pair.cut()
            pair.world.advance(by: .seconds(1))
        }
        #expect(await pair.received == said)
        let all = answered
        await pair.client.run { _, client in
            #expect(client.text == all)
            #expect(client.link?.snet?.resumes == 7)
            #expect((client.link?.tls != nil) == (carrier == "tls"))
        }
    }

    @Test(arguments: [SnetDialect.a, .b]) func `over sockets a stream goes on whichever loop gets the connection`(
        _ dialect: SnetDialect
    ) async throws {
        try await withLoops(3) { loops in
            let reports = Reports()
            var intakes: [LoopBound<Reporter>] = []
            for loop in loops.loops.dropFirst() { intakes.append(await loop.own { _ in echo(reports) }) }
            let server: some Acceptor = SnetServer(dialect: dialect, encrypts: true)
                .over(StreamAcceptor(.loopback(port: 0)))
            let listening = try await server.open(into: intakes)
            let dialer: some Dialer = SnetClient(dialect: dialect, encrypts: true)
                .over(StreamDialer(listening.address))
            let rounds = 30
            await dialer.dial(on: loops.loops[0]) {
                var round = 0
                return Reporter(
                    "client", reports, onOpen: { $0.write("0") },
                    onReceive: { bytes, link in
                        round += 1
                        guard round <= rounds else { return }
                        // What is written goes out over this connection or the next one.
                        link.write("\(round % 10)")
                        link.snet?.reconnect()
                    })
            }
            let heard = await reports.bytes("client", count: rounds + 1)
            #expect(heard == (0...rounds).map { UInt8(48 + $0 % 10) })
            let meters = await loops.snapshot().snapshot
            // With two loops that are dealt connections in turn, half of them arrive on the wrong one.
            #expect(meters.prometheusText.contains("omniway_links_closed_total{reason=\"detached\"}"))
            #expect(!meters.prometheusText.contains("omniway_snet_resumes_total{outcome=\"refused\""))
            await listening.stop()
        }
    }

    @Test func `a stream outlives the acceptor, and what it left behind goes with its last stream`() async throws {
        try await withLoops(2) { loops in
            let reports = Reports()
            let intake = await loops.loops[1].own { _ in echo(reports) }
            let server = SnetServer(waitLimit: .milliseconds(100))
            let acceptor: some Acceptor = server.over(StreamAcceptor(.loopback(port: 0)))
            let listening = try await acceptor.open(into: [intake])
            let dialer: some Dialer = SnetClient(waitLimit: .milliseconds(300)).over(StreamDialer(listening.address))
            let held = await loops.loops[0].own { _ in HeldLink() }
            await held.run { loop, held in
                let handler = Reporter("client", reports, onOpen: { $0.write("a") })
                held.link = dialer.dial(on: loop, deadline: .seconds(5), handler: handler)
            }
            #expect(try await reports.next("client", .received).bytes == Array("a".utf8))
            await listening.stop()
            await held.run { _, held in held.link?.snet?.reconnect() }
            #expect(try await reports.next("client", .closed).reason?.hasPrefix("not-resumed") == true)
            #expect(server.streamCount == 0)
        }
    }
}

private final class HeldLink {
    var link: Link?
}
