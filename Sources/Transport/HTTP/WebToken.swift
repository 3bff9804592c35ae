import OmniwayCrypto
public import OmniwayTelemetry
public import OmniwayWire

/// What a signed token says (RFC 7519, in the compact form): who somebody is, and until when that holds.
///
/// ```swift
/// let token = try WebToken.verify(text, key: key)
/// try await session.bind(token.subject ?? "")
/// session.expire(after: token.timeLeft() ?? .seconds(3600))
/// ```
public struct WebToken: Sendable {
    /// All that it says.
    public let claims: JSON.Object
    private let expiry: Double?

    /// What `sub` says: whom the token is for.
    public var subject: String? {
        guard case .string(let subject)? = claims["sub"] else { return nil }
        return subject
    }

    /// How long it holds from `now` on, in seconds since 1970; nil when it has no end.
    public func timeLeft(at now: Int = WebToken.now) -> Duration? {
        // Held within what every sum of durations can take.
        expiry.map { .milliseconds(Int64(max(0, min(($0 - Double(now)) * 1000, 1e15)))) }
    }

    /// Seconds since 1970.
    public static var now: Int { Timestamp.now().seconds }

    /// Longer ones are not looked at.
    public static let mostBytes = 8 << 10

    /// Reads a token and checks that `key` has signed it and that it holds at `now`. The clock of who has made it may
    /// be off by `leeway`. Whether it is meant for this server (`iss`, `aud`) is for the application to check, in
    /// `claims`.
    public static func verify(
        _ token: String, key: Key, leeway: Duration = .zero, at now: Int = WebToken.now
    ) throws(WebTokenError) -> WebToken {
        guard token.utf8.count <= mostBytes else { throw .tooLong }
        let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let signature = Base64.decodeURL(parts[2]) else { throw .malformed }
        let header = try object(parts[0])
        // The key says which algorithm; a token that could choose would choose one that it can forge.
        guard case .string(key.algorithm)? = header["alg"] else { throw .otherAlgorithm(expected: key.algorithm) }
        guard header["crit"] == nil else { throw .unknownExtension }
        guard key.verifies(signature, of: Array(token.utf8[..<parts[1].endIndex])) else { throw .wrongSignature }
        // Only what is signed is looked into.
        let claims = try object(parts[1])
        let (expiry, start) = (try moment(claims, "exp"), try moment(claims, "nbf"))
        let (now, leeway) = (Double(now), leeway / .seconds(1))
        if let expiry, now >= expiry + leeway { throw .expired }
        if let start, now < start - leeway { throw .notYet }
        return WebToken(claims: claims, expiry: expiry)
    }

    /// A token that says this, signed with a secret; nil when the key is only the public half of a pair.
    package static func sign(_ claims: JSON.Object, key: Key) -> String? {
        let head: JSON = ["alg": .string(key.algorithm), "typ": "JWT"]
        let parts = [head, .object(claims)].map { Base64.encodeURL(JSON.Writer().bytes(of: $0)) }
        let signed = parts.joined(separator: ".")
        return key.signature(of: Array(signed.utf8)).map { "\(signed).\(Base64.encodeURL($0))" }
    }

    private static func object(_ part: Substring.UTF8View) throws(WebTokenError) -> JSON.Object {
        guard let bytes = Base64.decodeURL(part), let json = try? reader.read(bytes), case .object(let object) = json
        else { throw .malformed }
        return object
    }
    private static let reader = JSON.Reader(limits: JSON.Reader.Limits(bytes: mostBytes, depth: 8, values: 256))

    private static func moment(_ claims: JSON.Object, _ name: String) throws(WebTokenError) -> Double? {
        guard let claim = claims[name] else { return nil }
        guard case .number(let number) = claim, let seconds = number.double, seconds.isFinite else { throw .malformed }
        return seconds
    }
}

extension WebToken {
    /// What tells tokens of one's own from others, and the one algorithm that goes with it.
    public struct Key: Sendable {
        private enum Kind {
            case secret([UInt8])
            case pair(PublicKey)
        }
        private let kind: Kind
        let algorithm: String

        /// A secret that who makes tokens shares with this server, of 32 bytes or more.
        public static func hs256(_ secret: [UInt8]) throws(WebTokenError) -> Key {
            guard secret.count >= 32 else { throw .keyTooShort(bytes: secret.count) }
            return Key(kind: .secret(secret), algorithm: "HS256")
        }

        /// The same as a text: its bytes are the key.
        public static func hs256(_ secret: Secret) throws(WebTokenError) -> Key {
            try hs256(Array(secret.revealed.utf8))
        }

        /// The public half of a P-256 key, as PEM.
        public static func es256(pem: String) throws(WebTokenError) -> Key { try pair(pem, .p256, "ES256") }

        /// The public half of an Ed25519 key, as PEM.
        public static func edDSA(pem: String) throws(WebTokenError) -> Key { try pair(pem, .ed25519, "EdDSA") }

        private static func pair(
            _ pem: String, _ kind: PublicKey.Kind, _ algorithm: String
        ) throws(WebTokenError) -> Key {
            guard let key = try? PublicKey(pem: Array(pem.utf8)), key.kind == kind else {
                throw .otherKey(expected: algorithm)
            }
            return Key(kind: .pair(key), algorithm: algorithm)
        }

        func signature(of bytes: [UInt8]) -> [UInt8]? {
            if case .secret(let secret) = kind { HMAC.sha256(bytes, key: secret) } else { nil }
        }

        func verifies(_ signature: [UInt8], of bytes: [UInt8]) -> Bool {
            switch kind {
            case .secret(let secret): HMAC.isEqual(HMAC.sha256(bytes, key: secret), signature)
            case .pair(let key): key.verifies(signature, of: bytes)
            }
        }
    }
}

/// Why a token or a key is not taken.
public enum WebTokenError: Error, Equatable, CustomStringConvertible {
    case malformed, tooLong, unknownExtension, wrongSignature, expired, notYet
    case otherAlgorithm(expected: String)
    case keyTooShort(bytes: Int)
    case otherKey(expected: String)

    public var description: String {
        switch self {
        case .malformed: "the token is none; send what the sign-in gave"
        case .tooLong: "the token is longer than \(WebToken.mostBytes) bytes; put less into it"
        case .unknownExtension: "the token asks for an extension (crit) that is not known here; make it without"
        case .wrongSignature: "the token is not signed by the key of this server; sign in again"
        case .expired: "the token is over; sign in again"
        case .notYet: "the token does not hold yet; set the clocks of both servers"
        case .otherAlgorithm(let expected): "the token's algorithm is not \(expected); sign it so"
        case .keyTooShort(let bytes): "a key of \(bytes) bytes can be guessed; HS256 takes 32 or more"
        case .otherKey(let expected): "this is no public key for \(expected); give one as PEM (BEGIN PUBLIC KEY)"
        }
    }
}
