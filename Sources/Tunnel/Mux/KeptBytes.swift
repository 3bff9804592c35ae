import OmniwayWire

/// Bytes of a stream that have come while nobody reads. What was taken makes room for what comes, so a slow reader, who
/// never takes all, costs no more than there is.
struct KeptBytes {
    private var bytes: [UInt8] = []
    /// Taken, and still there.
    private var gone = 0
    /// Most bytes that are made room for before they come.
    private static let mostExpected = 256 << 10

    var count: Int { bytes.count - gone }
    var isEmpty: Bool { bytes.isEmpty }
    /// Bytes of memory.
    var held: Int { bytes.capacity }

    /// `expected` bytes may come before some are taken.
    mutating func append(_ more: RawSpan, expected: Int) {
        if bytes.isEmpty { bytes.reserveCapacity(min(expected, Self.mostExpected)) }
        // Moving pays when there is less to move than to gain.
        if gone >= count, gone > 0 {
            bytes.removeFirst(gone)
            gone = 0
        }
        bytes += more.array(0..<more.byteCount)
    }

    /// The next bytes, as a range of an array: whoever has it may keep more meanwhile.
    mutating func take(_ most: Int) -> (bytes: [UInt8], range: Range<Int>) {
        let taken = (bytes: bytes, range: gone..<gone + min(most, count))
        gone = taken.range.upperBound
        if gone == bytes.count { self = KeptBytes() }
        return taken
    }
}
