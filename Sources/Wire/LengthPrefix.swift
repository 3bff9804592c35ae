/// Messages in a stream: a big-endian 16-bit length, then that many bytes.
package struct LengthPrefix: Sendable {
    package static let size = 2
    package static let maxLength = Int(UInt16.max)

    package init() {}

    /// The position of the next whole message; nil until more bytes arrive, and then nothing was read.
    package func decode(from reader: inout ByteReader) -> Range<Int>? {
        guard let length = reader.peek(UInt16.self).map({ Int(UInt16(bigEndian: $0)) }),
            reader.remaining >= Self.size + length, reader.readRange(Self.size) != nil
        else { return nil }
        return reader.readRange(length)
    }

    /// What stands in front of a message of `length` bytes.
    package func prefix(for length: Int) -> [UInt8] { [UInt8(length >> 8), UInt8(length & 255)] }
}
