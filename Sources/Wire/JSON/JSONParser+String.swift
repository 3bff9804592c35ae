extension JSONParser {
    /// The string whose opening quote is at the offset.
    mutating func readString() throws(Failure) -> String {
        let opened = offset
        let quote = bytes[offset]
        offset += 1
        skipPlainText(until: quote)
        if peek() == quote {
            defer { offset += 1 }
            return try text(opened + 1..<offset)
        }
        // What stands there is not what it means, so the meaning is put together piece by piece.
        unescaped.removeAll(keepingCapacity: true)
        var start = opened + 1
        while true {
            guard let byte = peek() else { throw failure(.closingQuote, at: offset, opened: opened) }
            switch byte {
            case quote:
                unescaped.append(contentsOf: try text(start..<offset).utf8)
                offset += 1
                return String(decoding: unescaped, as: UTF8.self)
            case "\\":
                unescaped.append(contentsOf: try text(start..<offset).utf8)
                offset += 1
                try readEscape(opened)
                start = offset
            case _ where settings.grammar == .json5 && byte != "\n" && byte != "\r": offset += 1
            default: throw failure(.closingQuote)
            }
            skipPlainText(until: quote)
        }
    }

    /// The text of a range as it stands there.
    func text(_ range: Range<Int>) throws(Failure) -> String {
        do {
            return String(copying: try UTF8Span(validating: bytes.extracting(range)))
        } catch {
            guard settings.malformedText == .replace else {
                throw failure(.utf8, at: range.lowerBound + error.byteOffsets.lowerBound)
            }
        }
        // U+FFFD for each byte that begins no scalar, as Go has it. Swift's own repair takes several bytes for one.
        var repaired = String.UnicodeScalarView()
        var index = range.lowerBound
        while index < range.upperBound {
            let scalar = bytes.scalar(at: index)
            repaired.append(scalar ?? "\u{fffd}")
            index += scalar?.utf8.count ?? 1
        }
        return String(repaired)
    }

    /// To the next quote, backslash or control character, or to the end.
    private mutating func skipPlainText(until quote: UInt8) {
        while let byte = peek(), byte != quote, byte != "\\", byte >= 0x20 { offset += 1 }
    }

    /// What stands after a backslash.
    private mutating func readEscape(_ opened: Int) throws(Failure) {
        guard let byte = peek() else { throw failure(.escape, at: offset, opened: opened) }
        switch byte {
        case "\"", "\\", "/": unescaped.append(byte)
        case "b": unescaped.append(0x08)
        case "f": unescaped.append(0x0c)
        case "n": unescaped.append(0x0a)
        case "r": unescaped.append(0x0d)
        case "t": unescaped.append(0x09)
        case "u":
            unescaped.append(contentsOf: try readUnicodeEscape(opened).utf8)
            return
        case _ where settings.grammar == .json5: return try readJSON5Escape(byte, opened)
        default: throw failure(.escape)
        }
        offset += 1
    }

    /// From the u of `\u` on. Half of a surrogate pair is no scalar; where Go meets one, U+FFFD stands for it and what
    /// follows counts for itself.
    private mutating func readUnicodeEscape(_ opened: Int) throws(Failure) -> Unicode.Scalar {
        let backslash = offset - 1
        offset += 1
        let unit = try readHex(digits: 4, opened)
        if let scalar = Unicode.Scalar(unit) { return scalar }
        let end = offset
        if unit < 0xdc00, skip(word: "\\u") {
            let second = try readHex(digits: 4, opened)
            if (0xdc00...0xdfff).contains(second),
                let scalar = Unicode.Scalar(0x10000 + (unit & 0x3ff) << 10 + second & 0x3ff)
            {
                return scalar
            }
        }
        guard settings.malformedText == .replace else {
            throw .unexpected("one half", expected: .surrogatePair, at: position(of: backslash))
        }
        offset = end
        return "\u{fffd}"
    }

    mutating func readHex(digits: Int, _ opened: Int) throws(Failure) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<digits {
            guard let digit = peek().flatMap({ UInt32(hexDigit: $0) }) else {
                throw failure(.hexDigit, at: offset, opened: opened)
            }
            value = value << 4 | digit
            offset += 1
        }
        return value
    }
}

extension UInt32 {
    fileprivate init?(hexDigit byte: UInt8) {
        switch byte {
        case "0"..."9": self = UInt32(byte) - 0x30
        case "a"..."f", "A"..."F": self = UInt32(byte | 0x20) - 0x61 + 10
        default: return nil
        }
    }
}
