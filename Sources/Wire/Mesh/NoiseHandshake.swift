import OmniwayCrypto

/// The XX handshake of the Noise protocol framework, revision 34, over X25519, ChaCha20-Poly1305 and SHA-256: three
/// messages, after which both sides know the other's static key, and nobody else knows anything.
///
/// With a secret of a group it is XXpsk0: who does not have it cannot read even the first message.
package struct NoiseHandshake: Sendable {
    package enum Failure: Error, Equatable { case tooShort, notForUs, badKey, outOfTurn }

    private enum Token { case psk, e, s, ee, es, se }
    private static let pattern: [[Token]] = [[.e], [.e, .ee, .s, .es], [.s, .se]]

    private let isInitiator: Bool
    private let staticKey: [UInt8]
    private let ephemeralKey: [UInt8]
    private let groupSecret: [UInt8]?
    private var peerEphemeral: [UInt8] = []
    /// The peer's static key, when it has told it.
    package private(set) var peerStatic: [UInt8] = []
    private var state: NoiseSymmetric
    private var step = 0

    /// Keys are private ones of X25519; the ephemeral one is used for this handshake only.
    package init(
        isInitiator: Bool, staticKey: [UInt8], ephemeralKey: [UInt8], prologue: [UInt8], groupSecret: [UInt8]? = nil
    ) {
        precondition(groupSecret.map { $0.count == 32 } ?? true, "a group's secret of 32 bytes")
        (self.isInitiator, self.staticKey, self.ephemeralKey) = (isInitiator, staticKey, ephemeralKey)
        self.groupSecret = groupSecret
        let name = groupSecret == nil ? "XX" : "XXpsk0"
        state = NoiseSymmetric(name: "Noise_\(name)_25519_ChaChaPoly_SHA256")
        state.mix(hash: prologue)
    }

    package var isDone: Bool { step == Self.pattern.count }
    private var isOurTurn: Bool { !isDone && step.isMultiple(of: 2) == isInitiator }
    private var tokens: [Token] { step == 0 && groupSecret != nil ? [.psk] + Self.pattern[0] : Self.pattern[step] }

    /// The next message of this side, with something to say in it.
    package mutating func write(_ payload: [UInt8]) throws(Failure) -> [UInt8] {
        guard isOurTurn else { throw .outOfTurn }
        var message: [UInt8] = []
        for token in tokens {
            switch token {
            case .e:
                let key = X25519.publicKey(of: ephemeralKey)
                message += key
                mix(ephemeral: key)
            case .s: message += try state.seal(X25519.publicKey(of: staticKey))
            case .psk, .ee, .es, .se: try mix(token)
            }
        }
        message += try state.seal(payload)
        step += 1
        return message
    }

    /// What the other side says in its next message.
    package mutating func read(_ message: [UInt8]) throws(Failure) -> [UInt8] {
        guard !isOurTurn, !isDone else { throw .outOfTurn }
        var rest = message[...]
        func take(_ count: Int) throws(Failure) -> [UInt8] {
            guard rest.count >= count else { throw .tooShort }
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
        for token in tokens {
            switch token {
            case .e:
                peerEphemeral = try take(32)
                mix(ephemeral: peerEphemeral)
            case .s: peerStatic = try state.open(try take(32 + ChaChaPoly.tagSize))
            case .psk, .ee, .es, .se: try mix(token)
            }
        }
        let payload = try state.open(Array(rest))
        step += 1
        return payload
    }

    /// The two directions, when it is done: what this side sends with, and what it receives with.
    package func split() -> (sending: NoiseCipher, receiving: NoiseCipher) {
        precondition(isDone, "the handshake is not done")
        let (first, second) = state.split()
        return isInitiator ? (first, second) : (second, first)
    }

    /// Different for every handshake, and the same on both sides.
    package var hash: [UInt8] { state.hash }

    private mutating func mix(ephemeral key: [UInt8]) {
        state.mix(hash: key)
        if groupSecret != nil { state.mix(key: key) }
    }

    private mutating func mix(_ token: Token) throws(Failure) {
        switch token {
        case .psk: if let groupSecret { state.mix(keyAndHash: groupSecret) }
        case .ee: try agree(ephemeralKey, peerEphemeral)
        case .es: try isInitiator ? agree(ephemeralKey, peerStatic) : agree(staticKey, peerEphemeral)
        case .se: try isInitiator ? agree(staticKey, peerEphemeral) : agree(ephemeralKey, peerStatic)
        case .e, .s: break
        }
    }

    private mutating func agree(_ own: [UInt8], _ peer: [UInt8]) throws(Failure) {
        guard let secret = X25519.secret(privateKey: own, peerPublicKey: peer) else { throw .badKey }
        state.mix(key: secret)
    }
}

/// What both sides of a handshake have seen so far.
private struct NoiseSymmetric: Sendable {
    private(set) var hash: [UInt8]
    private var chainingKey: [UInt8]
    private var cipher: NoiseCipher?

    init(name: String) {
        let name = Array(name.utf8)
        hash = name.count <= 32 ? name + [UInt8](repeating: 0, count: 32 - name.count) : Digest.sha256(name)
        chainingKey = hash
    }

    mutating func mix(hash bytes: [UInt8]) { hash = Digest.sha256(hash + bytes) }

    mutating func mix(key bytes: [UInt8]) {
        let keys = Self.derive(chainingKey, bytes, 2)
        chainingKey = keys[0]
        cipher = NoiseCipher(key: keys[1])
    }

    mutating func mix(keyAndHash bytes: [UInt8]) {
        let keys = Self.derive(chainingKey, bytes, 3)
        chainingKey = keys[0]
        mix(hash: keys[1])
        cipher = NoiseCipher(key: keys[2])
    }

    mutating func seal(_ plain: [UInt8]) throws(NoiseHandshake.Failure) -> [UInt8] {
        let sealed = cipher?.seal(plain, context: hash) ?? plain
        mix(hash: sealed)
        return sealed
    }

    mutating func open(_ sealed: [UInt8]) throws(NoiseHandshake.Failure) -> [UInt8] {
        let before = hash
        mix(hash: sealed)
        guard cipher != nil else { return sealed }
        guard let plain = cipher?.open(sealed, context: before) else { throw .notForUs }
        return plain
    }

    func split() -> (NoiseCipher, NoiseCipher) {
        let keys = Self.derive(chainingKey, [], 2)
        return (NoiseCipher(key: keys[0]), NoiseCipher(key: keys[1]))
    }

    /// HKDF of RFC 5869 as Noise uses it.
    private static func derive(_ chainingKey: [UInt8], _ bytes: [UInt8], _ count: Int) -> [[UInt8]] {
        let key = HMAC.sha256(bytes, key: chainingKey)
        var keys: [[UInt8]] = []
        for number in 1...count { keys.append(HMAC.sha256((keys.last ?? []) + [UInt8(number)], key: key)) }
        return keys
    }
}

/// One direction: a key, and a number that no two messages share.
package struct NoiseCipher: Sendable {
    private var key: [UInt8]
    /// How many messages there were with this key.
    package private(set) var count: UInt64 = 0

    init(key: [UInt8]) { self.key = key }

    package mutating func seal(_ plain: [UInt8], context: [UInt8] = []) -> [UInt8] {
        precondition(count < .max, "2^64 - 1 messages with one key")
        defer { count += 1 }
        return ChaChaPoly.seal(plain, key: key, nonce: Self.nonce(count), context: context)
    }

    /// Nil when it was changed, repeated, left out, or never meant for us. The number stays then.
    package mutating func open(_ sealed: [UInt8], context: [UInt8] = []) -> [UInt8]? {
        guard count < .max,
            let plain = ChaChaPoly.open(sealed, key: key, nonce: Self.nonce(count), context: context)
        else { return nil }
        count += 1
        return plain
    }

    /// A new key that does not tell the old one. Both sides do it at the same message.
    package mutating func rekey() {
        let sealed = ChaChaPoly.seal([UInt8](repeating: 0, count: 32), key: key, nonce: Self.nonce(.max), context: [])
        key = Array(sealed.prefix(32))
        count = 0
    }

    private static func nonce(_ number: UInt64) -> [UInt8] {
        [0, 0, 0, 0] + (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }
}
