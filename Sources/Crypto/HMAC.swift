import COpenSSL

/// Codes that only who has the key can make (RFC 2104).
package enum HMAC {
    /// 32 bytes.
    package static func sha256(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        // It fails only where SHA-256 is missing, which no build of OpenSSL 3 with its default provider is.
        let isDone =
            unsafe COpenSSL.HMAC(EVP_sha256(), key, Int32(key.count), bytes, bytes.count, &code, &count) != nil
        precondition(isDone, "OpenSSL has no HMAC of this kind; is its default provider disabled?")
        return Array(code[..<Int(count)])
    }

    /// Takes the same time wherever the bytes differ, so that a guess cannot be improved byte by byte.
    package static func isEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        return zip(one, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
