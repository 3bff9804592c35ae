/// What the dashboard shows of one part of a node. The dashboard knows no part: it shows figures and tables.
///
/// ```swift
/// AdminView("gateway") {
///     AdminReport(figures: [("clients", "3")], tables: [AdminTable("servers", ["id", "address"], rows)])
/// }
/// ```
///
/// Views of several parts that have one name are one page.
public struct AdminView: Sendable {
    /// Its name in the interface, and on its tab.
    public let name: String
    /// Those who only look do not see it: it has what users say to each other.
    let isForOperators: Bool
    let read: @Sendable () async -> AdminReport

    public init(
        _ name: String, isForOperators: Bool = false, _ read: @escaping @Sendable () async -> AdminReport
    ) {
        (self.name, self.isForOperators, self.read) = (name, isForOperators, read)
    }
}

public struct AdminReport: Sendable {
    public var figures: [(name: String, value: String)]
    public var graph: AdminGraph?
    public var tables: [AdminTable]

    public init(
        figures: [(name: String, value: String)] = [], graph: AdminGraph? = nil, tables: [AdminTable] = []
    ) {
        (self.figures, self.graph, self.tables) = (figures, graph, tables)
    }

    /// What two parts say on one page.
    mutating func add(_ other: AdminReport) {
        figures += other.figures
        graph = graph ?? other.graph
        tables += other.tables
    }
}

/// Who is connected to whom, to be drawn: the first node in the middle, the others around it by how far they are.
public struct AdminGraph: Sendable {
    /// Nodes beyond these are counted, and not drawn.
    public static let mostNodes = 200

    public let nodes: [(id: String, label: String)]
    /// By ids of nodes that are drawn.
    public let edges: [(from: String, to: String)]
    /// How many nodes there are in all.
    public let count: Int

    public init(_ nodes: [(id: String, label: String)], _ edges: [(from: String, to: String)]) {
        self.nodes = Array(nodes.prefix(Self.mostNodes))
        let drawn = Set(self.nodes.map(\.id))
        self.edges = edges.filter { drawn.contains($0.from) && drawn.contains($0.to) }
        count = nodes.count
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

    /// `count` says how many there are where not all of them were looked at.
    public init(
        _ name: String, _ columns: [String], _ rows: some Collection<Row>, count: Int? = nil, actions: [String] = []
    ) {
        (self.name, self.columns, self.actions) = (name, columns, actions)
        self.rows = Array(rows.prefix(Self.mostRows))
        self.count = count ?? rows.count
    }
}

