/// A positional argument of a command, such as the file of `omniway check omniway.conf`.
public struct Argument<Value: Sendable>: AnyArgument {
    /// What the command knows of it.
    public let parameter: Parameter

    /// Without a default the argument is required; a list takes all words that are left, when required at least one.
    public init(_ name: String, _ kind: ValueKind<Value>, default value: Value? = nil, help: String) {
        parameter = Parameter(label: "<\(name)>", kind: kind, default: value, help: help)
    }
}

/// An argument of any type of value, so that a command can list different ones together.
public protocol AnyArgument: Sendable {
    /// What the command knows of it.
    var parameter: Parameter { get }
}
