import OmniwayCrypto

/// The last bytes that were written to a stream, as they are on the wire. It grows with what is written, up to its
/// size.
struct SnetRing: Sendable {
    /// How many of the last bytes can be sent again.
    let size: Int
    /// A ring of nothing still has room for what is on its way out.
    let capacity: Int
    private var bytes: [UInt8] = []

    init(size: Int) {
        precondition(size >= 0, "a ring has no negative size")
        (self.size, capacity) = (size, max(size, Self.least))
    }
    private static let least = 4 << 10

    /// Keeps bytes of the stream that begin at `position`, at most `capacity`, and encrypts them if there is a cipher.
    mutating func put(_ source: RawSpan, at position: UInt64, _ ciphers: inout [RC4]) {
        grow(toHold: position.addingReportingOverflow(UInt64(source.byteCount)).partialValue)
        let start = index(position)
        let first = min(source.byteCount, capacity - start)
        put(source.extracting(first: first), at: start, &ciphers)
        if first < source.byteCount { put(source.extracting(droppingFirst: first), at: 0, &ciphers) }
    }

    private mutating func put(_ source: RawSpan, at start: Int, _ ciphers: inout [RC4]) {
        // Safe because `grow` and `put` have made sure that the place exists, and the slice checks it.
        unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe source.withUnsafeBytes { source in
                unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start..<(start + source.count)])
                    .copyMemory(from: source)
            }
        }
        guard !ciphers.isEmpty else { return }
        var all = bytes.mutableSpan
        var piece = all._mutatingExtracting(start..<(start + source.byteCount))
        ciphers[0].apply(to: &piece)
    }

    /// Before it is full, a byte lies at its position.
    private mutating func grow(toHold end: UInt64) {
        guard bytes.count < capacity, end > UInt64(bytes.count) else { return }
        let needed = Int(min(end, UInt64(capacity)))
        let roomy = min(capacity, max(needed, 2 * bytes.count, Self.least))
        bytes.reserveCapacity(roomy)
        bytes.append(contentsOf: repeatElement(0, count: roomy - bytes.count))
    }

    private func index(_ position: UInt64) -> Int { Int(position % UInt64(capacity)) }

    /// The bytes from `position` on, as far as they lie side by side and before `end`.
    @_lifetime(borrow self)
    func piece(from position: UInt64, to end: UInt64) -> RawSpan {
        let start = index(position)
        let count = Int(min(end - position, UInt64(capacity - start)))
        return unsafe bytes.span.bytes.extracting(start..<(start + count))  // Safe because a UInt8 has no padding.
    }

    var heldBytes: Int { bytes.capacity }
}
