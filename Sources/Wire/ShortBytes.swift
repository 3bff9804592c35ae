/// Up to 16 bytes in place: a head on its way out.
package struct ShortBytes: Sendable {
    private var words: InlineArray<2, UInt64> = [0, 0]
    package private(set) var count = 0

    package init() {}

    /// Behind what is there, the lowest byte first.
    @inline(__always)
    package mutating func append<T: FixedWidthInteger & UnsignedInteger>(_ integer: T) {
        precondition(count + MemoryLayout<T>.size <= 16, "a head of more than 16 bytes")
        let value = UInt128(integer) << UInt128(8 * count)
        words[0] |= UInt64(truncatingIfNeeded: value).littleEndian
        words[1] |= UInt64(truncatingIfNeeded: value >> 64).littleEndian
        count += MemoryLayout<T>.size
    }

    package var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get { unsafe words.span.bytes.extracting(first: count) }
    }
}
