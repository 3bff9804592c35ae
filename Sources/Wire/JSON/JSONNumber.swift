extension JSON {
    /// A number as it was written: reading and writing loses no digit, however many there are.
    public struct Number: Sendable, Equatable, CustomStringConvertible {
        /// As RFC 8259 writes numbers. JSON5 alone also gives `Infinity`, `-Infinity` and `NaN`.
        let literal: String

        /// The caller has seen to it that the literal is a number.
        init(literal: String) { self.literal = literal }

        /// A whole number.
        public init(_ value: Int) { literal = String(value) }
        /// A whole number.
        public init(_ value: UInt64) { literal = String(value) }

        /// The fewest digits that read back as the same number, with the exponents of Go and JavaScript: below 1e-6
        /// and from 1e21. Go and we write `-0.0` as -0; `JSON.stringify`, otherwise alike, drops that sign.
        public init(_ value: Double) {
            if value.isFinite {
                literal = Self.layOut(value.description)
            } else {
                literal = value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
            }
        }

        /// Nil when the number has a fraction or an exponent, or does not fit.
        public var int64: Int64? { Int64(literal) }
        /// Nil when the number has a sign, a fraction or an exponent, or does not fit.
        public var uint64: UInt64? { literal.utf8.first == "-" ? nil : UInt64(literal) }
        /// The nearest number that the type can hold; nil when that would be infinite and the literal is not.
        public var double: Double? {
            guard let value = Double(literal), value.isFinite || !isFinite else { return nil }
            return value
        }

        /// False for what only JSON5 can write.
        var isFinite: Bool { literal.utf8.last.map { "0"..."9" ~= $0 } ?? false }

        /// The literal.
        public var description: String { literal }
    }
}

extension JSON.Number {
    /// Swift finds the right digits and lays them out in its own way: 1.0, 1e-05, 1e+16. It writes an exponent only
    /// below 1e-4 and above 2^54, where no digits of the fraction are left.
    private static func layOut(_ swift: String) -> String {
        guard let e = swift.utf8.firstIndex(of: UInt8(ascii: "e")) else {
            return swift.utf8.suffix(2).elementsEqual(".0".utf8) ? String(swift.dropLast(2)) : swift
        }
        let exponent = Int(swift[e...].dropFirst()) ?? 0
        let sign = swift.utf8.first == "-" ? "-" : ""
        let digits = swift[..<e].filter(\.isNumber)
        return switch exponent {
        case ..<(-6), 21...: swift[..<e] + (exponent > 0 ? "e+" : "e") + String(exponent)
        case ..<0: sign + "0." + String(repeating: "0", count: -1 - exponent) + digits
        default: sign + digits + String(repeating: "0", count: exponent + 1 - digits.count)
        }
    }
}
