import OmniwayMain

/// A packet codec of one's own: two bytes say how long the body is, one says what it is.
struct ShortPackets: PacketCodec {
    struct Fault: Error, CustomStringConvertible { let description: String }

    func packet(in bytes: RawSpan, at offset: Int) throws -> PomeloPacket? {
        guard bytes.byteCount >= offset + 3 else { return nil }
        let type = bytes.byte(at: offset + 2)
        guard let kind = PomeloPacket.Kind(rawValue: type) else {
            throw Fault(description: "there are no packets of type \(type)")
        }
        let start = offset + 3
        let end = start + Int(bytes.byte(at: offset)) << 8 + Int(bytes.byte(at: offset + 1))
        return end <= bytes.byteCount ? PomeloPacket(kind, body: start..<end) : nil
    }

    func head(_ kind: PomeloPacket.Kind, body count: Int) throws -> [UInt8] {
        guard let size = UInt16(exactly: count) else { throw Fault(description: "\(count) bytes are too many") }
        return [UInt8(size >> 8), UInt8(size & 0xff), kind.rawValue]
    }
}

extension RawSpan {
    /// The byte at an index, which is checked.
    fileprivate func byte(at index: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: index, as: UInt8.self) }
}
