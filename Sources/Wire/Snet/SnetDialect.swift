/// The two protocols that are called snet. They do not understand each other.
public enum SnetDialect: String, Sendable, CaseIterable {
    /// A hello of 40 bytes, and no answer to a resume that is refused.
    case a
    /// A type byte first, a challenge in every answer, and a refusal that says so.
    case b
}

/// Why a carrier cannot carry a stream, or a stream cannot go on.
package enum SnetError: Error, Equatable, CustomStringConvertible {
    case badType(UInt8)
    case badPublicKey
    case badProof
    case unknownStream(UInt64)
    /// The peer has read more than was written, or written less than was read.
    case impossibleCounts
    case gapTooLarge(UInt64, ring: Int)
    case refused

    package var description: String {
        switch self {
        case .badType(let type): "a connection of type \(type) is not known; it is 0 or 255 in dialect B, or dialect A"
        case .badPublicKey: "0 is no public key"
        case .badProof: "the peer does not have the key of the stream"
        case .unknownStream(let id): "the stream \(id) is not known; it has ended, or was never here"
        case .impossibleCounts: "the peer counts other bytes than went over the stream"
        case .gapTooLarge(let gap, let ring): "\(gap) bytes were lost, and the ring keeps \(ring); choose a larger one"
        case .refused: "the peer does not resume the stream: it has ended there, or too much was lost"
        }
    }
}
