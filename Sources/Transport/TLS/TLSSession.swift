import COpenSSL

/// What two sides remember of a handshake.
@safe
final class TLSSession: @unchecked Sendable {  // Safe because OpenSSL counts its references atomically.
    let handle: OpaquePointer
    init(owning handle: OpaquePointer) { unsafe self.handle = handle }
    deinit { unsafe SSL_SESSION_free(handle) }
}
