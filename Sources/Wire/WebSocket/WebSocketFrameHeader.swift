/// What a frame is for (RFC 6455, 5.2).
package enum WebSocketOpcode: UInt8, Sendable {
    case continuation = 0
    case text = 1
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10

    package var isControl: Bool { rawValue >= 8 }
}

/// What stands in front of the payload of a frame: 2 to 14 bytes.
package struct WebSocketFrameHeader: Equatable, Sendable {
    package var opcode: WebSocketOpcode
    package var isFinal: Bool
    /// The message that begins here is compressed (RSV1, RFC 7692).
    package var isCompressed: Bool
    package var mask: WebSocketMask?
    package var length: Int

    package static let maxSize = 14
    package static let maxControlLength = 125

    package init(
        _ opcode: WebSocketOpcode, isFinal: Bool = true, isCompressed: Bool = false, mask: WebSocketMask? = nil,
        length: Int
    ) {
        (self.opcode, self.isFinal, self.isCompressed) = (opcode, isFinal, isCompressed)
        (self.mask, self.length) = (mask, length)
    }

    /// The next header; nil until all of it is there, and then nothing was read.
    /// What is wrong with its first two bytes is known as soon as they are there.
    package static func decode(from reader: inout ByteReader) throws(WebSocketError) -> WebSocketFrameHeader? {
        guard let start = reader.peek(UInt16.self) else { return nil }
        let (first, second) = (UInt8(truncatingIfNeeded: start), UInt8(truncatingIfNeeded: start >> 8))
        guard first & 0x30 == 0 else { throw .reservedBits(first) }
        guard let opcode = WebSocketOpcode(rawValue: first & 0x0f) else { throw .unknownOpcode(first & 0x0f) }
        var header = WebSocketFrameHeader(
            opcode, isFinal: first & 0x80 != 0, isCompressed: first & 0x40 != 0, length: Int(second & 0x7f))
        if opcode.isControl {
            guard header.isFinal else { throw .fragmentedControl }
            guard header.length <= maxControlLength else { throw .controlTooLong }
        }
        let isMasked = second & 0x80 != 0
        let lengthSize = header.length < 126 ? 0 : header.length == 126 ? 2 : 8
        guard reader.remaining >= 2 + lengthSize + (isMasked ? 4 : 0), reader.readRange(2) != nil else { return nil }
        if lengthSize == 2, let length = reader.read(UInt16.self) {
            header.length = Int(UInt16(bigEndian: length))
            guard header.length >= 126 else { throw .lengthNotMinimal(header.length) }
        } else if lengthSize == 8, let length = reader.read(UInt64.self) {
            guard let length = Int(exactly: UInt64(bigEndian: length)) else { throw .lengthTooLarge }
            header.length = length
            guard length > UInt16.max else { throw .lengthNotMinimal(length) }
        }
        if isMasked, let key = reader.read(UInt32.self) { header.mask = WebSocketMask(key) }
        return header
    }

    /// The bytes of the header.
    package var encoded: ShortBytes {
        let first = (isFinal ? 0x80 : 0) | (isCompressed ? 0x40 : 0) | opcode.rawValue
        let masked: UInt8 = mask == nil ? 0 : 0x80
        var result = ShortBytes()
        result.append(first)
        if length < 126 {
            result.append(masked | UInt8(truncatingIfNeeded: length))
        } else if length <= Int(UInt16.max) {
            result.append(masked | 126)
            result.append(UInt16(truncatingIfNeeded: length).byteSwapped)
        } else {
            result.append(masked | 127)
            result.append(UInt64(length).byteSwapped)
        }
        if let mask { result.append(mask.key) }
        return result
    }
}
