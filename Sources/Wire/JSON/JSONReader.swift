extension JSON {
    /// Reads texts that are one JSON document each. What it accepts is a matter of its settings; `JSON.Reader()` is
    /// RFC 8259 to the letter and takes no key twice.
    ///
    /// Bytes of a peer cost at most what the limits allow, and never the process.
    public struct Reader: Sendable {
        /// How a document is spelled.
        public enum Grammar: Sendable {
            case rfc8259
            /// JSON5 as of https://spec.json5.org: comments, bare keys, trailing commas and more, for configuration.
            case json5
        }

        /// What becomes of bytes of a string that are no UTF-8, and of `\u` escapes that are half a surrogate pair.
        public enum MalformedText: Sendable {
            case refuse
            /// U+FFFD for each byte or escape, as Go does.
            case replace
        }

        /// What becomes of a key that stands twice in an object.
        public enum DuplicateKeys: Sendable {
            case refuse
            /// The last member stays, where it stands. Go and JavaScript keep the last as well.
            case keepLast
        }

        /// What a document may cost.
        public struct Limits: Sendable {
            /// How long a document may be.
            public var bytes: Int
            /// How deep arrays and objects may nest: up to 1,000, because releasing and writing a value recurse.
            public var depth: Int
            /// How many values there may be in all, members and elements at every depth.
            public var values: Int

            public init(bytes: Int = 16 << 20, depth: Int = 128, values: Int = 1 << 20) {
                (self.bytes, self.depth, self.values) = (bytes, depth, values)
            }
        }

        public var grammar: Grammar
        public var malformedText: MalformedText
        public var duplicateKeys: DuplicateKeys
        public var limits: Limits

        public init(
            grammar: Grammar = .rfc8259, malformedText: MalformedText = .refuse,
            duplicateKeys: DuplicateKeys = .refuse, limits: Limits = Limits()
        ) {
            (self.grammar, self.malformedText) = (grammar, malformedText)
            (self.duplicateKeys, self.limits) = (duplicateKeys, limits)
        }

        /// For configuration that people write.
        public static let json5 = Reader(grammar: .json5)
        /// Takes what Go's `encoding/json` takes, within the limits. Fields are found by `object[anyCase: "name"]`.
        public static let go = Reader(malformedText: .replace, duplicateKeys: .keepLast)

        /// Reads bytes that hold one document and nothing else.
        public func read(_ bytes: Span<UInt8>) throws(ReadError) -> JSON {
            var parser = JSONParser(bytes, self)
            return try parser.readDocument()
        }

        /// Reads what a link has received.
        public func read(_ bytes: RawSpan) throws(ReadError) -> JSON { try read(Span<UInt8>(_bytes: bytes)) }

        /// Reads bytes that hold one document and nothing else.
        public func read(_ bytes: [UInt8]) throws(ReadError) -> JSON { try read(bytes.span) }

        /// Reads a text that is one document.
        public func read(_ text: String) throws(ReadError) -> JSON { try read(text.utf8.span) }

        /// Reads a document of which every value and key knows where it stands.
        public func readNode(_ bytes: [UInt8]) throws(ReadError) -> Node {
            var parser = JSONParser(bytes.span, self)
            let (value, place) = try parser.readLocatedDocument()
            return Node(value, place, in: bytes)
        }
    }
}
