extension RawSpan {
    /// The byte at an index, which is checked.
    @inline(__always)
    package func byte(_ index: Int) -> UInt8 {
        unsafe unsafeLoad(fromByteOffset: index, as: UInt8.self)  // Safe because every byte is a UInt8.
    }

    /// Where the next line feed is, eight bytes at a time.
    func firstLineFeed(from start: Int) -> Int? {
        var index = start
        let feeds: UInt64 = 0x0a0a_0a0a_0a0a_0a0a
        while index + 8 <= byteCount {
            // Safe because eight bytes are there, and any of them make an integer.
            let word = unsafe unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian ^ feeds
            let zeros = (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
            if zeros != 0 { return index + zeros.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < byteCount {
            if byte(index) == UInt8(ascii: "\n") { return index }
            index += 1
        }
        return nil
    }

    /// Bytes as text; what is not UTF-8 becomes a replacement character.
    package func text(_ range: Range<Int>) -> String {
        unsafe extracting(range).withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// A copy of bytes.
    package func array(_ range: Range<Int>) -> [UInt8] {
        unsafe extracting(range).withUnsafeBytes { unsafe Array($0) }
    }
}

extension [UInt8] {
    /// Appends bytes that have arrived; where they stand then.
    @discardableResult
    package mutating func add(_ bytes: RawSpan) -> Range<Int> {
        let start = count
        unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
        return start..<count
    }
}
