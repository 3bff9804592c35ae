extension JSONParser {
    mutating func readNumber() throws(Failure) -> JSON.Number {
        let start = offset
        let isNegative = skip("-")
        if settings.grammar == .json5 {
            if !isNegative { _ = skip("+") }
            if skip(word: "Infinity") { return JSON.Number(literal: isNegative ? "-Infinity" : "Infinity") }
            if skip(word: "NaN") { return JSON.Number(literal: "NaN") }
            if skip(word: "0x") || skip(word: "0X") { return try readHexadecimal(isNegative: isNegative) }
        }
        let whole = skipDigits()
        if whole.count > 1, bytes[whole.lowerBound] == "0" {
            throw failure(.numberWithoutLeadingZero, at: whole.lowerBound + 1)
        }
        // JSON5 needs digits on one side of the point only.
        let mayLackDigits = settings.grammar == .json5
        guard !whole.isEmpty || mayLackDigits && peek() == "." else { throw failure(.digit) }
        let hasPoint = skip(".")
        let fraction = hasPoint ? skipDigits() : offset..<offset
        guard !hasPoint || !fraction.isEmpty || mayLackDigits && !whole.isEmpty else { throw failure(.digit) }
        let exponent = offset
        if skip("e") || skip("E") {
            if !skip("-") { _ = skip("+") }
            guard !skipDigits().isEmpty else { throw failure(.digit) }
        }
        if bytes[start] != "+", !whole.isEmpty, !hasPoint || !fraction.isEmpty {
            return JSON.Number(literal: try text(start..<offset))
        }
        // The same number as JSON writes it.
        var literal = isNegative ? "-" : ""
        literal += whole.isEmpty ? "0" : try text(whole)
        if !fraction.isEmpty { literal += "." + (try text(fraction)) }
        literal += try text(exponent..<offset)
        return JSON.Number(literal: literal)
    }

    /// The digits after `0x`, as a decimal number.
    private mutating func readHexadecimal(isNegative: Bool) throws(Failure) -> JSON.Number {
        let start = offset
        while let byte = peek(), "0"..."9" ~= byte || "a"..."f" ~= byte | 0x20 { offset += 1 }
        guard offset > start else { throw failure(.hexDigit) }
        guard let value = UInt64(try text(start..<offset), radix: 16) else { throw failure(.shorterNumber, at: start) }
        return JSON.Number(literal: (isNegative ? "-" : "") + String(value))
    }

    private mutating func skipDigits() -> Range<Int> {
        let start = offset
        while let byte = peek(), "0"..."9" ~= byte { offset += 1 }
        return start..<offset
    }
}
