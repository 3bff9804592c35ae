import OmniwayTransport

/// Values as Go's standard library reads them from text, and writes them.
enum GoText {
    /// A sum such as `1m30s`, `1.5h`, `-250ms` or `0`; nil when the text is none, or more than Go can count.
    static func duration(_ text: String) -> Duration? {
        var rest = Substring(text).utf8
        var sign: Int128 = 1
        if let first = rest.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            if first == UInt8(ascii: "-") { sign = -1 }
            rest.removeFirst()
        }
        if rest.elementsEqual("0".utf8) { return .zero }
        guard !rest.isEmpty else { return nil }
        var sum: Int128 = 0
        while !rest.isEmpty {
            let whole = rest.prefix(while: \.isDigit)
            rest = rest[whole.endIndex...]
            var fraction = rest[..<rest.startIndex]
            if rest.first == UInt8(ascii: ".") {
                fraction = rest.dropFirst().prefix(while: \.isDigit)
                rest = rest[fraction.endIndex...]
            }
            let name = rest.prefix { !$0.isDigit && $0 != UInt8(ascii: ".") }
            rest = rest[name.endIndex...]
            guard whole.count + fraction.count > 0, let unit = unit(Substring(name)),
                whole.count < 20, let count = whole.isEmpty ? 0 : Int128(Substring(whole))
            else { return nil }
            sum += count * unit
            var scale = unit
            for digit in fraction {  // Parts of a nanosecond are dropped, as Go does.
                scale /= 10
                sum += Int128(digit - UInt8(ascii: "0")) * scale
            }
            guard sum <= Int128(Int64.max) else { return nil }
        }
        return .nanoseconds(Int64(sign * sum))
    }

    /// The shortest sum that reads back as the same: `5s`, `1m30s`, `1.5ms`.
    static func text(_ duration: Duration) -> String {
        let all = duration.nanoseconds
        let sign = all < 0 ? "-" : ""
        let count = all.magnitude
        switch count {
        case 0: return "0s"
        case ..<1000: return "\(sign)\(count)ns"
        case ..<1_000_000: return sign + decimal(count, per: 1000) + "µs"
        case ..<1_000_000_000: return sign + decimal(count, per: 1_000_000) + "ms"
        default:
            let (minutes, rest) = count.quotientAndRemainder(dividingBy: 60_000_000_000)
            let seconds = decimal(rest, per: 1_000_000_000) + "s"
            return switch minutes {
            case 0: sign + seconds
            case ..<60: "\(sign)\(minutes)m\(seconds)"
            default: "\(sign)\(minutes / 60)h\(minutes % 60)m\(seconds)"
            }
        }
    }

    private static func decimal(_ count: UInt64, per unit: UInt64) -> String {
        let (whole, rest) = count.quotientAndRemainder(dividingBy: unit)
        if rest == 0 { return "\(whole)" }
        var digits = String(String(unit + rest).dropFirst())
        while digits.hasSuffix("0") { digits.removeLast() }
        return "\(whole).\(digits)"
    }

    private static func unit(_ name: Substring) -> Int128? {
        switch name {
        case "ns": 1
        case "us", "\u{b5}s", "\u{3bc}s": 1000
        case "ms": 1_000_000
        case "s": 1_000_000_000
        case "m": 60_000_000_000
        case "h": 3_600_000_000_000
        default: nil
        }
    }

    static func bool(_ text: String) -> Bool? {
        switch text {
        case "1", "t", "T", "TRUE", "true", "True": true
        case "0", "f", "F", "FALSE", "false", "False": false
        default: nil
        }
    }

    /// A whole number in the digits of its prefix: `25`, `0x19`, `0b11001`, `0o31` or `031`.
    static func int(_ text: String) -> Int? {
        let sign = text.hasPrefix("-") ? "-" : ""
        let digits = text.drop { $0 == "-" || $0 == "+" }
        guard text.count - digits.count <= 1 else { return nil }
        let lower = digits.lowercased()
        for (prefix, radix) in [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)]
        where lower.count > prefix.count && lower.hasPrefix(prefix) {
            let rest = lower.dropFirst(prefix.count)
            return rest.first == "-" || rest.first == "+" ? nil : Int(sign + rest, radix: radix)
        }
        return Int(sign + digits)
    }
}

extension UInt8 {
    fileprivate var isDigit: Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= self }
}
