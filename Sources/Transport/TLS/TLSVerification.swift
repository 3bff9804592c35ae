import COpenSSL
import OmniwayCrypto

/// What OpenSSL asks while it looks at the peer's certificates, and what is wrong with them in words.
enum TLSVerification {
    /// Called for every certificate with what OpenSSL thinks of it; it decides, this takes the words down.
    static let noteObjection: @convention(c) (Int32, OpaquePointer?) -> Int32 = { isGood, store in
        guard isGood != 1, let store = unsafe store, let engine = unsafe engine(store) else { return isGood }
        engine.objection = unsafe words(store, host: engine.host)
        return isGood
    }

    /// Called instead of OpenSSL's own verification, where no authority is asked.
    static let judgeAlone: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = { store, _ in
        guard let store = unsafe store, let engine = unsafe engine(store),
            let shown = unsafe X509_STORE_CTX_get0_cert(store)
        else { return 0 }
        engine.objection = engine.objection(to: unsafe Certificate(sharing: shown))
        if engine.objection == nil { return 1 }
        unsafe X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED)
        return 0
    }

    private static func engine(_ store: OpaquePointer) -> TLSEngine? {
        let index = SSL_get_ex_data_X509_STORE_CTX_idx()
        guard let ssl = unsafe X509_STORE_CTX_get_ex_data(store, index) else { return nil }
        return unsafe TLSEngine.of(OpaquePointer(ssl))
    }

    private static func words(_ store: OpaquePointer, host: String) -> String {
        let error = unsafe X509_STORE_CTX_get_error(store)
        guard let current = unsafe X509_STORE_CTX_get_current_cert(store) else { return general(error) }
        let certificate = unsafe Certificate(sharing: current)
        let isPeer = unsafe X509_STORE_CTX_get_error_depth(store) == 0
        let name = isPeer ? "certificate" : "certificate of the authority \(certificate.subject)"
        return switch error {
        case X509_V_ERR_CERT_HAS_EXPIRED: "\(name) expired on \(certificate.validUntil)"
        case X509_V_ERR_CERT_NOT_YET_VALID:
            "\(name) is valid only from \(certificate.validFrom) on; is the clock of this machine right?"
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            "\(name) is for \(certificate.names.joined(separator: ", ")), not for \(host)"
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            "\(name) is self-signed (\(certificate.subject)) and not trusted here; give it as a root, or pin it"
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            "\(name) was issued by \(certificate.issuer), which is not trusted here; "
                + "give its root, or let the peer send the whole chain"
        case X509_V_ERR_CERT_REVOKED: "\(name) was revoked by \(certificate.issuer)"
        case X509_V_ERR_UNABLE_TO_GET_CRL:
            "there is no revocation list of \(certificate.issuer); give one for every authority of the chain"
        case X509_V_ERR_CRL_HAS_EXPIRED: "the revocation list of \(certificate.issuer) is too old; get a new one"
        case X509_V_ERR_INVALID_PURPOSE: "\(name) is not made for this side of TLS"
        default: "\(name) was refused: \(general(error))"
        }
    }

    private static func general(_ error: Int32) -> String {
        unsafe String(cString: X509_verify_cert_error_string(Int(error)))
    }
}
