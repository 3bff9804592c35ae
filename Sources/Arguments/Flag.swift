/// A named option of a command, such as `--loops 4`, with the type of its value.
///
/// Declare it once as a constant; the same constant describes it to a ``Command`` and reads it from an ``Invocation``.
public struct Flag<Value: Sendable>: AnyFlag {
    /// What the command knows of it.
    public let parameter: Parameter

    /// Names are written here without dashes; on the command line each of them may have one dash or two.
    ///
    /// `placeholder` says what the value means where the kind's own word, such as `<text>`, says too little.
    public init(
        _ name: String, _ kind: ValueKind<Value>, default value: Value, placeholder: String? = nil,
        aliases: [String] = [], help: String
    ) {
        let names = [name] + aliases
        for name in names {
            precondition(!name.isEmpty && name.first != "-" && !name.contains("="), "\(name) cannot name a flag")
        }
        parameter = Parameter(
            label: "--\(name)", names: names, kind: kind, default: value, placeholder: placeholder, help: help)
    }
}

/// A flag of any type of value, so that a command can list different ones together.
public protocol AnyFlag: Sendable {
    /// What the command knows of it.
    var parameter: Parameter { get }
}
