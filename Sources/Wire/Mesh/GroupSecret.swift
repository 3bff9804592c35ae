import OmniwayCrypto

/// What all members of a closed group have, and nobody else.
public enum GroupSecret {
    /// What is shorter can be guessed.
    public static let leastLetters = 16

    /// The 32 bytes that a text stands for, the same for each member. It is no password: whoever tries many may try as
    /// fast as they can, so draw it, by `openssl rand -hex 32`. Nil when it is too short.
    public static func bytes(of text: String) -> [UInt8]? {
        guard text.utf8.count >= leastLetters else { return nil }
        return Digest.sha256(Array("omniway mesh 2: a group's secret\0".utf8) + text.utf8)
    }
}
