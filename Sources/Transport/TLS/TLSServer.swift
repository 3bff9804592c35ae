import OmniwayCrypto

/// TLS for links that are accepted.
public struct TLSServer: AcceptorLayer {
    public let layerName = "tls"
    public var handshakes: HandshakeLimits
    private let source: TLSContextSource

    /// The first identity is for clients that name no server, or one that nobody has. Exact names go before wildcards,
    /// whatever the order. `protocols` are ALPN's, the preferred one first. Files are read at once, and again when they
    /// change; what is wrong with them then is logged, and the old ones serve on.
    public init(
        _ identities: TLSIdentity..., protocols: [String] = [], clients: TLSClientCertificates = .ignored,
        minimum: TLSVersion = .v12, handshakes: HandshakeLimits = HandshakeLimits()
    ) throws(TLSError) {
        try self.init(
            identities, protocols: protocols, clients: clients, minimum: minimum, handshakes: handshakes)
    }

    /// The same for identities that are counted later; one at least.
    public init(
        _ identities: [TLSIdentity], protocols: [String] = [], clients: TLSClientCertificates = .ignored,
        minimum: TLSVersion = .v12, handshakes: HandshakeLimits = HandshakeLimits()
    ) throws(TLSError) {
        self.handshakes = handshakes
        let settings = TLSContext.Settings(protocols: protocols, minimum: minimum)
        // The same for all contexts, so that sessions outlive a new certificate. Not where clients show theirs: who
        // resumes a session is not verified again, so it must not outlive the trust that it came from.
        let keys = TLSTicketKeys()
        source = try TLSContextSource(files: identities.flatMap(\.files) + (clients.trust?.files ?? [])) {
            () throws(TLSError) in
            var loaded: [LoadedIdentity] = []
            for identity in identities { loaded.append(try identity.load()) }
            let ticketKeys = clients.trust == nil ? keys : TLSTicketKeys()
            return try .server(settings, identities: loaded, clients: clients, ticketKeys: ticketKeys)
        }
    }

    public func acceptingDriver(on loop: Loop) -> LayerDriver { TLSDriver(source, .server) }
}

/// Whether clients show certificates too.
public struct TLSClientCertificates: Sendable {
    let trust: TLSTrust?
    let mustShow: Bool

    public static let ignored = TLSClientCertificates(trust: nil, mustShow: false)
    /// A client may show one. One that is not trusted is refused.
    public static func requested(_ trust: TLSTrust) -> TLSClientCertificates { .init(trust: trust, mustShow: false) }
    /// A client must show one that is trusted.
    public static func required(_ trust: TLSTrust) -> TLSClientCertificates { .init(trust: trust, mustShow: true) }
}
