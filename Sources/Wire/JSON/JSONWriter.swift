extension JSON {
    /// Writes documents: whole values, or member by member without building a value first.
    ///
    /// ```swift
    /// JSON.Writer(escaping: .go).writeObject(to: &bytes) {
    ///     $0.member("code", 200)
    ///     $0.object("sys") { $0.member("heartbeat", 1.5) }
    /// }  // {"code":200,"sys":{"heartbeat":1.5}}
    /// ```
    ///
    /// The closures see to it that every bracket is closed and every member has a key. That no key comes twice is up to
    /// the caller.
    public struct Writer: Sendable {
        /// Which characters of a string are written as escapes.
        public enum Escaping: Sendable {
            /// Quotes, backslashes and control characters, as `JSON.stringify` writes them.
            case minimal
            /// As Go's `encoding/json` did until 1.21: also `<`, `>`, `&`, U+2028 and U+2029; no `\b` and `\f`.
            case go
        }

        /// What stands between values.
        public enum Layout: Sendable, Equatable {
            case compact
            /// A line for each member and element, set in by so many spaces.
            case indented(Int)
        }

        public var escaping: Escaping
        public var layout: Layout

        public init(escaping: Escaping = .minimal, layout: Layout = .compact) {
            (self.escaping, self.layout) = (escaping, layout)
        }

        /// Appends a document. A number that is not finite becomes null.
        public func write(_ value: JSON, to bytes: inout [UInt8]) {
            append(to: &bytes) { $0.write(value) }
        }

        /// A document of its own.
        public func bytes(of value: JSON) -> [UInt8] {
            var bytes: [UInt8] = []
            write(value, to: &bytes)
            return bytes
        }

        /// Appends an object, whose members the closure gives.
        public func writeObject(to bytes: inout [UInt8], _ members: (inout ObjectWriter) -> Void) {
            append(to: &bytes) { $0.writeObject(members) }
        }

        /// Appends an array, whose elements the closure gives.
        public func writeArray(to bytes: inout [UInt8], _ elements: (inout ArrayWriter) -> Void) {
            append(to: &bytes) { $0.writeArray(elements) }
        }

        private func append(to bytes: inout [UInt8], _ body: (inout JSONOutput) -> Void) {
            var output = JSONOutput(exchange(&bytes, with: []), self)
            body(&output)
            bytes = output.bytes
        }
    }
}
