import OmniwayWire

/// The servers of a cluster that are known at a moment.
struct ClusterServers: Sendable {
    private var byID: [String: ClusterServer] = [:]
    /// Of each type in the order of their ids, so that equal servers are chosen from alike.
    private var byType: [String: [ClusterServer]] = [:]

    init(_ servers: some Sequence<ClusterServer>) {
        for server in servers { byID[server.id] = server }
        byType = Dictionary(grouping: byID.values, by: \.type)
        for type in byType.keys { byType[type]?.sort { $0.id < $1.id } }
    }

    var types: [String] { byType.keys.sorted() }
    var all: [ClusterServer] { byID.values.sorted { ($0.type, $0.id) < ($1.type, $1.id) } }
    func ofType(_ type: String) -> [ClusterServer] { byType[type] ?? [] }
    func find(_ id: String) -> ClusterServer? { byID[id] }

    /// Types of servers that clients connect to.
    var frontendTypes: Set<String> { Set(byID.values.lazy.filter(\.isFrontend).map(\.type)) }
}
