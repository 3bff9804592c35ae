/// Something that an operator may do. The dashboard asks for its fields, and says what came of it.
///
/// ```swift
/// AdminAction("shop.sell", fields: ["book", AdminField("price", usual: "10")]) { fields in
///     "sold for \(fields["price"] ?? "")"
/// }
/// ```
public struct AdminAction: Sendable {
    /// Such as `gateway.close`: its first part is the view that shows it.
    public let name: String
    let fields: [AdminField]
    let run: @Sendable ([String: String]) async throws -> String

    /// `run` gets all fields, and returns what the operator is told. What it throws is told too.
    public init(
        _ name: String, fields: [AdminField], _ run: @escaping @Sendable ([String: String]) async throws -> String
    ) {
        (self.name, self.fields, self.run) = (name, fields, run)
    }
}

/// What an action is told. Fields of one view that have one name are typed once.
public struct AdminField: Sendable, ExpressibleByStringLiteral {
    public let name: String
    /// What stands there before anybody types.
    let usual: String
    /// What may stand there; any text when there are none.
    let choices: [String]
    /// It is not shown while it is typed, and never logged.
    let isSecret: Bool

    public init(_ name: String, usual: String = "", choices: [String] = [], isSecret: Bool = false) {
        (self.name, self.usual, self.choices, self.isSecret) = (name, usual, choices, isSecret)
    }

    public init(stringLiteral name: String) { self.init(name) }
}

/// Why an action was not done, for the operator.
public struct AdminRefusal: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
