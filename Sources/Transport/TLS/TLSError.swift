import OmniwayCrypto

/// What is wrong with the settings of TLS.
public enum TLSError: Error, Equatable, CustomStringConvertible {
    case unreadable(file: String, SystemError)
    case noCertificate(String)
    case noKey(String)
    case noRevocationList(String)
    case broken(String, String)
    case keyMismatch(certificate: String, key: String)
    case noIdentity
    case badProtocolName(String)
    case badHost(String)
    case unusable(String)

    public var description: String {
        switch self {
        case .unreadable(let file, let error): "cannot read '\(file)': \(error)"
        case .noCertificate(let place):
            "there is no certificate in \(place); it must be PEM, beginning with -----BEGIN CERTIFICATE-----"
        case .noKey(let place):
            "there is no private key in \(place); it must be PEM, without a password, as `openssl pkey` writes it"
        case .noRevocationList(let place):
            "there is no revocation list in \(place); it must be PEM, beginning with -----BEGIN X509 CRL-----"
        case .broken(let place, let words): "\(place) is damaged: \(words); make or copy it anew"
        case .keyMismatch(let certificate, let key):
            "the key in \(key) is not that of the certificate in \(certificate); give the pair that was made together"
        case .noIdentity: "a server needs a certificate; give files, or TLSIdentity.selfSigned"
        case .badProtocolName(let name): "'\(name)' is no protocol name for ALPN; it has 1 to 255 bytes"
        case .badHost(let host):
            "'\(host)' is no host that a certificate can name; give a host name, or an address in digits"
        case .unusable(let words): words
        }
    }

    init(_ error: PEMError, in place: String) {
        self =
            switch error {
            case .noCertificate: .noCertificate(place)
            case .noKey: .noKey(place)
            case .broken(let words): .broken(place, words)
            }
    }
}

extension CloseReason {
    /// The peer's certificate is not good enough; the detail says why.
    public static let certificateRefused = CloseReason("certificate-refused")
    /// What arrived after the handshake is not what was sent, or the peer complained.
    public static let tlsBroken = CloseReason("tls-broken", sendsTheRest: false)
    /// The connection ended without the end of TLS, or within a message: somebody may have cut off the rest.
    public static let truncated = CloseReason("truncated", sendsTheRest: false)
}
