/// Addresses in digits, in exactly the forms that a protocol may demand.
enum IPText {
    /// A decimal number without a sign or leading zeros.
    static func number(_ text: ArraySlice<UInt8>, most: Int) -> Int? {
        guard !text.isEmpty, text.count <= 5, text.first != UInt8(ascii: "0") || text.count == 1 else { return nil }
        var value = 0
        for digit in text {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return value <= most ? value : nil
    }

    static func ipv4(_ text: ArraySlice<UInt8>) -> UInt32? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard let number = number(part, most: 255) else { return nil }
            address = address << 8 | UInt32(number)
        }
        return address
    }

    static func ipv6(_ text: ArraySlice<UInt8>) -> (high: UInt64, low: UInt64)? {
        let colon = UInt8(ascii: ":")
        var groups: [UInt16] = []
        var gap: Int?
        var rest = text
        if rest.starts(with: [colon, colon]) {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let part = rest.prefix { $0 != colon }
            let after = rest[part.endIndex...]
            if part.contains(UInt8(ascii: ".")) {
                guard after.isEmpty, let v4 = ipv4(part) else { return nil }
                groups += [UInt16(v4 >> 16), UInt16(truncatingIfNeeded: v4)]
                rest = after
                break
            }
            guard let group = group(part) else { return nil }
            groups.append(group)
            if groups.count > 8 { return nil }
            if after.starts(with: [colon, colon]) {
                if gap != nil { return nil }
                gap = groups.count
                rest = after.dropFirst(2)
            } else if after.count == 1 {
                return nil  // A colon at the end.
            } else {
                rest = after.dropFirst()
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: Array(repeating: 0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        func half(_ groups: ArraySlice<UInt16>) -> UInt64 { groups.reduce(0) { $0 << 16 | UInt64($1) } }
        return (half(groups[..<4]), half(groups[4...]))
    }

    private static func group(_ text: ArraySlice<UInt8>) -> UInt16? {
        guard (1...4).contains(text.count) else { return nil }
        var value: UInt16 = 0
        for character in text {
            guard let digit = Character(Unicode.Scalar(character)).hexDigitValue, character < 128 else { return nil }
            value = value << 4 | UInt16(digit)
        }
        return value
    }

    static func text(_ address: UInt32) -> String {
        (0..<4).map { "\(address >> (24 - 8 * $0) & 255)" }.joined(separator: ".")
    }

    /// Without shortening: every reader knows this form.
    static func text(_ high: UInt64, _ low: UInt64) -> String {
        (0..<8).map { index in
            let half = index < 4 ? high : low
            return String(half >> UInt64(48 - 16 * (index & 3)) & 0xffff, radix: 16)
        }.joined(separator: ":")
    }
}
