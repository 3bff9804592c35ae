/// Base 64 with padding (RFC 4648, section 4).
package enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    package static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for index in 0..<4 {
                text.append(index <= group.count ? digits[bits >> (18 - 6 * index) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil when the text is anything but what `encode` gives for some bytes.
    package static func decode(_ text: String) -> [UInt8]? {
        guard text.utf8.count.isMultiple(of: 4) else { return nil }
        var rest = text.utf8[...]
        for _ in 0..<2 where rest.last == UInt8(ascii: "=") { rest = rest.dropLast() }
        return bytes(rest) { digits.firstIndex(of: $0) }
    }

    /// The variant for addresses, without padding (section 5), as web tokens have it. Nil unless the text is the one
    /// way to write some bytes.
    package static func decodeURL(_ text: some Sequence<UInt8>) -> [UInt8]? {
        bytes(text) { byte in
            switch byte {
            case UInt8(ascii: "-"): 62
            case UInt8(ascii: "_"): 63
            case UInt8(ascii: "+"), UInt8(ascii: "/"): nil
            default: digits.firstIndex(of: byte)
            }
        }
    }

    private static func bytes(_ text: some Sequence<UInt8>, _ digit: (UInt8) -> Int?) -> [UInt8]? {
        var bytes: [UInt8] = []
        var (bits, count) = (0, 0)
        for byte in text {
            guard let digit = digit(byte) else { return nil }
            (bits, count) = (bits << 6 | digit, count + 6)
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
                bits &= (1 << count) - 1
            }
        }
        return bits == 0 && count < 6 ? bytes : nil
    }
}
