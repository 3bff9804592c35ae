extension JSON {
    /// The kinds of values, as errors name them.
    public enum Kind: String, Sendable {
        case null = "null"
        case bool = "true or false"
        case number = "a number"
        case string = "a string"
        case array = "an array"
        case object = "an object"
    }

    /// What kind of value this is.
    public var kind: Kind {
        switch self {
        case .null: .null
        case .bool: .bool
        case .number: .number
        case .string: .string
        case .array: .array
        case .object: .object
        }
    }

    /// A value is not what was asked for. It tells no text, which may be a secret.
    public enum Mismatch: Error, Equatable, CustomStringConvertible {
        /// A value of another kind.
        case kind(Kind, expected: Kind)
        /// A number that the type or the range asked for does not have.
        case number(Number, expected: String)

        public var description: String {
            switch self {
            case .kind(let found, let expected): "expected \(expected.rawValue), found \(found.rawValue)"
            case .number(let found, let expected): "expected \(expected), found \(found)"
            }
        }
    }
}
