import COpenSSL
import OmniwayCrypto

/// What went wrong between two sides of TLS, in words that say what to do.
enum TLSTrouble {
    static func words(for error: UInt) -> String {
        if error == 0 { return "the peer ended the connection within the handshake" }
        // Other libraries of OpenSSL use the same numbers for other reasons.
        guard ERR_GET_LIB(error) == ERR_LIB_SSL else { return lastWords(of: error) }
        return known[ERR_GET_REASON(error)] ?? lastWords(of: error)
    }

    private static let known: [Int32: String] = [
        SSL_R_HTTP_REQUEST: "the peer spoke plain HTTP to a TLS port; use https://",
        SSL_R_WRONG_VERSION_NUMBER: "the peer does not speak TLS; is this the right port?",
        SSL_R_UNSUPPORTED_PROTOCOL: "the peer speaks only versions of TLS below 1.2",
        SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: "the peer refuses our versions of TLS",
        SSL_R_NO_SHARED_CIPHER: "there is no cipher that both sides know",
        SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: "the peer found no cipher or certificate that both sides know",
        SSL_R_NO_APPLICATION_PROTOCOL: "the client offers no application protocol that is spoken here",
        SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: "the server speaks none of the application protocols offered",
        SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: "the client showed no certificate, and one is required",
        SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
            "the server requires a certificate of this side; give TLSClient an identity",
        SSL_R_TLSV1_ALERT_UNKNOWN_CA: "the peer does not trust the authority of our certificate",
        SSL_R_SSLV3_ALERT_BAD_CERTIFICATE: "the peer refuses our certificate",
        SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN: "the peer refuses our certificate",
        SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED: "the peer says that our certificate has expired",
        SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED: "the peer says that our certificate was revoked",
        SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: "what arrived was changed on its way, or is not TLS",
    ]
}
