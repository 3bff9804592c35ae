/// Base 64 with padding (RFC 4648, section 4).
package enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let noDigit: UInt8 = 0xff
    /// What each byte stands for.
    private static let values = table(of: digits)
    private static let valuesURL = table(of: digits.dropLast(2) + [UInt8(ascii: "-"), UInt8(ascii: "_")])

    private static func table(of digits: [UInt8]) -> [UInt8] {
        var values = [UInt8](repeating: noDigit, count: 256)
        for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }

    package static func encode(_ bytes: [UInt8]) -> String {
        let digits = digits
        var text = [UInt8](repeating: UInt8(ascii: "="), count: (bytes.count + 2) / 3 * 4)
        var (from, to) = (0, 0)
        while from < bytes.count {
            let count = min(3, bytes.count - from)
            var bits = Int(bytes[from]) << 16
            if count > 1 { bits |= Int(bytes[from + 1]) << 8 }
            if count > 2 { bits |= Int(bytes[from + 2]) }
            text[to] = digits[bits >> 18]
            text[to + 1] = digits[bits >> 12 & 63]
            if count > 1 { text[to + 2] = digits[bits >> 6 & 63] }
            if count > 2 { text[to + 3] = digits[bits & 63] }
            (from, to) = (from + 3, to + 4)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil when the text is anything but what `encode` gives for some bytes.
    package static func decode(_ text: String) -> [UInt8]? {
        guard text.utf8.count.isMultiple(of: 4) else { return nil }
        var rest = text.utf8[...]
        for _ in 0..<2 where rest.last == UInt8(ascii: "=") { rest = rest.dropLast() }
        return bytes(rest, values)
    }

    /// As Go reads it: line ends within the text are passed over, and bits that belong to no byte say nothing.
    package static func decodeAsGo(_ text: String) -> [UInt8]? {
        var text = text.utf8.filter { $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") }
        guard text.count.isMultiple(of: 4) else { return nil }
        let padded = text.count
        for _ in 0..<2 where text.last == UInt8(ascii: "=") { text.removeLast() }
        if padded > text.count, let last = text.last, values[Int(last)] != noDigit {
            let mask: UInt8 = padded - text.count == 1 ? 0b111100 : 0b110000
            text[text.count - 1] = digits[Int(values[Int(last)] & mask)]
        }
        return bytes(text, values)
    }

    /// The variant for addresses, without padding (section 5), as web tokens have it. Nil unless the text is the one
    /// way to write some bytes.
    package static func decodeURL(_ text: some Sequence<UInt8>) -> [UInt8]? {
        bytes(text, valuesURL)
    }

    /// The one that `decodeURL` reads.
    package static func encodeURL(_ bytes: [UInt8]) -> String {
        let text = encode(bytes).utf8.filter { $0 != UInt8(ascii: "=") }.map { digit -> UInt8 in
            switch digit {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            default: digit
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func bytes(_ text: some Sequence<UInt8>, _ values: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.underestimatedCount / 4 * 3 + 2)
        var (bits, count) = (0, 0)
        for byte in text {
            let digit = values[Int(byte)]
            if digit == noDigit { return nil }
            (bits, count) = (bits << 6 | Int(digit), count + 6)
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
                bits &= (1 << count) - 1
            }
        }
        return bits == 0 && count < 6 ? bytes : nil
    }
}
