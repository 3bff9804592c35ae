/// How values of one type are written as text: on a command line, in help and in a configuration file.
public struct ValueKind<Value: Sendable>: Sendable {
    let form: ValueForm
    let placeholder: String
    /// The value that a text means.
    public let parse: @Sendable (_ text: String) throws(ValueError) -> Value
    /// The text that means a value.
    public let format: @Sendable (_ value: Value) -> String
    /// Joins the values of a flag that may be given again.
    var append: (@Sendable (Value, Value) -> Value)?
}

/// What the command line has to know of a kind before it reads a value.
enum ValueForm {
    case word
    /// The next word may start with a dash, as in `--offset -3`.
    case number
    /// The name alone is a value.
    case boolean
    /// May be given again.
    case list
}

extension ValueKind<String> {
    /// Any text, also an empty one.
    public static var string: Self {
        Self(form: .word, placeholder: "text", parse: { $0 }, format: { $0 })
    }
}

extension ValueKind<[String]> {
    /// Any texts, one each time the flag is given.
    public static var strings: Self {
        Self(
            form: .list, placeholder: "text", parse: { [$0] }, format: { $0.joined(separator: ", ") },
            append: { $0 + $1 })
    }
}

extension ValueKind<Bool> {
    /// `true` or `false`; a flag's name alone means `true`, and with `no-` in front `false`.
    public static var boolean: Self {
        Self(
            form: .boolean, placeholder: "true|false",
            parse: { (text) throws(ValueError) in
                if let value = Bool(text) { return value }
                throw ValueError(text, "is neither true nor false; write one of them")
            },
            format: { String($0) })
    }
}

extension ValueKind<Int> {
    /// A whole number within a range.
    public static func integer(_ range: ClosedRange<Int>) -> Self {
        let isOpen = range.upperBound == .max
        return Self(
            form: .number, placeholder: "\(range.lowerBound)..\(isOpen ? "" : "\(range.upperBound)")",
            parse: { (text) throws(ValueError) in
                if let value = Int(text), range.contains(value) { return value }
                let end = isOpen ? "up" : "to \(range.upperBound)"
                throw ValueError(text, "is not valid; write a whole number from \(range.lowerBound) \(end)")
            },
            format: { String($0) })
    }
}

extension ValueKind where Value: CaseIterable & RawRepresentable<String> {
    /// One of the words that an enumeration lists as its raw values.
    public static var choice: Self {
        let words = Value.allCases.map(\.rawValue)
        return Self(
            form: .word, placeholder: words.joined(separator: "|"),
            parse: { (text) throws(ValueError) in
                if let value = Value(rawValue: text) { return value }
                let near = nearest(to: text, among: words).map { ", did you mean \($0)?" }
                throw ValueError(text, "is unknown" + (near ?? "; write one of \(words.joined(separator: ", "))"))
            },
            format: { $0.rawValue })
    }
}
