extension JSONParser {
    /// The grammar wants something else at an offset. Where the text ends too early, `opened` is the beginning of what
    /// is not closed.
    func failure(_ expected: Failure.Expectation, at offset: Int, opened: Int? = nil) -> Failure {
        guard offset < bytes.count else {
            return .ended(
                expected: expected, opened: (opened ?? open.last?.offset).map { position(of: $0) },
                at: position(of: offset))
        }
        return .unexpected(found(at: offset), expected: expected, at: position(of: offset))
    }

    func failure(_ expected: Failure.Expectation) -> Failure { failure(expected, at: offset) }

    func position(of offset: Int) -> JSON.Position { JSON.Position(of: offset, in: bytes) }

    /// What stands at an offset, for people: a word, a character or a byte.
    private func found(at offset: Int) -> String {
        guard let scalar = bytes.scalar(at: offset) else { return "the byte 0x" + String(bytes[offset], radix: 16) }
        guard scalar.isPrintable else {
            let digits = String(scalar.value, radix: 16, uppercase: true)
            return "U+" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
        }
        var word = String(scalar)
        var next = offset + scalar.utf8.count
        while scalar.isWordPart, next < bytes.count, word.utf8.count < 24, let part = bytes.scalar(at: next),
            part.isWordPart
        {
            word.unicodeScalars.append(part)
            next += part.utf8.count
        }
        return "'\(word)'"
    }
}

extension Unicode.Scalar {
    fileprivate var isWordPart: Bool { properties.isAlphabetic || properties.numericType != nil || self == "_" }
    fileprivate var isPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse, .surrogate: false
        default: true
        }
    }
}
