extension JSONOutput {
    mutating func write(_ text: String) {
        bytes.append("\"")
        if settings.escaping.leaves(text.utf8.span) {
            bytes.append(contentsOf: text.utf8)
        } else {
            appendEscaped(text.utf8.span)
        }
        bytes.append("\"")
    }

    mutating func write(utf8 text: RawSpan) {
        bytes.append("\"")
        appendEscaped(Span<UInt8>(_bytes: text))
        bytes.append("\"")
    }

    private mutating func appendEscaped(_ text: Span<UInt8>) {
        var index = 0
        while index < text.count {
            let scalar = text.scalar(at: index)
            index += scalar?.utf8.count ?? 1
            switch scalar {
            case nil: bytes.append(contentsOf: settings.escaping.malformed.utf8)
            case let scalar? where settings.escaping.leaves(scalar): bytes.append(contentsOf: scalar.utf8)
            case let scalar?: append(escaping: scalar)
            }
        }
    }

    private mutating func append(escaping scalar: Unicode.Scalar) {
        bytes.append("\\")
        if let letter = settings.escaping.letter(for: scalar) {
            bytes.append(letter)
        } else {
            let digits = String(scalar.value, radix: 16)
            bytes.append("u")
            bytes.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: 4 - digits.utf8.count))
            bytes.append(contentsOf: digits.utf8)
        }
    }
}

extension JSON.Writer.Escaping {
    /// What stands for a byte that is no UTF-8.
    fileprivate var malformed: String { self == .go ? #"\ufffd"# : "\u{fffd}" }

    /// Whether all of a text, which is UTF-8, can stand between quotes as it is. True too seldom, never too often.
    fileprivate func leaves(_ text: Span<UInt8>) -> Bool {
        for index in text.indices {
            switch text[index] {
            case 0..<0x20, "\"", "\\": return false
            // The last is the first byte of U+2028 and U+2029.
            case "<", ">", "&", 0xe2: if self == .go { return false }
            default: break
            }
        }
        return true
    }

    fileprivate func leaves(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\0"..."\u{1f}", "\"", "\\": false
        case "<", ">", "&", "\u{2028}", "\u{2029}": self != .go
        default: true
        }
    }

    /// What stands after the backslash; nil for `\u` and the number.
    fileprivate func letter(for scalar: Unicode.Scalar) -> Unicode.Scalar? {
        switch scalar {
        case "\"", "\\": scalar
        case "\n": "n"
        case "\r": "r"
        case "\t": "t"
        case "\u{8}": self == .go ? nil : "b"
        case "\u{c}": self == .go ? nil : "f"
        default: nil
        }
    }
}
