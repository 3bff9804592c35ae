/// What the dashboard shows of one part of a node. The dashboard knows no part: it shows figures and tables.
///
/// ```swift
/// AdminView("gateway") {
///     AdminReport(figures: [("clients", "3")], tables: [AdminTable("servers", ["id", "address"], rows)])
/// }
/// ```
public struct AdminView: Sendable {
    /// Its name in the interface, and on its tab.
    public let name: String
    let read: @Sendable () async -> AdminReport

    public init(_ name: String, _ read: @escaping @Sendable () async -> AdminReport) {
        (self.name, self.read) = (name, read)
    }
}

public struct AdminReport: Sendable {
    public var figures: [(name: String, value: String)]
    public var tables: [AdminTable]

    public init(figures: [(name: String, value: String)] = [], tables: [AdminTable] = []) {
        (self.figures, self.tables) = (figures, tables)
    }
}

public struct AdminTable: Sendable {
    public struct Row: Sendable {
        /// What an action is told about the row.
        public let key: String
        public let cells: [String]

        public init(_ key: String, _ cells: [String]) { (self.key, self.cells) = (key, cells) }
    }

    /// Rows beyond these are counted, and not shown.
    public static let mostRows = 500

    public let name: String
    public let columns: [String]
    public let rows: [Row]
    /// How many rows there are in all.
    public let count: Int
    /// The actions that each row has a button for, by name: their first field is the row's key.
    public let actions: [String]

    public init(_ name: String, _ columns: [String], _ rows: some Collection<Row>, actions: [String] = []) {
        (self.name, self.columns, self.actions) = (name, columns, actions)
        self.rows = Array(rows.prefix(Self.mostRows))
        count = rows.count
    }
}

/// Something that an operator may do. The dashboard asks for its fields, and says what came of it.
public struct AdminAction: Sendable {
    /// Such as `gateway.close`: its first part is the view that shows it.
    public let name: String
    let fields: [String]
    let run: @Sendable ([String: String]) async throws -> String

    /// `run` gets all fields, and returns what the operator is told. What it throws is told too.
    public init(
        _ name: String, fields: [String], _ run: @escaping @Sendable ([String: String]) async throws -> String
    ) {
        (self.name, self.fields, self.run) = (name, fields, run)
    }
}

/// Why an action was not done, for the operator.
public struct AdminRefusal: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
