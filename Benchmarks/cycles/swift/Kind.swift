import OmniwayTelemetry
import OmniwayTransport

/// One way in which a connection begins and ends.
struct Kind: Sendable {
    let name: String
    /// How to connect.
    let dialer: any Dialer
    /// What the client says first; nothing if it only connects and leaves.
    var says: [UInt8] = []
    /// The client breaks off as soon as it has said it.
    var breaksOff = false
    /// The counter that must have counted each cycle: a handshake's layer and outcome.
    let layer: String
    let outcome: String

    static func all(on loop: EventLoop) async throws -> [Kind] {
        let identity = try TLSIdentity.selfSigned("localhost")
        let roots = TLSTrust.roots(pem: try identity.certificatePEM)
        let tls = try await open(TLSServer(identity, handshakes: roomy).over(acceptor), on: loop)
        let strict = try await open(
            TLSServer(identity, clients: .required(roots), handshakes: roomy).over(acceptor), on: loop)
        let webSocket = WebSocket(path: "/", origins: ["https://here"], handshakes: roomy)
        let web = try await open(webSocket.over(acceptor), on: loop)
        let proxy = try await open(
            ProxyProtocol(from: AddressRange.loopback, handshakes: roomy).over(acceptor), on: loop)
        let client = try TLSClient(host: "localhost", trust: roots)
        let distrusting = try TLSClient(
            host: "localhost", trust: .roots(pem: TLSIdentity.selfSigned("x").certificatePEM))
        let announced = ProxyAnnouncement(source: .loopback(port: 1), destination: .loopback(port: 2))
        func socket(_ address: SocketAddress) -> StreamDialer { StreamDialer(address) }
        func text(_ text: String) -> [UInt8] { Array(text.utf8) }
        return [
            Kind(name: "TLS", dialer: client.over(socket(tls)), layer: "tls", outcome: "done"),
            Kind(
                name: "TLS: no TLS at all", dialer: socket(tls), says: text("hello, hello"), layer: "tls",
                outcome: "failed"),
            Kind(
                name: "TLS: broken off in the client's hello", dialer: socket(tls), says: [22, 3, 1, 1, 0, 1, 0],
                breaksOff: true, layer: "tls", outcome: "failed"),
            Kind(
                name: "TLS: certificate refused", dialer: distrusting.over(socket(tls)), layer: "tls",
                outcome: "failed"),
            Kind(
                name: "TLS: client without a certificate", dialer: client.over(socket(strict)), says: text("x"),
                layer: "tls", outcome: "failed"),
            Kind(name: "WebSocket", dialer: webSocket.over(socket(web)), layer: "websocket", outcome: "done"),
            Kind(
                name: "WebSocket: no HTTP", dialer: socket(web), says: text("hello\r\n\r\n"), layer: "websocket",
                outcome: "failed"),
            Kind(
                name: "WebSocket: no upgrade", dialer: socket(web), says: text("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                layer: "websocket", outcome: "failed"),
            Kind(
                name: "WebSocket: broken off in the head", dialer: socket(web), says: text("GET / HT"),
                breaksOff: true, layer: "websocket", outcome: "failed"),
            Kind(name: "PROXY", dialer: announced.over(socket(proxy)), layer: "proxy", outcome: "done"),
            Kind(
                name: "PROXY: no header", dialer: socket(proxy), says: text("GET /"), layer: "proxy",
                outcome: "failed"),
        ]
    }

    private static let acceptor = StreamAcceptor(.loopback())
    /// All come from one address.
    private static let roomy = HandshakeLimits(total: 1000, perAddress: 1000)

    private static func open(_ acceptor: some Acceptor, on loop: EventLoop) async throws -> SocketAddress {
        let intake = await loop.own { _ in Leaver() }
        return try await acceptor.open(into: [intake]).address
    }

    /// Handshakes of this kind's layer that ended as they should, since the last time that somebody asked for it.
    func outcomes(on loop: EventLoop) async -> UInt64 { await Outcomes.shared.since(layer, outcome, on: loop) }

    /// How long so many cycles took, fifty at a time, until nothing was left of the last.
    func run(_ count: Int, on loop: EventLoop) async -> Duration {
        let (done, finish) = AsyncStream.makeStream(of: Duration.self)
        await loop.run { loop in Cycles(self, count, finish).start(on: loop) }
        for await took in done { return took }
        return .zero
    }
}

/// Counters only grow; this remembers where they stood.
private actor Outcomes {
    static let shared = Outcomes()
    private var seen: [String: UInt64] = [:]

    func since(_ layer: String, _ outcome: String, on loop: EventLoop) async -> UInt64 {
        let line = "omniway_handshakes_total{layer=\"\(layer)\",outcome=\"\(outcome)\",side=\"accepting\"} "
        let text = await loop.snapshot().prometheusText
        let value =
            text.split(separator: "\n").first { $0.hasPrefix(line) }
            .flatMap { UInt64($0.dropFirst(line.count)) } ?? 0
        defer { seen[line] = value }
        return value - seen[line, default: 0]
    }
}

/// The side that accepts: it takes what comes, and ends when the client does.
private final class Leaver: LinkIntake, LinkHandler {
    func accept(_ link: Link) -> (any LinkHandler)? { self }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }
}
