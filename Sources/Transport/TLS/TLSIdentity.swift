import OmniwayCrypto

/// Who a side is: a certificate with its chain, and the key that proves it.
public struct TLSIdentity: Sendable {
    private enum Source {
        case files(certificate: String, key: String)
        case memory(LoadedIdentity)
    }
    private let source: Source

    /// Two PEM files, the certificate's first, its chain behind it. They are read again when they change.
    public static func files(certificate: String, key: String) -> TLSIdentity {
        TLSIdentity(source: .files(certificate: certificate, key: key))
    }

    /// Two PEM texts.
    public static func pem(certificate: String, key: String) throws(TLSError) -> TLSIdentity {
        let loaded = try LoadedIdentity(
            certificate: Array(certificate.utf8), key: Array(key.utf8), at: ("the certificate given", "the key given"))
        return TLSIdentity(source: .memory(loaded))
    }

    /// A new ECDSA P-256 key, and a certificate that it signs itself. Peers trust it by its `fingerprint`, or by its
    /// `certificatePEM` as a root.
    public static func selfSigned(_ names: String..., days: Int = 365) throws(TLSError) -> TLSIdentity {
        try selfSigned(names, days: days)
    }

    /// The same for names that are counted later.
    public static func selfSigned(_ names: [String], days: Int = 365) throws(TLSError) -> TLSIdentity {
        do throws(SelfSignedError) {
            let (certificate, key) = try Certificate.selfSigned(names: names, days: days)
            return TLSIdentity(source: .memory(LoadedIdentity(chain: [certificate], key: key)))
        } catch { throw .unusable("\(error)") }
    }

    /// The certificate and its chain as PEM; the files are read for it.
    public var certificatePEM: String {
        get throws(TLSError) { try load().chain.map(\.pem).joined() }
    }

    /// The key as PEM: whoever has it can be this side.
    public var keyPEM: String {
        get throws(TLSError) { try load().key.pem }
    }

    /// SHA-256 of the certificate.
    public var fingerprint: TLSFingerprint {
        get throws(TLSError) { TLSFingerprint(try load().chain[0]) }
    }

    /// When the certificate ends, in words, and whether that was before now.
    public var validity: (until: String, hasExpired: Bool) {
        get throws(TLSError) {
            let certificate = try load().chain[0]
            return (certificate.validUntil, certificate.hasExpired)
        }
    }

    var files: [String] {
        if case .files(let certificate, let key) = source { [certificate, key] } else { [] }
    }

    func load() throws(TLSError) -> LoadedIdentity {
        switch source {
        case .memory(let loaded): return loaded
        case .files(let certificate, let key):
            return try LoadedIdentity(
                certificate: SmallFile.read(certificate), key: SmallFile.read(key), at: (certificate, key))
        }
    }
}

struct LoadedIdentity: Sendable {
    /// The certificate itself is the first.
    let chain: [Certificate]
    let key: PrivateKey

    init(chain: [Certificate], key: PrivateKey) { (self.chain, self.key) = (chain, key) }

    init(certificate: [UInt8], key keyText: [UInt8], at place: (certificate: String, key: String)) throws(TLSError) {
        do throws(PEMError) { chain = try Certificate.all(inPEM: certificate) } catch {
            throw TLSError(error, in: place.certificate)
        }
        do throws(PEMError) { key = try PrivateKey(pem: keyText) } catch { throw TLSError(error, in: place.key) }
        guard key.matches(chain[0]) else { throw .keyMismatch(certificate: place.certificate, key: place.key) }
    }
}

/// SHA-256 of a certificate, by which one side may know another without any authority.
public struct TLSFingerprint: Sendable, Hashable, CustomStringConvertible {
    public let bytes: [UInt8]

    init(_ certificate: Certificate) { bytes = certificate.fingerprint }

    /// From 64 hexadecimal digits, with or without colons.
    public init?(_ text: String) {
        let digits = text.filter { $0 != ":" }.map(\.hexDigitValue)
        guard digits.count == 64, !digits.contains(nil) else { return nil }
        let values = digits.compactMap(\.self)
        bytes = stride(from: 0, to: 64, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
    }

    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
