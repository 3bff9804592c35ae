import OmniwayCrypto

/// What a TLS handshake has settled.
public struct TLSInfo: Sendable {
    public let version: TLSVersion
    public let cipher: String
    /// What ALPN chose; nil when nothing was offered.
    public let protocolName: String?
    /// Whom the client asked for.
    public let serverName: String?
    /// The peer's certificate, if it has shown one.
    public let peer: TLSPeer?
    /// The handshake went on from an earlier connection's.
    public let isResumed: Bool
}

/// The certificate of a peer.
public struct TLSPeer: Sendable {
    public let subject: String
    /// Host names and addresses, as "DNS:a.example" and "IP Address:10.0.0.1".
    public let names: [String]
    public let validUntil: String
    public let fingerprint: TLSFingerprint

    init(_ certificate: Certificate) {
        subject = certificate.subject
        names = certificate.names
        validUntil = certificate.validUntil
        fingerprint = TLSFingerprint(certificate)
    }
}

extension Link {
    /// What TLS has settled on this link, or on one that carries it; nil without TLS, and before its handshake.
    public var tls: TLSInfo? {
        var link: Link? = self
        while let driver = link?.driver as? any CarriedDriver {
            if let tls = driver as? TLSDriver { return tls.info }
            link = driver.carrier
        }
        return nil
    }
}
