import COpenSSL

/// Bytes that nobody can guess.
package enum SecretBytes {
    package static func random(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let isDone = unsafe RAND_bytes(&bytes, Int32(count)) == 1
        precondition(isDone, "OpenSSL has no source of randomness")
        return bytes
    }
}
