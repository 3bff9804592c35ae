import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// How a carrier may travel.
enum Way: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case tcp, tls, webSocket
    var testDescription: String { rawValue }
}

/// Tells a test that waits elsewhere what a stream has received.
private final class Collector: LinkHandler {
    private let count: Int
    private let done: AsyncStream<[UInt8]>.Continuation
    private var bytes: [UInt8] = []

    init(_ count: Int, _ done: AsyncStream<[UInt8]>.Continuation) { (self.count, self.done) = (count, done) }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        self.bytes += bytes.withUnsafeBytesCopied()
        if self.bytes.count >= count { done.yield(self.bytes) }
        return bytes.byteCount
    }
    func closed(_ link: Link, _ reason: CloseReason) { done.finish() }
}

extension RawSpan {
    fileprivate func withUnsafeBytesCopied() -> [UInt8] { unsafe withUnsafeBytes { unsafe Array($0) } }
}

/// A client that sends one message over one stream when it has logged in.
private final class Sender: CarrierOwner {
    private(set) var client: CarrierClient?
    private let message: [UInt8]
    private let isBulk: Bool
    private let done: AsyncStream<[UInt8]>.Continuation

    init(
        on loop: Loop, _ dialer: some Dialer, _ settings: CarrierSettings, _ message: [UInt8], isBulk: Bool,
        _ done: AsyncStream<[UInt8]>.Continuation
    ) {
        (self.message, self.isBulk, self.done) = (message, isBulk, done)
        client = CarrierClient(on: loop, dialer: dialer, settings: settings, owner: self)
        client?.connect { _ in done.finish() }
    }

    func opened(_ peer: CarrierPeer) {
        peer.invoker?.invoke("/client/login") { result in
            guard case .success = result else { return self.done.finish() }
            peer.authorize(NodeSide.key)
            self.client?.attach()
            self.send(over: peer)
        }
    }

    private func send(over peer: CarrierPeer) {
        let collector = Collector(message.count, done)
        let link = isBulk ? peer.dialBulk(handler: collector) : peer.dial(handler: collector)
        link?.write(message)
    }

    func accept(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)? { nil }
}

@Suite struct CarrierSocketTests {
    @Test(arguments: Way.allCases, [false, true])
    func `megabytes come back over a real connection`(_ way: Way, _ isBulk: Bool) async throws {
        let loops = EventLoops(count: 2)
        let (results, done) = AsyncStream.makeStream(of: [UInt8].self)
        var settings = CarrierSettings()
        settings.bulkPool = isBulk ? 1 : 0
        let chosen = settings
        let node = await loops.loops[0].own { loop in
            let node = NodeSide(on: loop, chosen)
            node.echoes = true
            return node
        }
        let intake = await node.map { _, node in ServerIntake(node.server) }
        let identity = try TLSIdentity.selfSigned("localhost")
        let (server, client) = (
            try TLSServer(identity, minimum: .v13),
            try TLSClient(host: "localhost", trust: .pinned(by: TLSPins()), minimum: .v13)
        )
        let socket = StreamAcceptor(.loopback())
        let listening =
            switch way {
            case .tcp: try await socket.open(into: [intake])
            case .tls: try await server.over(socket).open(into: [intake])
            case .webSocket:
                try await MessageJoining().over(WebSocket(path: "/t").over(server.over(socket))).open(into: [intake])
            }
        var options = SocketOptions()
        options.mostUnsent = 128 << 10
        options.userTimeout = .seconds(15)
        let dialer = StreamDialer(listening.address, options: options)
        let message = (0..<6 << 20).map { UInt8(truncatingIfNeeded: $0 >> 5 &+ $0) }
        let sender = await loops.loops[1].own { loop in
            switch way {
            case .tcp: Sender(on: loop, dialer, chosen, message, isBulk: isBulk, done)
            case .tls: Sender(on: loop, client.over(dialer), chosen, message, isBulk: isBulk, done)
            case .webSocket:
                Sender(
                    on: loop, MessageJoining().over(WebSocket(path: "/t").over(client.over(dialer))), chosen, message,
                    isBulk: isBulk, done)
            }
        }
        var result: [UInt8] = []
        for await bytes in results {
            result = bytes
            break
        }
        #expect(result == message)
        await sender.run { _, sender in sender.client?.close() }
        await loops.shutdown()
    }
}
