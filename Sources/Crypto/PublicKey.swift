import COpenSSL

/// The public half of a key pair: it says whether who has the other half has signed something.
@safe
package final class PublicKey: @unchecked Sendable {  // Safe because it is never changed once it is made.
    /// The signatures that are asked for anywhere.
    package enum Kind: Sendable {
        case ed25519
        /// ECDSA with SHA-256.
        case p256
    }
    /// Nil for keys of all other kinds.
    package let kind: Kind?
    private let handle: OpaquePointer

    /// The first public key of a PEM text ("BEGIN PUBLIC KEY").
    package init(pem text: [UInt8]) throws(PEMError) {
        let memory = MemoryText(text)
        guard let handle = unsafe PEM_read_bio_PUBKEY(memory.handle, nil, refusePassword, nil) else {
            let error = ERR_peek_last_error()
            ERR_clear_error()
            throw ERR_GET_REASON(error) == PEM_R_NO_START_LINE ? .noKey : .broken(lastWords(of: error))
        }
        unsafe self.handle = handle
        if unsafe EVP_PKEY_is_a(handle, "ED25519") == 1 {
            kind = .ed25519
        } else if unsafe EVP_PKEY_is_a(handle, "EC") == 1, unsafe EVP_PKEY_get_bits(handle) == 256,
            unsafe Self.group(of: handle) == "prime256v1"
        {
            kind = .p256
        } else {
            kind = nil
        }
    }

    deinit { unsafe EVP_PKEY_free(handle) }

    private static func group(of handle: OpaquePointer) -> String {
        var name = [CChar](repeating: 0, count: 64)
        var count = 0
        guard unsafe EVP_PKEY_get_group_name(handle, &name, name.count, &count) == 1 else { return "" }
        return String(decoding: name.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Whether this is the signature of just these bytes, by the key's other half: 64 bytes, of P-256 both numbers one
    /// after the other.
    package func verifies(_ signature: [UInt8], of bytes: [UInt8]) -> Bool {
        guard signature.count == 64, let kind, let context = unsafe EVP_MD_CTX_new() else { return false }
        defer {
            unsafe EVP_MD_CTX_free(context)
            ERR_clear_error()
        }
        let digest = kind == .p256 ? unsafe EVP_sha256() : nil
        let signature = kind == .p256 ? Self.der(signature) : signature
        return unsafe EVP_DigestVerifyInit(context, nil, digest, nil, handle) == 1
            && EVP_DigestVerify(context, signature, signature.count, bytes, bytes.count) == 1
    }

    /// Two numbers of 32 bytes as OpenSSL reads them: a sequence of two integers, each as short as it can be.
    private static func der(_ signature: [UInt8]) -> [UInt8] {
        var numbers: [UInt8] = []
        for half in [signature[..<32], signature[32...]] {
            var number = Array(half.drop { $0 == 0 })
            if number.first.map({ $0 >= 0x80 }) ?? true { number.insert(0, at: 0) }
            numbers += [0x02, UInt8(number.count)] + number
        }
        return [0x30, UInt8(numbers.count)] + numbers
    }
}
