import OmniwayCrypto

/// Both ends of a link between two nodes: the handshake by which each proves its id, then sealed records that carry
/// frames. Bytes in, bytes out; the keys of a handshake are given, and so is the time.
///
/// A record is a big-endian 16-bit length and so many sealed bytes. Frames may span records. A record without plain
/// text says that the ones after it have the next key.
package struct SecureLink: Sendable {
    package enum Failure: Error, Equatable, Sendable {
        /// The peer's half of the handshake is not one, or is for somebody else: another group, or a changed greeting.
        case handshake(NoiseHandshake.Failure)
        /// It does not prove the id that it gives.
        case noProof
        /// It is not whom the link was meant for.
        case wrongPeer(NodeID)
        /// This node has connected to itself.
        case itself
        /// A record was changed, left out or repeated, or is none.
        case record
        case frame(length: Int)
    }

    /// What the two ends were told before.
    package struct Terms: Sendable {
        package var identity: NodeIdentity
        package var isInitiator: Bool
        /// Only who has it too can complete the handshake.
        package var groupSecret: [UInt8]?
        /// Everything that was said on the link before, by the initiator and by the other side. When it was changed on
        /// its way the handshake fails.
        package var greetings: (initiator: [UInt8], responder: [UInt8])
        /// Whom the other end must be.
        package var expected: NodeID?
        /// Key pairs of this link alone: 32 random bytes each.
        package var staticKey: [UInt8]
        package var ephemeralKey: [UInt8]

        package init(
            _ identity: NodeIdentity, isInitiator: Bool, greetings: (initiator: [UInt8], responder: [UInt8]) = ([], []),
            groupSecret: [UInt8]? = nil, expected: NodeID? = nil, staticKey: [UInt8] = SecretBytes.random(32),
            ephemeralKey: [UInt8] = SecretBytes.random(32)
        ) {
            (self.identity, self.isInitiator, self.greetings) = (identity, isInitiator, greetings)
            (self.groupSecret, self.expected) = (groupSecret, expected)
            (self.staticKey, self.ephemeralKey) = (staticKey, ephemeralKey)
        }
    }

    /// When a direction gets a new key.
    package struct Rekeying: Sendable {
        package var records: UInt64 = 1 << 32
        package var time = Duration.seconds(3600)
        package init() {}
    }

    private enum State: Sendable {
        case handshake(NoiseHandshake)
        case open(Ciphers)
        case failed
    }
    private struct Ciphers: Sendable {
        var sending: NoiseCipher
        var receiving: NoiseCipher
    }

    private let terms: Terms
    private let rekeying: Rekeying
    private var state: State
    /// Since when the sending key is in use.
    private var keyedAt: Duration
    /// Plain bytes that are not a whole frame yet.
    private var plain: [UInt8] = []
    /// Who the other end is, when it has proved it.
    package private(set) var peer: NodeID?

    package static let largestPlain = 65_519
    private static let domain = Array("omniway mesh 2: this key is used by the node that signs it".utf8)
    private static let proofSize = 32 + 64

    package init(_ terms: Terms, rekeying: Rekeying = Rekeying(), at now: Duration) {
        (self.terms, self.rekeying, keyedAt) = (terms, rekeying, now)
        let (one, other) = terms.greetings
        state = .handshake(
            NoiseHandshake(
                isInitiator: terms.isInitiator, staticKey: terms.staticKey, ephemeralKey: terms.ephemeralKey,
                prologue: Self.counted(one) + Self.counted(other), groupSecret: terms.groupSecret))
    }

    package var isOpen: Bool { if case .open = state { true } else { false } }

    /// What the initiator says first; nothing for the other side.
    package mutating func begin() throws(Failure) -> [UInt8] { terms.isInitiator ? try say([]) : [] }

    // MARK: Receiving

    /// What has come of it: bytes to answer with, and whole frames. `used` bytes are done with; the rest comes again.
    package struct Received: Equatable, Sendable {
        package var used = 0
        package var answer: [UInt8] = []
        package var frames: [MeshFrame] = []
    }

    /// After a failure nothing more is understood: close the link.
    package mutating func receive(_ bytes: RawSpan, at now: Duration) throws(Failure) -> Received {
        do throws(Failure) {
            var received = Received()
            while bytes.byteCount - received.used >= 2 {
                let start = received.used
                let length = Int(bytes.byte(start)) << 8 | Int(bytes.byte(start + 1))
                guard bytes.byteCount - start >= 2 + length else { break }
                try take(bytes.array(start + 2..<start + 2 + length), &received, at: now)
                received.used += 2 + length
            }
            return received
        } catch {
            state = .failed
            throw error
        }
    }

    private mutating func take(_ record: [UInt8], _ received: inout Received, at now: Duration) throws(Failure) {
        switch state {
        case .failed: throw .record
        case .handshake(var handshake):
            let payload: [UInt8]
            do throws(NoiseHandshake.Failure) {
                payload = try handshake.read(record)
            } catch { throw .handshake(error) }
            if !handshake.peerStatic.isEmpty { peer = try proven(payload, handshake.peerStatic) }
            state = .handshake(handshake)
            if !handshake.isDone { received.answer += try say(proof) }
            open(at: now)
        case .open(var ciphers):
            guard let plain = ciphers.receiving.open(record) else { throw .record }
            if plain.isEmpty { ciphers.receiving.rekey() }
            state = .open(ciphers)
            self.plain += plain
            try takeFrames(&received)
        }
    }

    private mutating func takeFrames(_ received: inout Received) throws(Failure) {
        var start = 0
        while plain.count - start >= 4 {
            let length = plain[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            guard 1...MeshFrame.largest ~= length else { throw .frame(length: length) }
            guard plain.count - start >= 4 + length else { break }
            let body = Array(plain[(start + 5)..<(start + 4 + length)])
            received.frames.append(MeshFrame(kind: plain[start + 4], body: body))
            start += 4 + length
        }
        plain.removeFirst(start)
    }

    // MARK: Sending

    /// A frame as records. The link must be open, and the frame no larger than `MeshFrame.largest`.
    package mutating func send(_ frame: MeshFrame, at now: Duration) -> [UInt8] {
        guard case .open(var ciphers) = state else { preconditionFailure("nothing is sent before the link is open") }
        precondition(frame.length <= MeshFrame.largest, "a frame of \(frame.length) bytes")
        var bytes: [UInt8] = []
        if ciphers.sending.count >= rekeying.records || now - keyedAt >= rekeying.time {
            bytes += Self.record(ciphers.sending.seal([]))
            ciphers.sending.rekey()
            keyedAt = now
        }
        let plain = (0..<4).map { UInt8(truncatingIfNeeded: frame.length >> (24 - 8 * $0)) } + [frame.kind] + frame.body
        for start in stride(from: 0, to: plain.count, by: Self.largestPlain) {
            let part = Array(plain[start..<min(start + Self.largestPlain, plain.count)])
            bytes += Self.record(ciphers.sending.seal(part))
        }
        state = .open(ciphers)
        return bytes
    }

    // MARK: The handshake

    private mutating func say(_ payload: [UInt8]) throws(Failure) -> [UInt8] {
        guard case .handshake(var handshake) = state else { throw .record }
        do throws(NoiseHandshake.Failure) {
            let message = try handshake.write(payload)
            state = .handshake(handshake)
            return Self.record(message)
        } catch { throw .handshake(error) }
    }

    private mutating func open(at now: Duration) {
        guard case .handshake(let handshake) = state, handshake.isDone else { return }
        let (sending, receiving) = handshake.split()
        state = .open(Ciphers(sending: sending, receiving: receiving))
        keyedAt = now
    }

    /// The id, and that this id uses this link's static key.
    private var proof: [UInt8] {
        terms.identity.id.bytes + terms.identity.signature(of: Self.domain + X25519.publicKey(of: terms.staticKey))
    }

    private func proven(_ proof: [UInt8], _ staticKey: [UInt8]) throws(Failure) -> NodeID {
        guard proof.count == Self.proofSize, let id = NodeID(Array(proof[..<32])),
            id.verifies(Array(proof[32...]), of: Self.domain + staticKey)
        else { throw .noProof }
        if id == terms.identity.id { throw .itself }
        if let expected = terms.expected, id != expected { throw .wrongPeer(id) }
        return id
    }

    private static func record(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8(bytes.count >> 8), UInt8(truncatingIfNeeded: bytes.count)] + bytes
    }

    private static func counted(_ bytes: [UInt8]) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> (24 - 8 * $0)) } + bytes
    }
}

/// What goes between two nodes once they know each other: a kind, and what it says.
package struct MeshFrame: Equatable, Sendable {
    package var kind: UInt8
    package var body: [UInt8]

    package init(kind: UInt8, body: [UInt8]) { (self.kind, self.body) = (kind, body) }

    /// Most bytes, its kind included: a payload of 1 MiB, and what tells where it comes from.
    package static let largest = (1 << 20) + 64

    fileprivate var length: Int { 1 + body.count }
}
