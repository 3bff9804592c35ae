import Glibc
import OmniwayTelemetry
import OmniwayTesting
@testable import OmniwayTransport
import OmniwayWire
import Testing

/// A dialer whose target may move: what a port is whose listener is another process by now.
private struct MovingDialer: Dialer {
    let target: Lock<SocketAddress>
    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        StreamDialer(target.withLock { $0 }).dial(on: loop, deadline: deadline, handler: handler)
    }
}

/// Three processes in a row, as far as streams are concerned. Each has what the others have not.
private struct Generation {
    let returns = SnetReturns()
    let listening: Listening
    let server: SnetServer

    init(
        _ dialect: SnetDialect, on loop: EventLoop, _ reports: Reports, overTLS identity: TLSIdentity? = nil
    ) async throws {
        var server = SnetServer(dialect: dialect, encrypts: true)
        (server.name, server.returns) = ("test", returns)
        self.server = server
        let intake = await loop.own { _ in
            Reporter("server", reports, onReceive: { bytes, link in link.write(bytes) })
        }
        if let identity {
            let acceptor: some Acceptor = server.over(try TLSServer(identity).over(StreamAcceptor(.loopback())))
            listening = try await acceptor.open(into: [intake])
        } else {
            listening = try await server.over(StreamAcceptor(.loopback())).open(into: [intake])
        }
    }

    /// From now on the next one gets the connections.
    func handOver(to next: Generation) throws {
        let pair = try HandoverLine.pair()
        guard let line = HandoverLine(OwnedDescriptor(pair.0)), let far = HandoverLine(OwnedDescriptor(pair.1)) else {
            throw SystemError(number: EPROTO)
        }
        next.returns.add(far)
        let returns = returns
        let isStarted = BackgroundThread.start("returns", for: "a test") {
            while let heard = try? line.receive() {
                if let number = heard.descriptor { returns.take(heard.message, OwnedDescriptor(number)) }
            }
        }
        #expect(isStarted)
    }
}

@Suite(.timeLimit(.minutes(1))) struct SnetReturnTests {
    @Test(arguments: [SnetDialect.a, .b], [false, true])
    func `a resume that reaches a later process is given back to the one that has the stream`(
        _ dialect: SnetDialect, _ overTLS: Bool
    ) async throws {
        try await withLoops(2) { loops in
            let reports = Reports()
            let identity = overTLS ? try TLSIdentity.selfSigned("localhost") : nil
            let first = try await Generation(dialect, on: loops.loops[1], reports, overTLS: identity)
            let second = try await Generation(dialect, on: loops.loops[1], reports, overTLS: identity)
            let third = try await Generation(dialect, on: loops.loops[1], reports, overTLS: identity)
            try first.handOver(to: second)
            try second.handOver(to: third)
            let target = Lock(first.listening.address)
            var carrier: any Dialer = MovingDialer(target: target)
            if let identity {
                carrier = try TLSClient(host: "localhost", trust: .roots(pem: try identity.certificatePEM))
                    .over(carrier)
            }
            let ports = [first, second, third].map(\.listening.address)
            let dialer: any Dialer = SnetClient(dialect: dialect, encrypts: true).over(carrier)
            await dialer.dial(on: loops.loops[0]) {
                var round = 0
                return Reporter(
                    "client", reports, onOpen: { $0.write("0") },
                    onReceive: { _, link in
                        round += 1
                        guard round <= 12 else { return }
                        target.withLock { $0 = ports[round % 3] }
                        link.write("\(round % 10)")
                        link.snet?.reconnect()
                    })
            }
            let heard = await reports.bytes("client", count: 13)
            #expect(heard == (0...12).map { UInt8(48 + $0 % 10) })
            #expect(first.server.streamCount == 1)
            #expect(second.server.streamCount + third.server.streamCount == 0)
            for generation in [first, second, third] { await generation.listening.stop() }
        }
    }

    @Test(arguments: [SnetDialect.a, .b])
    func `a stream that no process has is refused, also when the process before is gone`(
        _ dialect: SnetDialect
    ) async throws {
        try await withLoops(2) { loops in
            let reports = Reports()
            let first = try await Generation(dialect, on: loops.loops[1], reports)
            let second = try await Generation(dialect, on: loops.loops[1], reports)
            let pair = try HandoverLine.pair()
            guard let far = HandoverLine(OwnedDescriptor(pair.1)) else { throw SystemError(number: EPROTO) }
            second.returns.add(far)
            close(pair.0)
            #expect(second.returns.hasPredecessor)
            let target = Lock(first.listening.address)
            let dialer: some Dialer = SnetClient(dialect: dialect, waitLimit: .milliseconds(300))
                .over(MovingDialer(target: target))
            let port = second.listening.address
            await dialer.dial(on: loops.loops[0]) {
                Reporter(
                    "client", reports, onOpen: { link in
                        target.withLock { $0 = port }
                        link.snet?.reconnect()
                    })
            }
            let end = try await reports.next("client", .closed)
            #expect(end.reason?.hasPrefix(dialect == .b ? "resume-refused" : "not-resumed") == true, "\(end)")
            #expect(!second.returns.hasPredecessor)
            await first.listening.stop()
            await second.listening.stop()
        }
    }
}
