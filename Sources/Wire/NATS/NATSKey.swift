import OmniwayCrypto

/// A key of the NATS kind ("nkey"): Ed25519, written in base 32 with its kind in front and a checksum behind.
package struct NATSKey: Sendable {
    private let privateKey: [UInt8]
    /// What the server knows it by.
    package let publicText: String

    /// A seed as `nk` and `nsc` write it: 58 letters and digits that begin with `S`.
    package init(seed text: String) throws(NATSKeyError) {
        guard let raw = Self.decode(text), raw.count == 36 else { throw .malformed }
        let checksum = UInt16(raw[34]) | UInt16(raw[35]) << 8
        guard Self.checksum(raw[..<34]) == checksum else { throw .wrongChecksum }
        guard raw[0] & 0xf8 == Self.seedKind else { throw .notSeed }
        privateKey = Array(raw[2..<34])
        // The kind of the key stands in eight bits, three of the first byte and five of the second.
        publicText = Self.text(kind: raw[0] << 5 | raw[1] >> 3, Ed25519.publicKey(of: privateKey))
    }

    /// Whose key it is: the letter that its public half begins with.
    package enum Kind: UInt8, Sendable {
        case account = 0
        case `operator` = 112
        case user = 160
    }

    /// A seed as text.
    package static func seedText(_ seed: [UInt8], kind: Kind = .user) -> String {
        var raw = [seedKind | kind.rawValue >> 5, kind.rawValue << 3] + seed
        append(checksum(raw[...]), to: &raw)
        return encode(raw)
    }

    /// The signature of a server's nonce, as CONNECT has it.
    package func sign(_ nonce: String) -> String {
        let digits = Base64.encode(Ed25519.signature(of: Array(nonce.utf8), privateKey: privateKey))
        return String(
            digits.compactMap { digit -> Character? in
                switch digit {
                case "+": "-"
                case "/": "_"
                case "=": nil
                default: digit
                }
            })
    }

    private static let seedKind: UInt8 = 18 << 3  // S

    private static func text(kind: UInt8, _ key: [UInt8]) -> String {
        var raw = [kind] + key
        append(checksum(raw[...]), to: &raw)
        return encode(raw)
    }

    private static func append(_ checksum: UInt16, to raw: inout [UInt8]) {
        raw += [UInt8(truncatingIfNeeded: checksum), UInt8(truncatingIfNeeded: checksum >> 8)]
    }

    /// CRC-16 as XMODEM has it.
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        bytes.reduce(0) { sum, byte in
            (0..<8).reduce(sum ^ UInt16(byte) << 8) { sum, _ in sum & 0x8000 == 0 ? sum << 1 : sum << 1 ^ 0x1021 }
        }
    }

    /// Base 32 in capital letters alone.
    private static func encode(_ bytes: [UInt8]) -> String { Base32.encode(bytes).uppercased() }

    private static func decode(_ text: String) -> [UInt8]? {
        guard text.utf8.count <= 64, !text.utf8.contains(where: { $0 >= UInt8(ascii: "a") }) else { return nil }
        return Base32.decode(text)
    }
}

/// Why a text is no seed of a key.
package enum NATSKeyError: Error, Equatable, CustomStringConvertible {
    case malformed, wrongChecksum, notSeed

    package var description: String {
        switch self {
        case .malformed: "this is no nkey: 58 letters and digits of base 32 are wanted"
        case .wrongChecksum: "the nkey's checksum is wrong: a character was changed; copy it again"
        case .notSeed: "this is a public nkey; give the seed, which begins with S"
        }
    }
}

/// A file of credentials: a user's certificate and the seed of its key, each between lines of dashes.
package enum NATSCredentialsFile {
    /// Nil when one of the two is not there.
    package static func parse(_ lines: [String]) -> (certificate: String, seed: String)? {
        guard let certificate = part("NATS USER JWT", of: lines), let seed = part("USER NKEY SEED", of: lines) else {
            return nil
        }
        return (certificate, seed)
    }

    /// The line behind that which begins the part.
    private static func part(_ name: String, of lines: [String]) -> String? {
        guard let begin = lines.firstIndex(where: { $0.contains("BEGIN \(name)") }) else { return nil }
        let text = lines[(begin + 1)...].lazy.map { $0.filter { !$0.isWhitespace } }.first { !$0.isEmpty }
        return text.flatMap { $0.hasPrefix("-") ? nil : $0 }
    }
}
