/// Key agreement with numbers of 64 bits, for protocols that were made with it. Legacy and not secure: such numbers
/// are computed back in seconds, and nobody says who they are.
package enum DH64 {
    /// The largest prime below 2^64.
    package static let prime: UInt64 = 0xffff_ffff_ffff_ffc5
    private static let generator: UInt64 = 5

    package static func publicKey(of privateKey: UInt64) -> UInt64 { power(generator, privateKey) }

    /// What both sides compute. Nil for the peer's key 0, which is none; one above the prime is reduced first.
    package static func secret(privateKey: UInt64, peerPublicKey: UInt64) -> UInt64? {
        peerPublicKey == 0 ? nil : power(peerPublicKey % prime, privateKey)
    }

    private static func power(_ number: UInt64, _ exponent: UInt64) -> UInt64 {
        var (result, square, exponent) = (UInt64(1), number, exponent)
        while exponent > 0 {
            if exponent & 1 == 1 { result = multiply(result, square) }
            square = multiply(square, square)
            exponent >>= 1
        }
        return result
    }

    /// Both are below the prime, so the upper half of the product is too, as the division asks for.
    private static func multiply(_ a: UInt64, _ b: UInt64) -> UInt64 {
        prime.dividingFullWidth(a.multipliedFullWidth(by: b)).remainder
    }
}
