import OmniwayCrypto

/// One carrier as the dialling side sees it, until the stream flows. Bytes in, steps out.
package struct SnetClientHandshake: Sendable {
    private enum State {
        case opening(privateKey: UInt64)
        case resuming(key: UInt64)
        case done
    }

    package enum Step: Equatable, Sendable {
        case more
        /// A new stream of this id and key flows, after these bytes were sent.
        case opened(id: UInt64, key: UInt64, reply: [UInt8])
        /// The old stream goes on from where the peer counts, after these bytes were sent.
        case resumed(peerWritten: UInt64, peerRead: UInt64, reply: [UInt8])
    }

    private let dialect: SnetDialect
    private var state: State
    private var gathered = SnetGathering()
    /// What is sent first.
    package let hello: [UInt8]

    /// Asks for a new stream.
    package init(_ dialect: SnetDialect, privateKey: UInt64) {
        (self.dialect, state) = (dialect, .opening(privateKey: privateKey))
        let publicKey = DH64.publicKey(of: privateKey).littleEndianBytes
        hello =
            switch dialect {
            case .a: [UInt8](repeating: 0, count: 8) + publicKey + [UInt8](repeating: 0, count: 24)
            case .b: [0x00] + publicKey
            }
    }

    /// Asks to go on with a stream, whose last carrier is gone.
    package init(_ dialect: SnetDialect, resuming stream: SnetStream) {
        (self.dialect, state) = (dialect, .resuming(key: stream.key))
        hello = (dialect == .a ? [] : [0xff]) + SnetResume(stream).bytes
    }

    /// After a step other than `more`, what follows in the reader are bytes of the stream.
    package mutating func receive(_ reader: inout ByteReader) throws(SnetError) -> Step {
        if case .done = state { return .more }
        guard let bytes = gathered.take(dialect == .a ? 16 : 24, from: &reader) else { return .more }
        switch exchange(&state, with: .done) {
        case .opening(let privateKey):
            guard let key = DH64.secret(privateKey: privateKey, peerPublicKey: UInt64(bytes, at: 0)) else {
                throw .badPublicKey
            }
            let id = snetSealed(UInt64(bytes, at: 8), key: key)
            return .opened(id: id, key: key, reply: reply(to: bytes, key))
        case .resuming(let key):
            if dialect == .b, bytes.allSatisfy({ $0 == 0 }) { throw .refused }
            return .resumed(
                peerWritten: UInt64(bytes, at: 0), peerRead: UInt64(bytes, at: 8), reply: reply(to: bytes, key))
        case .done: return .more
        }
    }

    private func reply(to bytes: [UInt8], _ key: UInt64) -> [UInt8] {
        dialect == .a ? [] : snetProof(UInt64(bytes, at: 16), key: key)
    }
}
