import OmniwayWire

/// Takes the word of proxies for whom they bring: the PROXY protocol, versions 1 and 2. Only listed proxies may say
/// so, and they must; links from elsewhere pass as they are. It goes directly over a socket, below TLS.
public struct ProxyProtocol: Sendable {
    private let proxies: [AddressRange]
    private let handshakes: HandshakeLimits
    private let limits: ConnectionLimits?

    /// `limits` count the addresses that proxies report. Behind a proxy an acceptor's own limits count the proxy.
    public init(
        from proxies: [AddressRange], handshakes: HandshakeLimits = HandshakeLimits(deadline: .seconds(5)),
        limits: ConnectionLimits? = nil
    ) {
        (self.proxies, self.handshakes, self.limits) = (proxies, handshakes, limits)
    }

    public func over(_ acceptor: some Acceptor) -> some Acceptor {
        CarrierAcceptor(inner: acceptor) { link, intake in
            if proxies.contains(where: { $0.contains(link.traits.peer) }) {
                return ProxyReader(link, for: intake, handshakes, limits)
            }
            guard let limits else { return intake.accept(link) }
            return limits.admit(link) ? intake.accept(link) : nil
        }
    }
}

/// The first handler of a link that a proxy brings. It reads the header, then the intake's handler has the link as if
/// it had come from where the proxy says.
private final class ProxyReader: LinkHandler {
    private var handshake: Handshake?
    private let limits: ConnectionLimits?

    init?(_ link: Link, for intake: any LinkIntake, _ handshakes: HandshakeLimits, _ limits: ConnectionLimits?) {
        precondition(!link.keepsMessages, "the PROXY protocol is for streams")
        guard let handshake = Handshake(over: link, layer: "proxy", handshakes, for: intake) else { return nil }
        (self.handshake, self.limits) = (handshake, limits)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        do throws(ProxyError) {
            guard let (header, size) = try ProxyHeader.decode(bytes) else { return 0 }
            if case .proxied(let source, _) = header { link.setPeer(SocketAddress(source)) }
            link.used(size)
            handOver(link)
            return size
        } catch {
            link.close(.handshakeFailed.with("\(error)"))
            return 0
        }
    }

    private func handOver(_ link: Link) {
        handshake?.end(.done, on: link.loop)
        guard let intake = exchange(&handshake, with: nil)?.intake else { return }
        if let limits, !limits.admit(link) { return }
        guard let handler = intake.accept(link) else { return link.close(.refused) }
        link.handler = handler
        if link.state == .open { handler.opened(link) }
    }

    func finished(_ link: Link) { link.close(.handshakeFailed.with("the proxy left without a header")) }

    func closed(_ link: Link, _ reason: CloseReason) {
        handshake?.end(by: reason, on: link.loop)
    }
}

/// Says on a dialled link whom it is for, before anything else is sent. The far side must expect it.
public struct ProxyAnnouncement: Sendable {
    public enum Version: Sendable { case v1, v2 }
    private let header: [UInt8]

    /// `source` is who is really connected to us, and `destination` where; `.none` says that it is ourselves.
    public init(source: SocketAddress, destination: SocketAddress, version: Version = .v2) {
        let header: ProxyHeader =
            if let source = ProxyHeader.Endpoint(source), let destination = ProxyHeader.Endpoint(destination) {
                .proxied(source: source, destination: destination)
            } else {
                .local
            }
        self.header = version == .v1 ? header.line : header.binary
    }

    public func over(_ dialer: some Dialer) -> some Dialer { AnnouncingDialer(inner: dialer, header: header) }
}

private struct AnnouncingDialer<Inner: Dialer>: Dialer {
    let inner: Inner
    let header: [UInt8]

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        let link = inner.dial(on: loop, deadline: deadline, handler: handler)
        link?.write(header)  // First in the queue of a link that is still connecting.
        return link
    }
}

extension SocketAddress {
    init(_ endpoint: ProxyHeader.Endpoint) {
        switch endpoint {
        case .ipv4(let address, let port): self = .ipv4(address, port: port)
        case .ipv6(let high, let low, let port): self = .ipv6(high: high, low: low, port: port)
        case .unix(let path): self = .unix(String(decoding: path, as: UTF8.self))
        }
    }
}

extension ProxyHeader.Endpoint {
    init?(_ address: SocketAddress) {
        switch address {
        case .ipv4(let number, let port): self = .ipv4(number, port: port)
        case .ipv6(let high, let low, let port, _): self = .ipv6(high: high, low: low, port: port)
        case .unix(let path): self = .unix(Array(path.utf8))
        case .passed, .none: return nil
        }
    }
}
