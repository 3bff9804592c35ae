/// A cursor over bytes that have already arrived. It never blocks and never copies.
package struct ByteReader: ~Escapable {
    private let bytes: RawSpan
    package private(set) var offset = 0

    @_lifetime(copy bytes)
    package init(_ bytes: RawSpan) { self.bytes = bytes }

    package var remaining: Int { bytes.byteCount - offset }

    /// The next little-endian integer, left unread.
    package func peek<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> T? {
        guard remaining >= MemoryLayout<T>.size else { return nil }
        // Safe because the guard proved that the bytes exist, and every bit pattern is an integer.
        return unsafe T(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
    }

    package mutating func read<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> T? {
        guard let value = peek(type) else { return nil }
        offset += MemoryLayout<T>.size
        return value
    }

    package mutating func readRange(_ count: Int) -> Range<Int>? {
        guard count >= 0, count <= remaining else { return nil }
        defer { offset += count }
        return offset..<(offset + count)
    }
}
