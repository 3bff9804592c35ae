import COpenSSL
import OmniwayCrypto
import OmniwayTelemetry

/// What two sides remember of a handshake. Who resumes it is not verified again, but for the dates of the certificate.
@safe
final class TLSSession: @unchecked Sendable {  // Safe because OpenSSL counts its references atomically.
    let handle: OpaquePointer
    init(owning handle: OpaquePointer) { unsafe self.handle = handle }
    deinit { unsafe SSL_SESSION_free(handle) }

    var hasExpired: Bool { unsafe Self.hasExpired(handle) }

    private static func hasExpired(_ session: OpaquePointer?) -> Bool {
        guard let peer = unsafe SSL_SESSION_get0_peer(session) else { return false }
        return unsafe Certificate(sharing: peer).hasExpired
    }

    /// A server is shown a ticket, with what OpenSSL thinks of it.
    static let judgeTicket:
        @convention(c) (
            OpaquePointer?, OpaquePointer?, UnsafePointer<UInt8>?, Int, SSL_TICKET_STATUS, UnsafeMutableRawPointer?
        ) -> SSL_TICKET_RETURN = { _, session, _, _, status, _ in
            switch status {
            case SSL_TICKET_SUCCESS, SSL_TICKET_SUCCESS_RENEW:
                if unsafe hasExpired(session) { return SSL_TICKET_RETURN_IGNORE_RENEW }
                return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW
            default: return SSL_TICKET_RETURN_IGNORE_RENEW
            }
        }
}

/// Sessions that a server has offered to resume. Each is used once, as TLS 1.3 recommends.
final class TLSSessions: Sendable {
    private let kept = Lock<[TLSSession]>([])
    private static let most = 4

    func keep(_ session: TLSSession) {
        kept.withLock { kept in
            if kept.count == Self.most { kept.removeFirst() }
            kept.append(session)
        }
    }

    func take() -> TLSSession? {
        guard let session = kept.withLock({ $0.popLast() }) else { return nil }
        return session.hasExpired ? nil : session
    }
}
