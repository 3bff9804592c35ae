/// Says whether bytes are UTF-8 (RFC 3629), piece by piece, at the first byte that cannot be.
package struct UTF8Check: Equatable, Sendable {
    /// Bytes that a character still lacks, and between which values the next one is.
    private var missing: UInt8 = 0
    private var low: UInt8 = 0x80
    private var high: UInt8 = 0xbf

    package init() {}

    /// No character is cut here.
    package var isComplete: Bool { missing == 0 }

    /// Goes on with `bytes`. After false there is nothing more to ask.
    package mutating func check(_ bytes: RawSpan) -> Bool {
        var check = self
        let isValid = check.goOn(bytes)
        self = check
        return isValid
    }

    @inline(__always)
    private mutating func goOn(_ bytes: RawSpan) -> Bool {
        let count = bytes.byteCount
        var at = 0
        while at < count {
            if missing == 0 {
                at = Self.endOfASCII(bytes, from: at)
                if at == count { return true }
            }
            // Safe because `at` is below the count.
            guard take(unsafe bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)) else { return false }
            at &+= 1
        }
        return true
    }

    /// Where the first byte stands that is not ASCII, as far as whole words and then bytes tell.
    @inline(__always)
    private static func endOfASCII(_ bytes: RawSpan, from start: Int) -> Int {
        let count = bytes.byteCount
        var at = start
        // Safe because every load stays below `count`, and no load needs to be aligned.
        while at &+ 64 <= count {
            let words = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: at, as: SIMD8<UInt64>.self)
            let pairs = words.lowHalf | words.highHalf
            let both = pairs.lowHalf | pairs.highHalf
            if (both.x | both.y) & 0x8080_8080_8080_8080 != 0 { break }
            at &+= 64
        }
        while at &+ 8 <= count {
            let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self)
            let marks = UInt64(littleEndian: word) & 0x8080_8080_8080_8080
            if marks != 0 { return at &+ marks.trailingZeroBitCount / 8 }
            at &+= 8
        }
        while at < count, unsafe bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self) < 0x80 { at &+= 1 }
        return at
    }

    @inline(__always)
    private mutating func take(_ byte: UInt8) -> Bool {
        if missing > 0 {
            guard byte >= low, byte <= high else { return false }
            missing &-= 1
            (low, high) = (0x80, 0xbf)
            return true
        }
        switch byte {
        case 0x00...0x7f: return true
        case 0xc2...0xdf: missing = 1
        case 0xe0: (missing, low) = (2, 0xa0)  // Not longer than needed.
        case 0xed: (missing, high) = (2, 0x9f)  // No surrogates.
        case 0xe1...0xef: missing = 2
        case 0xf0: (missing, low) = (3, 0x90)
        case 0xf4: (missing, high) = (3, 0x8f)  // Up to U+10FFFF.
        case 0xf1...0xf3: missing = 3
        default: return false
        }
        return true
    }
}
