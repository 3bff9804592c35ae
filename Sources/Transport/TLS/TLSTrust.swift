import OmniwayTelemetry

/// Whose certificates are good.
public struct TLSTrust: Sendable {
    enum Kind: Sendable {
        case system
        case files(roots: [String], revocationLists: [String])
        case pem(String)
        case pins(TLSPins)
        case anybody
    }
    let kind: Kind

    /// Those that the authorities of this machine vouch for.
    public static let system = TLSTrust(kind: .system)

    /// Those that the authorities in these PEM files vouch for. With revocation lists, there must be one for every
    /// authority of a chain. The files are read again when they change.
    public static func roots(files: String..., revocationLists: [String] = []) -> TLSTrust {
        TLSTrust(kind: .files(roots: files, revocationLists: revocationLists))
    }

    /// The same from a PEM text; `TLSIdentity.certificatePEM` of a self-signed certificate for example.
    public static func roots(pem: String) -> TLSTrust { TLSTrust(kind: .pem(pem)) }

    /// Exactly the certificate that the host has shown the first time, or that was told before. No authority is asked.
    public static func pinned(by pins: TLSPins) -> TLSTrust { TLSTrust(kind: .pins(pins)) }

    /// Everybody's, which protects only against those who merely listen. For tests.
    public static let anybody = TLSTrust(kind: .anybody)

    var files: [String] {
        if case .files(let roots, let revocationLists) = kind { roots + revocationLists } else { [] }
    }
}

/// Which certificate belongs to which host. One that is not known yet is learned with the first handshake that
/// succeeds, if `learns`.
public final class TLSPins: Sendable {
    /// Called on a loop for each host that was learned; the place to remember it for good, without blocking.
    public typealias Learned = @Sendable (_ host: String, _ fingerprint: TLSFingerprint) -> Void

    private let known: Lock<[String: TLSFingerprint]>
    private let learns: Bool
    private let limit: Int
    private let learned: Learned

    /// At most `limit` hosts are learned; further ones are refused.
    public init(
        _ known: [String: TLSFingerprint] = [:], learns: Bool = true, limit: Int = 100_000,
        learned: @escaping Learned = { _, _ in }
    ) {
        (self.known, self.learns, self.limit, self.learned) = (Lock(known), learns, limit, learned)
    }

    public subscript(host: String) -> TLSFingerprint? { known.withLock { $0[host] } }

    /// The next certificate of this host is a first one again.
    public func forget(_ host: String) { known.withLock { _ = $0.removeValue(forKey: host) } }

    /// Nil when it is good.
    func objection(to fingerprint: TLSFingerprint, of host: String) -> String? {
        known.withLock { objection(to: fingerprint, of: host, among: $0) }
    }

    private func objection(
        to fingerprint: TLSFingerprint, of host: String, among known: [String: TLSFingerprint]
    ) -> String? {
        if let expected = known[host] {
            return expected == fingerprint
                ? nil
                : "certificate of \(host) has changed: pinned is \(expected), shown was \(fingerprint); "
                    + "if the host has a new certificate, forget the pin"
        }
        if !learns { return "no certificate is pinned for \(host); shown was \(fingerprint)" }
        return known.count < limit ? nil : "as many certificates are pinned as there may be, \(limit)"
    }

    /// The handshake has succeeded: the host has the key too. What is known may have changed since it began, and a
    /// session that is resumed was not looked at before.
    func confirm(_ fingerprint: TLSFingerprint, of host: String) -> String? {
        let (objection, isNew) = known.withLock { known in
            let words = self.objection(to: fingerprint, of: host, among: known)
            let isNew = words == nil && known[host] == nil
            if isNew { known[host] = fingerprint }
            return (words, isNew)
        }
        if isNew { learned(host, fingerprint) }
        return objection
    }
}
