extension JSON {
    /// The members of an object that is being written.
    public struct ObjectWriter: ~Copyable {
        private var output: JSONOutput
        private(set) var isEmpty = true

        init(_ output: JSONOutput) { self.output = output }
        consuming func finish() -> JSONOutput { output }

        /// Writes a key and its value.
        public mutating func member(_ key: String, _ value: JSON) { member(key) { $0.write(value) } }
        public mutating func member(_ key: String, _ value: String) { member(key) { $0.write(value) } }
        public mutating func member(_ key: String, _ value: Int) { member(key) { $0.write(Number(value)) } }
        public mutating func member(_ key: String, _ value: Double) { member(key) { $0.write(Number(value)) } }
        public mutating func member(_ key: String, _ value: Bool) { member(key) { $0.write(value) } }
        /// A string from bytes that should be UTF-8; what is not becomes U+FFFD.
        package mutating func member(_ key: String, utf8 value: RawSpan) { member(key) { $0.write(utf8: value) } }

        /// A member that is an object, whose members the closure gives.
        public mutating func object(_ key: String, _ members: (inout ObjectWriter) -> Void) {
            member(key) { $0.writeObject(members) }
        }

        /// A member that is an array, whose elements the closure gives.
        public mutating func array(_ key: String, _ elements: (inout ArrayWriter) -> Void) {
            member(key) { $0.writeArray(elements) }
        }

        private mutating func member(_ key: String, _ writeValue: (inout JSONOutput) -> Void) {
            output.separate(isFirst: isEmpty)
            isEmpty = false
            output.write(key: key)
            writeValue(&output)
        }
    }

    /// The elements of an array that is being written.
    public struct ArrayWriter: ~Copyable {
        private var output: JSONOutput
        private(set) var isEmpty = true

        init(_ output: JSONOutput) { self.output = output }
        consuming func finish() -> JSONOutput { output }

        /// Writes a value.
        public mutating func element(_ value: JSON) { element { $0.write(value) } }
        public mutating func element(_ value: String) { element { $0.write(value) } }
        public mutating func element(_ value: Int) { element { $0.write(Number(value)) } }
        public mutating func element(_ value: Double) { element { $0.write(Number(value)) } }
        public mutating func element(_ value: Bool) { element { $0.write(value) } }

        /// An element that is an object, whose members the closure gives.
        public mutating func object(_ members: (inout ObjectWriter) -> Void) { element { $0.writeObject(members) } }
        /// An element that is an array, whose elements the closure gives.
        public mutating func array(_ elements: (inout ArrayWriter) -> Void) { element { $0.writeArray(elements) } }

        private mutating func element(_ writeValue: (inout JSONOutput) -> Void) {
            output.separate(isFirst: isEmpty)
            isEmpty = false
            writeValue(&output)
        }
    }
}
