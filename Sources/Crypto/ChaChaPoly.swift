import COpenSSL

/// Encryption that also tells whether anything was changed (RFC 8439).
package enum ChaChaPoly {
    package static let keySize = 32
    package static let nonceSize = 12
    /// How many bytes longer than the plain text the sealed one is.
    package static let tagSize = 16

    /// Encrypts, and vouches for `context` as well, which both sides know. A nonce is used once with a key.
    package static func seal(_ plain: [UInt8], key: [UInt8], nonce: [UInt8], context: [UInt8]) -> [UInt8] {
        precondition(key.count == keySize && nonce.count == nonceSize, "a key of 32 bytes and a nonce of 12")
        let cipher = Cipher()
        var sealed = [UInt8](repeating: 0, count: plain.count + tagSize)
        var count: Int32 = 0
        var isDone = unsafe EVP_EncryptInit_ex(cipher.handle, EVP_chacha20_poly1305(), nil, key, nonce) == 1
        isDone = unsafe isDone && EVP_EncryptUpdate(cipher.handle, nil, &count, context, Int32(context.count)) == 1
        isDone = unsafe isDone && EVP_EncryptUpdate(cipher.handle, &sealed, &count, plain, Int32(plain.count)) == 1
        isDone = unsafe isDone && EVP_EncryptFinal_ex(cipher.handle, nil, &count) == 1
        // Safe because there is room for the tag behind the plain text.
        isDone =
            unsafe isDone
            && sealed.withUnsafeMutableBytes { bytes in
                unsafe EVP_CIPHER_CTX_ctrl(
                    cipher.handle, EVP_CTRL_AEAD_GET_TAG, Int32(tagSize), bytes.baseAddress?.advanced(by: plain.count))
                    == 1
            }
        precondition(isDone, "OpenSSL has no ChaCha20-Poly1305; is its default provider disabled?")
        return sealed
    }

    /// Nil when anything is not as it was sealed.
    package static func open(_ sealed: [UInt8], key: [UInt8], nonce: [UInt8], context: [UInt8]) -> [UInt8]? {
        precondition(key.count == keySize && nonce.count == nonceSize, "a key of 32 bytes and a nonce of 12")
        guard sealed.count >= tagSize else { return nil }
        let cipher = Cipher()
        defer { ERR_clear_error() }
        let length = sealed.count - tagSize
        var plain = [UInt8](repeating: 0, count: length)
        var tag = Array(sealed[length...])
        var count: Int32 = 0
        var last: UInt8 = 0
        var isDone = unsafe EVP_DecryptInit_ex(cipher.handle, EVP_chacha20_poly1305(), nil, key, nonce) == 1
        isDone = unsafe isDone && EVP_DecryptUpdate(cipher.handle, nil, &count, context, Int32(context.count)) == 1
        isDone = unsafe isDone && EVP_DecryptUpdate(cipher.handle, &plain, &count, sealed, Int32(length)) == 1
        isDone =
            unsafe isDone
            && EVP_CIPHER_CTX_ctrl(
                cipher.handle, EVP_CTRL_AEAD_SET_TAG, Int32(tagSize), &tag) == 1
        isDone = unsafe isDone && EVP_DecryptFinal_ex(cipher.handle, &last, &count) == 1
        return isDone ? plain : nil
    }

    @safe
    private final class Cipher {
        let handle: OpaquePointer

        init() {
            guard let handle = unsafe EVP_CIPHER_CTX_new() else { fatalError("out of memory for a cipher") }
            unsafe self.handle = handle
        }
        deinit { unsafe EVP_CIPHER_CTX_free(handle) }
    }
}
