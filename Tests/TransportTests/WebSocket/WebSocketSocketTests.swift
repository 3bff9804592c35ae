import OmniwayTransport
import OmniwayWire
import Testing

@Suite struct WebSocketSocketTests {
    @Test(arguments: [false, true]) func `messages come back over TCP, compressed or not`(_ isCompressed: Bool)
        async throws
    {
        let webSocket = WebSocket(
            path: "/echo", maxMessageSize: 8 << 20, compression: isCompressed ? .on(above: 1) : .off)
        let reports = Reports()
        try await withLoops { loops in
            let intakes = await loops.own { _ in MessageEcho() }
            let listening = try await webSocket.over(StreamAcceptor(.loopback())).open(into: intakes)
            let message = (0..<3 << 20).map { UInt8(truncatingIfNeeded: $0 >> 4) }
            await webSocket.over(StreamDialer(listening.address)).dial(on: loops.loops[0]) {
                Reporter("client", reports, onOpen: { $0.write(message) })
            }
            #expect(await reports.bytes("client", count: message.count) == message)
        }
    }

    @Test func `a WebSocket goes over TLS`() async throws {
        let reports = Reports()
        try await withLoops { loops in
            let intakes = await loops.own { _ in MessageEcho() }
            let acceptor = try TLSServer(.selfSigned("localhost")).over(StreamAcceptor(.loopback()))
            let listening = try await WebSocket(path: "/tls").over(acceptor).open(into: intakes)
            let dialer = try TLSClient(host: "localhost", trust: .anybody).over(StreamDialer(listening.address))
            await WebSocket(path: "/tls").over(dialer).dial(on: loops.loops[0]) {
                Reporter("client", reports, onOpen: { $0.write(Array("secret".utf8)) })
            }
            #expect(await reports.bytes("client", count: 6) == Array("secret".utf8))
        }
    }

    @Test func `a loop that ends says that it goes away`() async throws {
        let reports = Reports()
        let webSocket = WebSocket()
        try await withLoops { clients in
            try await withLoops { loops in
                let intakes = await loops.own { _ in MessageEcho() }
                let listening = try await webSocket.over(StreamAcceptor(.loopback())).open(into: intakes)
                await webSocket.over(StreamDialer(listening.address)).dial(on: clients.loops[0]) {
                    Reporter("client", reports)
                }
                _ = try await reports.next("client", .opened)
            }
            #expect(try await reports.next("client", .closed).reason == "finished: 1001 shutdown")
        }
    }
}

/// Sends every message back as what it was.
final class MessageEcho: LinkIntake, LinkHandler {
    func accept(_ link: Link) -> (any LinkHandler)? { self }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.outgoingKind = link.incomingKind
        link.write(bytes, endOfMessage: endOfMessage)
        return bytes.byteCount
    }
}
