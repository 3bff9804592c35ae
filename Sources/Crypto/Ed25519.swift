import COpenSSL

/// The private half of an Ed25519 key pair (RFC 8032).
@safe
package final class Ed25519Key: @unchecked Sendable {  // Safe because it is never changed once it is made.
    private let handle: OpaquePointer
    /// The public half, 32 bytes.
    package let publicKey: [UInt8]

    /// From the 32 bytes of which everything else is made. Nil for any other number of them.
    package init?(seed: [UInt8]) {
        guard seed.count == 32,
            let handle = unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count)
        else { return nil }
        unsafe self.handle = handle
        var key = [UInt8](repeating: 0, count: 32)
        var count = key.count
        let isRead = unsafe EVP_PKEY_get_raw_public_key(handle, &key, &count) == 1 && count == 32
        precondition(isRead, "OpenSSL has no Ed25519")
        publicKey = key
    }

    deinit { unsafe EVP_PKEY_free(handle) }

    /// The signature of these bytes, 64 of its own.
    package func sign(_ bytes: [UInt8]) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: 64)
        var count = signature.count
        let context = unsafe EVP_MD_CTX_new()
        defer { unsafe EVP_MD_CTX_free(context) }
        let isSigned =
            unsafe EVP_DigestSignInit(context, nil, nil, nil, handle) == 1
            && EVP_DigestSign(context, &signature, &count, bytes, bytes.count) == 1
        precondition(isSigned, "OpenSSL cannot sign with an Ed25519 key")
        return signature
    }
}
