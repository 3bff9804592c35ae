import OmniwayCrypto

/// What bytes are called by what they are: nobody finds others of the same name (SHA-256).
public struct ContentHash: Hashable, Sendable, CustomStringConvertible {
    private let bytes: [UInt8]

    public init(of content: [UInt8]) { bytes = Digest.sha256(content) }

    /// Reads what `description` has written.
    public init?(_ text: String) {
        guard let bytes = Base32.decode(text), bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// 52 letters and digits.
    public var description: String { Base32.encode(bytes) }
}
