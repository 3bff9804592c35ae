/// A command line as it was read: the command it names and the value of each flag and argument.
public struct Invocation: Sendable {
    /// The names of the subcommands, such as `["config", "check"]`; empty for the outermost command.
    public let path: [String]
    let values: [String: any Sendable]
    let givenLabels: Set<String>

    /// The value that was given, or the default.
    public subscript<Value>(flag: Flag<Value>) -> Value { value(of: flag.parameter) }

    /// The value that was given, or the default.
    public subscript<Value>(argument: Argument<Value>) -> Value { value(of: argument.parameter) }

    /// Whether the command line has the flag, even if with its default value.
    public func given<Value>(_ flag: Flag<Value>) -> Bool { givenLabels.contains(flag.parameter.label) }

    private func value<Value>(of parameter: Parameter) -> Value {
        guard let value = values[parameter.label] as? Value else {
            preconditionFailure("the command \(path) does not declare \(parameter.label)")
        }
        return value
    }
}
