import OmniwayCrypto

/// The request to go on with a stream on a new carrier.
package struct SnetResume: Equatable, Sendable {
    package let id: UInt64
    package let written: UInt64
    package let read: UInt64
    private let proof: [UInt8]

    package static let size = 40

    /// The request of the stream's own end.
    package init(_ stream: SnetStream) {
        (id, written, read) = (stream.id, stream.written, stream.read)
        proof = Self.proof(id, written, read, key: stream.key)
    }

    /// Of exactly `size` bytes.
    package init(_ bytes: [UInt8]) {
        id = UInt64(bytes, at: 0)
        written = UInt64(bytes, at: 8)
        read = UInt64(bytes, at: 16)
        proof = Array(bytes[24..<Self.size])
    }

    package var bytes: [UInt8] { Self.head(id, written, read) + proof }

    /// Whether it was made with the key of the stream. It may still be a copy of an older request.
    package func isGenuine(key: UInt64) -> Bool { isSame(proof, Self.proof(id, written, read, key: key)) }

    private static func head(_ id: UInt64, _ written: UInt64, _ read: UInt64) -> [UInt8] {
        id.littleEndianBytes + written.littleEndianBytes + read.littleEndianBytes
    }

    private static func proof(_ id: UInt64, _ written: UInt64, _ read: UInt64, key: UInt64) -> [UInt8] {
        Digest.md5(head(id, written, read) + key.littleEndianBytes)
    }
}

/// The answer of B to a challenge, by which one proves to have the key now.
func snetProof(_ challenge: UInt64, key: UInt64) -> [UInt8] {
    Digest.md5(challenge.littleEndianBytes + key.littleEndianBytes)
}

/// In the same time wherever they differ.
func isSame(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.count == b.count && zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
}

/// Bytes of a handshake that come piece by piece.
struct SnetGathering: Sendable {
    private var bytes: [UInt8] = []

    /// The next `count` bytes, once they are there.
    mutating func take(_ count: Int, from reader: inout ByteReader) -> [UInt8]? {
        while bytes.count < count, let byte = reader.read(UInt8.self) { bytes.append(byte) }
        guard bytes.count == count else { return nil }
        defer { bytes = [] }
        return bytes
    }
}
