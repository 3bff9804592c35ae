// What JSON5 adds to JSON, apart from numbers.
extension JSONParser {
    /// False when neither a comment nor what only JSON5 calls white space begins with the byte at the offset.
    mutating func skipJSON5Space(_ byte: UInt8) throws(Failure) -> Bool {
        switch byte {
        case "\u{b}", "\u{c}": offset += 1
        case "/" where skip(word: "//"): skipLine()
        case "/":
            let opened = offset
            guard skip(word: "/*") else { return false }
            while !skip(word: "*/") {
                guard offset < bytes.count else { throw failure(.commentEnd, at: offset, opened: opened) }
                offset += 1
            }
        case 0x80...:
            guard let scalar = bytes.scalar(at: offset), scalar.isJSON5Space else { return false }
            offset += scalar.utf8.count
        default: return false
        }
        return true
    }

    /// To the end of the line, or of the text.
    private mutating func skipLine() {
        while offset < bytes.count {
            let scalar = bytes.scalar(at: offset)
            if let scalar, scalar.isLineEnd { return }
            offset += scalar?.utf8.count ?? 1
        }
    }

    /// What stands after a backslash and means nothing to JSON.
    mutating func readJSON5Escape(_ byte: UInt8, _ opened: Int) throws(Failure) {
        switch byte {
        case "1"..."9": throw failure(.escape)
        case 0x80...:
            // A line that goes on in the next, or a character that stands for itself.
            if let scalar = bytes.scalar(at: offset), scalar.isLineEnd { offset += scalar.utf8.count }
            return
        default: offset += 1
        }
        switch byte {
        case "\r": _ = skip("\n")
        case "\n": break
        case "v": unescaped.append(0x0b)
        case "0":
            if let next = peek(), "0"..."9" ~= next { throw failure(.escape) }
            unescaped.append(0)
        case "x": unescaped.append(contentsOf: Unicode.Scalar(UInt8(try readHex(digits: 2, opened))).utf8)
        default: unescaped.append(byte)
        }
    }

    /// A key without quotes: a name as ECMAScript 5.1 has them.
    mutating func readBareKey(_ expected: Failure.Expectation) throws(Failure) -> String {
        var key = String.UnicodeScalarView()
        while offset < bytes.count {
            let start = offset
            let scalar: Unicode.Scalar?
            if skip("\\") {
                guard skip("u") else { throw failure(.escape) }
                scalar = Unicode.Scalar(try readHex(digits: 4, start))
            } else {
                scalar = bytes.scalar(at: offset)
                offset += scalar?.utf8.count ?? 0
            }
            guard let scalar, scalar.beginsName || !key.isEmpty && scalar.continuesName else {
                offset = start
                break
            }
            key.append(scalar)
        }
        guard !key.isEmpty else { throw failure(expected) }
        return String(key)
    }
}

extension Unicode.Scalar {
    fileprivate var isLineEnd: Bool { self == "\n" || self == "\r" || self == "\u{2028}" || self == "\u{2029}" }

    fileprivate var isJSON5Space: Bool {
        isLineEnd || self == "\u{feff}" || properties.generalCategory == .spaceSeparator
    }

    fileprivate var beginsName: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .letterNumber: true
        default: self == "$" || self == "_"
        }
    }

    fileprivate var continuesName: Bool {
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .decimalNumber, .connectorPunctuation: true
        default: self == "\u{200c}" || self == "\u{200d}"
        }
    }
}
