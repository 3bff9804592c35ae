/// The frames of the gateway protocol: a little-endian length, the id of a virtual connection, a payload. Under id zero
/// the payload is a command.
public struct GatewayCodec: Sendable {
    public let dialect: GatewayDialect
    /// Most bytes behind the length of one frame: the id and the payload.
    public let maxPacketSize: Int

    public init(_ dialect: GatewayDialect, maxPacketSize: Int = 512 << 10) {
        precondition(maxPacketSize >= 4 && maxPacketSize <= Int(UInt32.max), "a packet size that fits no frame")
        (self.dialect, self.maxPacketSize) = (dialect, maxPacketSize)
    }

    /// Bytes in front of a payload.
    public static let headerSize = 8

    /// The whole frame that begins at `offset`, or nil until more bytes have arrived.
    @inlinable
    @inline(__always)
    public func frame(in bytes: RawSpan, at offset: Int) throws(GatewayError) -> GatewayFrame? {
        let count = bytes.byteCount - offset
        guard count >= 4 else { return nil }
        // Safe because four bytes are there, and eight in the second load, which is behind the same check.
        let length = Int(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian)
        guard length >= 4, length <= maxPacketSize else { throw wrongLength(length) }
        guard count >= 4 + length else { return nil }
        let id = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset + 4, as: UInt32.self).littleEndian
        return GatewayFrame(connection: ConnectionID(rawValue: id), start: offset, count: 4 + length)
    }

    @usableFromInline
    func wrongLength(_ length: Int) -> GatewayError {
        length < 4 ? .packetTooShort(length: length) : .packetTooLarge(length: length, limit: maxPacketSize)
    }
}

/// Where one frame is among the bytes that it was read from.
@frozen
public struct GatewayFrame: Equatable, Sendable {
    /// Zero for a command.
    public let connection: ConnectionID
    public let start: Int
    /// Bytes of the frame, its length field included.
    public let count: Int

    @inlinable
    init(connection: ConnectionID, start: Int, count: Int) {
        (self.connection, self.start, self.count) = (connection, start, count)
    }

    @inlinable public var isCommand: Bool { connection.rawValue == 0 }
    @inlinable public var end: Int { start + count }
    @inlinable public var range: Range<Int> { start..<end }
    @inlinable public var payload: Range<Int> { start + GatewayCodec.headerSize..<end }
}
