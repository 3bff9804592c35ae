import COpenSSL

/// Digests of bytes that are at hand.
package enum Digest {
    /// 16 bytes. Only for protocols that ask for it, such as the gateway's: MD5 protects nothing.
    package static func md5(_ bytes: [UInt8]) -> [UInt8] { unsafe digest(bytes, EVP_md5()) }

    /// 20 bytes. Only for protocols that ask for it, such as the WebSocket handshake: SHA-1 protects nothing.
    package static func sha1(_ bytes: [UInt8]) -> [UInt8] { unsafe digest(bytes, EVP_sha1()) }

    /// 32 bytes.
    package static func sha256(_ bytes: [UInt8]) -> [UInt8] { unsafe digest(bytes, EVP_sha256()) }

    private static func digest(_ bytes: [UInt8], _ algorithm: OpaquePointer?) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        // It fails only where the algorithm is missing, which no build of OpenSSL 3 with its default provider is.
        let isDone = unsafe EVP_Digest(bytes, bytes.count, &result, &count, algorithm, nil) == 1
        precondition(isDone, "OpenSSL has no digest of this kind; is its default provider disabled?")
        return Array(result[..<Int(count)])
    }
}
