/// Whole numbers of 64 bits as pomelo and protobuf write them: seven bits to a byte, the lowest first, and the top bit
/// for more to come.
enum Varint {
    /// What 64 bits need. Longer ones are refused, even if they add only zeros.
    static let mostBytes = 10

    enum ReadError: Error {
        case cut
        /// More bytes, or more bits, than a number of 64 bits has.
        case tooLarge
    }

    /// Bytes that a number takes.
    static func size(_ value: UInt64) -> Int { max(1, (64 - value.leadingZeroBitCount + 6) / 7) }

    static func append(_ value: UInt64, to bytes: inout ShortBytes) {
        var rest = value
        while rest > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        if value <= 0x7f { return bytes.append(UInt8(value)) }
        var short = ShortBytes()
        append(value, to: &short)
        bytes.add(short.bytes)
    }
}

extension ByteReader {
    /// The next number; zeros that it did not need are no fault.
    mutating func readVarint() throws(Varint.ReadError) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<Varint.mostBytes {
            guard let byte = read(UInt8.self) else { throw .cut }
            guard index < 9 || byte < 2 else { throw .tooLarge }
            value |= UInt64(byte & 0x7f) << UInt64(7 * index)
            if byte < 0x80 { return value }
        }
        throw .tooLarge
    }
}
