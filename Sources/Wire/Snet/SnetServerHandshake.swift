import OmniwayCrypto

/// One carrier as the accepting side sees it, until the stream flows. Bytes in, steps out; numbers that must be random
/// come from outside.
package struct SnetServerHandshake: Sendable {
    private enum State {
        case type
        case hello
        case publicKey
        case resume
        /// Somebody decides about the new stream or the old one.
        case asked
        case proof(challenge: UInt64, key: UInt64)
        case done
    }

    package enum Step: Equatable, Sendable {
        case more
        /// A new stream is asked for: `open` it.
        case new(publicKey: UInt64)
        /// An old one is asked for: `answer`, or send `refusal` and close.
        case resume(SnetResume)
        /// The stream flows; what follows in the reader are its bytes.
        case done
    }

    package enum Answer: Equatable, Sendable {
        case accepted([UInt8])
        /// To be sent before closing.
        case refused([UInt8], SnetError)
    }

    private let dialect: SnetDialect
    private var state: State
    private var gathered = SnetGathering()

    package init(_ dialect: SnetDialect) {
        self.dialect = dialect
        state = dialect == .a ? .hello : .type
    }

    /// Goes on with a carrier on which a resume was asked for.
    package init(asked dialect: SnetDialect) { (self.dialect, state) = (dialect, .asked) }

    package mutating func receive(_ reader: inout ByteReader) throws(SnetError) -> Step {
        while true {
            switch state {
            case .type:
                guard let type = reader.read(UInt8.self) else { return .more }
                switch type {
                case 0x00: state = .publicKey
                case 0xff: state = .resume
                default: throw .badType(type)
                }
            case .hello:
                guard let bytes = gathered.take(SnetResume.size, from: &reader) else { return .more }
                return try UInt64(bytes, at: 0) == 0 ? new(UInt64(bytes, at: 8)) : resume(bytes)
            case .publicKey:
                guard let bytes = gathered.take(8, from: &reader) else { return .more }
                return try new(UInt64(bytes, at: 0))
            case .resume:
                guard let bytes = gathered.take(SnetResume.size, from: &reader) else { return .more }
                return resume(bytes)
            case .asked: return .more
            case .proof(let challenge, let key):
                guard let bytes = gathered.take(16, from: &reader) else { return .more }
                guard isSame(bytes, snetProof(challenge, key: key)) else { throw .badProof }
                state = .done
            case .done: return .done
            }
        }
    }

    private mutating func new(_ publicKey: UInt64) throws(SnetError) -> Step {
        guard publicKey != 0 else { throw .badPublicKey }
        state = .asked
        return .new(publicKey: publicKey)
    }

    private mutating func resume(_ bytes: [UInt8]) -> Step {
        state = .asked
        return .resume(SnetResume(bytes))
    }

    /// Agrees on a new stream: what to send, and the stream, which is there for good when the handshake is `done`.
    package mutating func open(
        _ publicKey: UInt64, id: UInt64, privateKey: UInt64, challenge: UInt64, encrypts: Bool, ring: Int
    ) throws(SnetError) -> (answer: [UInt8], stream: SnetStream) {
        guard let key = DH64.secret(privateKey: privateKey, peerPublicKey: publicKey) else { throw .badPublicKey }
        let stream = SnetStream(id: id, key: key, side: .server, encrypts: encrypts, ring: ring)
        let answer = DH64.publicKey(of: privateKey).littleEndianBytes + snetSealed(id, key: key).littleEndianBytes
        return (answer + goOn(challenge, key), stream)
    }

    /// Answers a genuine request for the stream as it is now.
    package mutating func answer(_ request: SnetResume, for stream: SnetStream, challenge: UInt64) -> Answer {
        let counts = stream.written.littleEndianBytes + stream.read.littleEndianBytes
        do throws(SnetError) {
            _ = try stream.gap(peerWritten: request.written, peerRead: request.read)
            return .accepted(counts + goOn(challenge, stream.key))
        } catch {
            return .refused(dialect == .a ? counts : Self.refusal(dialect), error)
        }
    }

    /// What is said to a request that is not genuine, or for a stream that is not known.
    package static func refusal(_ dialect: SnetDialect) -> [UInt8] {
        dialect == .a ? [] : [UInt8](repeating: 0, count: 24)
    }

    /// The end of an answer. A challenge of 0 could be taken for a refusal.
    private mutating func goOn(_ challenge: UInt64, _ key: UInt64) -> [UInt8] {
        switch dialect {
        case .a:
            state = .done
            return []
        case .b:
            let challenge = max(1, challenge)
            state = .proof(challenge: challenge, key: key)
            return challenge.littleEndianBytes
        }
    }
}

/// An id on its way to the client, both in and out: the first eight bytes of the server's key stream.
func snetSealed(_ id: UInt64, key: UInt64) -> UInt64 {
    var bytes = id.littleEndianBytes
    var cipher = RC4(key: key.littleEndianBytes)
    var span = bytes.mutableSpan
    cipher.apply(to: &span)
    return UInt64(bytes, at: 0)
}
