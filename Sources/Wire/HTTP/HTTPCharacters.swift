/// Which bytes may stand where in a head (RFC 9110, section 5).
enum HTTPCharacters {
    /// Letters, digits and ``!#$%&'*+-.^_`|~``: the bytes of methods and field names, as two bit sets.
    private static let tokens: (low: UInt64, high: UInt64) = (0x03ff_6cfa_0000_0000, 0x57ff_ffff_c7ff_fffe)

    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        let set = byte < 64 ? tokens.low : byte < 128 ? tokens.high : 0
        return set >> UInt64(byte & 63) & 1 == 1
    }

    /// Anything but control bytes, and of these the tab.
    @inline(__always)
    static func isValue(_ byte: UInt8) -> Bool { (byte >= 0x20 && byte != 0x7f) || byte == 0x09 }

    @inline(__always)
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    @inline(__always)
    static func lowercase(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    static func hexDigit(_ byte: UInt8) -> Int? {
        switch lowercase(byte) {
        case 0x30...0x39: Int(byte) - 0x30
        case 0x61...0x66: Int(lowercase(byte)) - 0x61 + 10
        default: nil
        }
    }
}

extension RawSpan {
    /// The same bytes, case included, at a place that may be beyond the end.
    func matches(_ text: StaticString, at start: Int) -> Bool {
        let count = text.utf8CodeUnitCount
        guard start >= 0, count <= byteCount - start else { return false }
        return (0..<count).allSatisfy { byte(start + $0) == text.byte($0) }
    }

    /// The same letters, whatever their case, in a range as long as the text, which is in lower case.
    func matches(lowercased text: StaticString, in range: Range<Int>) -> Bool {
        for index in 0..<text.utf8CodeUnitCount
        where HTTPCharacters.lowercase(byte(range.lowerBound + index)) != text.byte(index) { return false }
        return true
    }
}

extension StaticString {
    /// One of the bytes of a text of several characters.
    @inline(__always)
    fileprivate func byte(_ index: Int) -> UInt8 {
        precondition(index < utf8CodeUnitCount)
        return unsafe utf8Start[index]  // Safe because that many bytes are there.
    }
}
