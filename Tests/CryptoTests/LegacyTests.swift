import OmniwayTesting
import Testing

@testable import OmniwayCrypto

@Suite struct LegacyTests {
    private static func vectors(_ name: String) throws -> [Vector] {
        try Vector.load("gateway-primitives").filter { $0.name == name }
    }

    @Test func `public keys are those of the reference`() throws {
        let vectors = try Self.vectors("dh64-public") + Self.vectors("dh64-unseeded-sequence")
        #expect(vectors.count == 17)
        for vector in vectors where vector.name == "dh64-public" {
            let numbers = vector.numbers
            #expect(DH64.publicKey(of: numbers[0]) == numbers[1], "\(vector.meaning)")
            #expect(vector.bytes == littleEndian(numbers[1]))
        }
        for vector in vectors where vector.name != "dh64-public" {
            #expect(DH64.publicKey(of: vector.numbers[0]) == vector.numbers[1], "\(vector.meaning)")
        }
    }

    @Test func `both sides compute the secret of the reference`() throws {
        for vector in try Self.vectors("dh64-secret") {
            let numbers = vector.numbers
            #expect(numbers.count == 5)
            #expect(DH64.secret(privateKey: numbers[0], peerPublicKey: numbers[3]) == numbers[4])
            #expect(DH64.secret(privateKey: numbers[2], peerPublicKey: numbers[1]) == numbers[4])
            #expect(vector.bytes == littleEndian(numbers[4]))
        }
    }

    @Test func `public keys at the edge are reduced, and 0 is refused`() throws {
        let vectors = try Self.vectors("dh64-secret-edge-public")
        #expect(vectors.count == 5)
        for vector in vectors {
            let numbers = vector.numbers
            #expect(DH64.secret(privateKey: 3, peerPublicKey: numbers[0]) == numbers[1], "\(vector.meaning)")
        }
        #expect(DH64.secret(privateKey: 3, peerPublicKey: 0) == nil)
    }

    @Test func `the key stream is that of the reference, however it is cut and skipped`() throws {
        let vectors = try Self.vectors("rc4-keystream")
        #expect(vectors.count == 3)
        for vector in vectors {
            let key = try #require(vector.meaning.split(separator: " ").last.flatMap { Vectors.bytes(String($0)) })
            for cut in 0...32 {
                var cipher = RC4(key: key)
                var first = [UInt8](repeating: 0, count: cut)
                var rest = [UInt8](repeating: 0, count: 32 - cut)
                var span = first.mutableSpan
                cipher.apply(to: &span)
                span = rest.mutableSpan
                cipher.apply(to: &span)
                #expect(first + rest == vector.bytes)

                var skipping = RC4(key: key)
                skipping.skip(cut)
                var tail = [UInt8](repeating: 0, count: 32 - cut)
                span = tail.mutableSpan
                skipping.apply(to: &span)
                #expect(tail[...] == vector.bytes[cut...])
            }
        }
    }

    @Test func `an MD5 of challenge and key is the answer of the reference`() throws {
        let challenges: [String: [UInt8]] = [
            "0102030405060708": Array(1...8), "ffffffffffffffff": .init(repeating: 255, count: 8),
            "0000000000000000": .init(repeating: 0, count: 8),
        ]
        let vectors = try Self.vectors("server-handshake")
        #expect(vectors.count == 15)
        for vector in vectors {
            let words = vector.meaning.split(separator: " ", maxSplits: 3)
            let challenge = try #require(challenges[words[2].filter { $0 != "," }])
            let parts = vector.meaning.split(separator: "\"", omittingEmptySubsequences: false)
            let key = try #require(parts.dropFirst().first)
            #expect(Digest.md5(challenge + Array(key.utf8))[...] == vector.bytes[..<16], "\(vector.meaning)")
        }
    }
}

private func littleEndian(_ number: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }

extension Vector {
    /// The 64-bit numbers of the meaning, in order.
    fileprivate var numbers: [UInt64] {
        meaning.split { $0 == " " || $0 == "," }.compactMap {
            $0.hasPrefix("0x") ? UInt64($0.dropFirst(2), radix: 16) : nil
        }
    }
}
