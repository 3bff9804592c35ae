import OmniwayCrypto
import OmniwayWire

/// What a client is known by: an id and a secret for its program, a number and a password for people.
public struct TunnelIdentity: Sendable, Equatable {
    public let client: String
    public let token: String
    public let tunnel: String
    public var authCode: String

    public init(client: String, token: String, tunnel: String, authCode: String) {
        (self.client, self.token, self.tunnel, self.authCode) = (client, token, tunnel, authCode)
    }

    /// A new one. Its secrets are from the system, whatever the loop takes its chances from.
    static func make(client: String) -> TunnelIdentity {
        TunnelIdentity(
            client: client, token: Secret.text(64, of: Secret.tokenSymbols), tunnel: Secret.tunnel(),
            authCode: Secret.text(8, of: Secret.letters))
    }

    var json: JSON {
        [
            "ClientId": .string(client), "Token": .string(token), "TunnelId": .string(tunnel),
            "AuthCode": .string(authCode),
        ]
    }

    init(_ json: JSON) throws(TunnelRefusal) {
        let reader = try MemberReader(json)
        client = try reader.text("ClientId")
        token = try reader.text("Token")
        tunnel = try reader.text("TunnelId")
        authCode = try reader.text("AuthCode")
    }
}

/// Secrets as text, and what may be kept of them.
enum Secret {
    static let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
    static let tokenSymbols = Array("=-+*_0123456789".utf8) + letters

    static func text(_ count: Int, of symbols: [UInt8]) -> String {
        var generator = SecretGenerator()
        return String(
            decoding: (0..<count).map { _ in symbols[Int.random(in: 0..<symbols.count, using: &generator)] },
            as: UTF8.self)
    }

    static func tunnel() -> String {
        var generator = SecretGenerator()
        return String(Int.random(in: 10_000_000...99_999_998, using: &generator))
    }

    /// A salt and what the secret makes with it.
    static func mark(_ secret: String) -> String { mark(secret, salt: hex(SecretBytes.random(16))) }

    static func isMark(_ mark: String, of secret: String) -> Bool {
        guard let colon = mark.firstIndex(of: ":") else { return false }
        return isEqual(mark, Self.mark(secret, salt: String(mark[..<colon])))
    }

    static func isEqual(_ one: String, _ other: String) -> Bool { HMAC.isEqual(Array(one.utf8), Array(other.utf8)) }

    private static func mark(_ secret: String, salt: String) -> String {
        "\(salt):\(hex(HMAC.sha256(Array(secret.utf8), key: Array(salt.utf8))))"
    }

    static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

private struct SecretGenerator: RandomNumberGenerator {
    /// To ask OpenSSL costs much more than what it gives.
    private var block: ArraySlice<UInt8> = []
    private static let size = 32 * 8

    mutating func next() -> UInt64 {
        if block.isEmpty { block = SecretBytes.random(Self.size)[...] }
        defer { block.removeFirst(8) }
        return block.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
