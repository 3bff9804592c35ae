/// Where one packet is among the bytes that it was read from. As the protocol has it: a type, a big-endian length of
/// three bytes, a body.
public struct PomeloPacket: Equatable, Sendable {
    /// In the protocol's words.
    public enum Kind: UInt8, Sendable, CaseIterable {
        case handshake = 1
        case handshakeAck
        case heartbeat
        case data
        case kick
    }

    public let kind: Kind
    /// It ends where the packet does.
    public let body: Range<Int>

    public init(_ kind: Kind, body: Range<Int>) { (self.kind, self.body) = (kind, body) }

    package var end: Int { body.upperBound }

    /// Bytes in front of a body.
    package static let headSize = 4
    /// What three bytes can say. The reference takes one more for sending, and writes its length as zero.
    package static let mostBodyBytes = 0xff_ffff
}

/// Finds packets among bytes.
package struct PomeloPacketCodec: Sendable {
    /// Most bytes of a body that are accepted.
    package let maxBodySize: Int

    package init(maxBodySize: Int) {
        precondition(
            (0...PomeloPacket.mostBodyBytes).contains(maxBodySize),
            "a body of up to \(PomeloPacket.mostBodyBytes) bytes")
        self.maxBodySize = maxBodySize
    }

    /// The whole packet that begins at `offset`, or nil until more bytes have arrived. What is wrong with a head is
    /// said as soon as it can be known.
    package func packet(in bytes: RawSpan, at offset: Int) throws(PomeloError) -> PomeloPacket? {
        let count = bytes.byteCount - offset
        guard count > 0 else { return nil }
        let type = bytes.byte(offset)
        guard let kind = PomeloPacket.Kind(rawValue: type) else { throw .unknownPacketType(type) }
        guard count >= PomeloPacket.headSize else { return nil }
        let length = (1...3).reduce(0) { $0 << 8 | Int(bytes.byte(offset + $1)) }
        guard length <= maxBodySize else { throw .packetTooLarge(bytes: length, limit: maxBodySize) }
        guard count >= PomeloPacket.headSize + length else { return nil }
        let start = offset + PomeloPacket.headSize
        return PomeloPacket(kind, body: start..<start + length)
    }

    /// The packet that is all of a message: on links that keep messages (WebSocket) each holds exactly one.
    package func packet(of message: RawSpan) throws(PomeloError) -> PomeloPacket {
        guard let packet = try packet(in: message, at: 0), packet.end == message.byteCount else {
            throw .notOnePacket(bytes: message.byteCount)
        }
        return packet
    }
}

extension PomeloPacket {
    /// What stands in front of a body of so many bytes.
    package static func head(_ kind: Kind, body count: Int) throws(PomeloError) -> ShortBytes {
        guard count <= mostBodyBytes else { throw .packetTooLarge(bytes: count, limit: mostBodyBytes) }
        return head(kind, count)
    }

    private static func head(_ kind: Kind, _ count: Int) -> ShortBytes {
        var head = ShortBytes()
        head.append((UInt32(kind.rawValue) << 24 | UInt32(count)).byteSwapped)
        return head
    }

    /// A whole packet.
    package static func bytes(_ kind: Kind, _ body: [UInt8]) throws(PomeloError) -> [UInt8] {
        var packet: [UInt8] = []
        packet.add(try head(kind, body: body.count).bytes)
        return packet + body
    }
}
