extension Unicode.Scalar {
    /// Shows as itself and stays in its line: no control, no break, nothing invisible that reorders what is around it.
    fileprivate var isPrintable: Bool {
        if isASCII { return value >= 0x20 && value != 0x7f }
        let category = properties.generalCategory
        return ![.control, .format, .lineSeparator, .paragraphSeparator].contains(category)
    }

    /// Can stand in a line of text without quotes.
    var isBare: Bool {
        if isASCII { return value > 0x20 && value != 0x7f && self != "\"" && self != "=" }
        return isPrintable && !properties.isWhitespace
    }
}

extension [UInt8] {
    /// Appends `text` as it is when all of it may be bare, and quoted otherwise.
    mutating func append(_ text: String, bareWhen isBare: (Unicode.Scalar) -> Bool) {
        if !text.isEmpty && text.unicodeScalars.allSatisfy(isBare) {
            append(contentsOf: text.utf8)
        } else {
            append(quoting: text)
        }
    }

    /// Appends `text` as a string of JSON, with everything escaped that does not print.
    mutating func append(quoting text: String) {
        append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": append(contentsOf: #"\""#.utf8)
            case "\\": append(contentsOf: #"\\"#.utf8)
            case "\n": append(contentsOf: #"\n"#.utf8)
            case "\r": append(contentsOf: #"\r"#.utf8)
            case "\t": append(contentsOf: #"\t"#.utf8)
            case _ where scalar.isPrintable: append(contentsOf: scalar.utf8)
            default: for unit in scalar.utf16 { append(escaping: unit) }
            }
        }
        append(UInt8(ascii: "\""))
    }

    private mutating func append(escaping unit: UInt16) {
        let digits = String(unit, radix: 16)
        append(contentsOf: #"\u"#.utf8)
        append(contentsOf: repeatElement(UInt8(ascii: "0"), count: 4 - digits.utf8.count))
        append(contentsOf: digits.utf8)
    }
}
