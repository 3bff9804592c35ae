extension JSON {
    /// Why a text is no document, and where.
    public enum ReadError: Error, Equatable, CustomStringConvertible {
        /// Something stands where the grammar wants something else.
        case unexpected(String, expected: Expectation, at: Position)
        /// The text ends too early. Where it helps, `opened` is the beginning of what is not closed.
        case ended(expected: Expectation, opened: Position?, at: Position)
        /// A key stands twice in an object, which the reader does not take.
        case duplicateKey(String, first: Position, at: Position)
        case tooLong(bytes: Int, limit: Int)
        case tooDeep(limit: Int, at: Position)
        case tooManyValues(limit: Int, at: Position)

        /// Nil when the text is too long to be looked at.
        public var position: Position? {
            switch self {
            case .unexpected(_, _, let position), .ended(_, _, let position), .duplicateKey(_, _, let position),
                .tooDeep(_, let position), .tooManyValues(_, let position):
                position
            case .tooLong: nil
            }
        }

        /// Begins with line and column, so that `config.json5:` can stand before it.
        public var description: String {
            switch self {
            case .unexpected(let found, let expected, let position):
                "\(position): expected \(expected.text), found \(found); \(expected.advice)"
            case .ended(let expected, let opened, let position):
                "\(position): expected \(expected.text), found the end of the text"
                    + (opened.map { "; what begins at \($0) is not closed" } ?? "; \(expected.advice)")
            case .duplicateKey(let key, let first, let position):
                "\(position): the key \(JSON.string(key)) stands here again, first at \(first); remove one of them"
            case .tooLong(let bytes, let limit):
                "1:1: the text has \(bytes) bytes, the limit is \(limit); split it or raise the limit"
            case .tooDeep(let limit, let position):
                "\(position): more than \(limit) arrays and objects in one another; flatten them or raise the limit"
            case .tooManyValues(let limit, let position):
                "\(position): more than \(limit) values; split the text or raise the limit"
            }
        }
    }
}

extension JSON.ReadError {
    /// What the grammar wants at a place.
    public enum Expectation: Sendable {
        case value, nextElement, key, nextKey, colon, elementEnd, memberEnd, documentEnd
        case digit, numberWithoutLeadingZero, shorterNumber
        case closingQuote, escape, hexDigit, surrogatePair, utf8
        case commentEnd

        var text: String { words.text }
        var advice: String { words.advice }

        private var words: (text: String, advice: String) {
            switch self {
            case .value: ("a value", #"write null, true, false, a number, a "string", an [array] or an {object}"#)
            case .nextElement: ("an element after the comma", "remove the comma or add an element")
            case .key: ("a key", "write it in double quotes")
            case .nextKey: ("a key after the comma", "remove the comma, or write the key in double quotes")
            case .colon: ("':' after the key", "quote a key that is not only letters and digits")
            case .elementEnd: ("',' or ']'", "separate elements by commas and close the array")
            case .memberEnd: ("',' or '}'", "separate members by commas and close the object")
            case .documentEnd: ("nothing more", "a document is one value; remove the rest")
            case .digit: ("a digit", "numbers look like 0, -1.5 and 2e10")
            case .numberWithoutLeadingZero: ("no digit after a leading zero", "remove the zero")
            case .shorterNumber: ("at most 16 hexadecimal digits", "write it in decimal digits")
            case .closingQuote: ("the closing quote", "write line breaks and other controls as escapes such as \\n")
            case .escape: ("one of \" \\ / b f n r t u after a backslash", "write a backslash itself as two")
            case .hexDigit: ("a hexadecimal digit", "an escape has four after \\u and two after \\x")
            case .surrogatePair: ("both halves of a surrogate pair", "write the character itself")
            case .utf8: ("UTF-8", "save the text as UTF-8")
            case .commentEnd: ("*/", "close the comment")
            }
        }
    }
}
