extension Span<UInt8> {
    /// The scalar whose UTF-8 begins at an offset; nil where there is none.
    func scalar(at offset: Int) -> Unicode.Scalar? {
        let first = self[offset]
        if first < 0x80 { return Unicode.Scalar(first) }
        let length = (~first).leadingZeroBitCount
        guard (2...4).contains(length), length <= count - offset else { return nil }
        var value = UInt32(first) & (0x7f >> UInt32(length))
        for index in offset + 1..<offset + length {
            guard self[index] & 0xc0 == 0x80 else { return nil }
            value = value << 6 | UInt32(self[index] & 0x3f)
        }
        // A scalar in more bytes than it needs is not UTF-8, and neither is half of a surrogate pair.
        guard let scalar = Unicode.Scalar(value), UTF8.width(scalar) == length else { return nil }
        return scalar
    }
}
