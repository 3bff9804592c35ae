import COpenSSL

/// Agreeing on a secret in public (RFC 7748). Keys are 32 bytes.
package enum X25519 {
    package static func publicKey(of privateKey: [UInt8]) -> [UInt8] {
        RawKey(EVP_PKEY_X25519, private: privateKey).publicKey
    }

    /// What both sides compute. Nil for a key of the peer that would make it known to everybody.
    package static func secret(privateKey: [UInt8], peerPublicKey: [UInt8]) -> [UInt8]? {
        guard let peer = RawKey(EVP_PKEY_X25519, public: peerPublicKey) else { return nil }
        let own = RawKey(EVP_PKEY_X25519, private: privateKey)
        guard let context = unsafe EVP_PKEY_CTX_new(own.handle, nil) else { return nil }
        defer {
            unsafe EVP_PKEY_CTX_free(context)
            ERR_clear_error()
        }
        var secret = [UInt8](repeating: 0, count: 32)
        var count = secret.count
        guard unsafe EVP_PKEY_derive_init(context) == 1, unsafe EVP_PKEY_derive_set_peer(context, peer.handle) == 1,
            unsafe EVP_PKEY_derive(context, &secret, &count) == 1
        else { return nil }
        return secret
    }
}

/// Signatures of 64 bytes (RFC 8032). Keys are 32 bytes; the private one is any secret.
package enum Ed25519 {
    package static func publicKey(of privateKey: [UInt8]) -> [UInt8] {
        RawKey(EVP_PKEY_ED25519, private: privateKey).publicKey
    }

    package static func signature(of bytes: [UInt8], privateKey: [UInt8]) -> [UInt8] {
        let key = RawKey(EVP_PKEY_ED25519, private: privateKey)
        var signature = [UInt8](repeating: 0, count: 64)
        var count = signature.count
        let context = unsafe EVP_MD_CTX_new()
        defer { unsafe EVP_MD_CTX_free(context) }
        let isDone =
            unsafe EVP_DigestSignInit(context, nil, nil, nil, key.handle) == 1
            && EVP_DigestSign(context, &signature, &count, bytes, bytes.count) == 1
        precondition(isDone, "OpenSSL has no Ed25519; is its default provider disabled?")
        return signature
    }

    package static func verifies(_ signature: [UInt8], of bytes: [UInt8], publicKey: [UInt8]) -> Bool {
        guard signature.count == 64, let key = RawKey(EVP_PKEY_ED25519, public: publicKey) else { return false }
        let context = unsafe EVP_MD_CTX_new()
        defer {
            unsafe EVP_MD_CTX_free(context)
            ERR_clear_error()
        }
        return unsafe EVP_DigestVerifyInit(context, nil, nil, nil, key.handle) == 1
            && EVP_DigestVerify(context, signature, signature.count, bytes, bytes.count) == 1
    }
}

/// A key that is only its bytes.
@safe
private final class RawKey {
    let handle: OpaquePointer

    init(_ kind: Int32, private bytes: [UInt8]) {
        precondition(bytes.count == 32, "a private key of 32 bytes")
        guard let handle = unsafe EVP_PKEY_new_raw_private_key(kind, nil, bytes, bytes.count) else {
            preconditionFailure("OpenSSL has no Curve25519; is its default provider disabled?")
        }
        unsafe self.handle = handle
    }

    init?(_ kind: Int32, public bytes: [UInt8]) {
        guard bytes.count == 32, let handle = unsafe EVP_PKEY_new_raw_public_key(kind, nil, bytes, bytes.count) else {
            return nil
        }
        unsafe self.handle = handle
    }

    deinit { unsafe EVP_PKEY_free(handle) }

    var publicKey: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 32)
        var count = bytes.count
        let isDone = unsafe EVP_PKEY_get_raw_public_key(handle, &bytes, &count) == 1
        precondition(isDone, "a key without a public half")
        return bytes
    }
}
