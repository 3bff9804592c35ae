import OmniwayCrypto

/// TLS for links that are dialled, to one host.
public struct TLSClient: DialerLayer {
    public let layerName = "tls"
    /// Whom the certificate must name: a host name or an address.
    public let host: String
    private let source: TLSContextSource
    private let pins: TLSPins?

    /// `protocols` are those of ALPN, the preferred one first. Files are read at once, and again when they change.
    public init(
        host: String, trust: TLSTrust = .system, identity: TLSIdentity? = nil, protocols: [String] = [],
        minimum: TLSVersion = .v12
    ) throws(TLSError) {
        // OpenSSL takes these for "any host", or for fewer letters than there are.
        guard !host.isEmpty, !host.hasPrefix("."), !host.utf8.contains(0) else { throw .badHost(host) }
        self.host = host
        if case .pins(let pins) = trust.kind { self.pins = pins } else { pins = nil }
        let settings = TLSContext.Settings(protocols: protocols, minimum: minimum)
        source = try TLSContextSource(files: (identity?.files ?? []) + trust.files) { () throws(TLSError) in
            try .client(settings, identity: identity?.load(), trust: trust)
        }
    }

    public func dialingDriver(on loop: Loop) -> LayerDriver { TLSDriver(source, .client(self)) }

    /// False when OpenSSL does not understand the host, and would not look for it in the certificate.
    func prepare(_ engine: TLSEngine) -> Bool {
        guard engine.expectHost() else { return false }
        let (pins, host) = (pins, host)
        if let pins { engine.objectionToCertificate = { pins.objection(to: TLSFingerprint($0), of: host) } }
        engine.resume()
        return true
    }

    /// The handshake has succeeded; what still speaks against the peer.
    func lastObjection(to info: TLSInfo?) -> String? {
        guard let pins else { return nil }
        guard let fingerprint = info?.peer?.fingerprint else { return "\(host) has shown no certificate" }
        return pins.confirm(fingerprint, of: host)
    }
}
