import OmniwayWire

/// The servers of a cluster that are known at a moment.
struct ClusterServers: Sendable {
    /// In the order of types and ids. Servers of different types may have the same id.
    let all: [ClusterServer]
    private var byID: [String: ClusterServer] = [:]
    /// Of each type in the order of their ids, so that equal servers are chosen from alike.
    private var byType: [String: [ClusterServer]] = [:]

    init(_ servers: some Sequence<ClusterServer>) {
        all = servers.sorted { ($0.type, $0.id) < ($1.type, $1.id) }
        for server in all where byID[server.id] == nil { byID[server.id] = server }
        byType = Dictionary(grouping: all, by: \.type)
    }

    var types: [String] { byType.keys.sorted() }
    func ofType(_ type: String) -> [ClusterServer] { byType[type] ?? [] }
    /// The one of that type, if there is such a one; otherwise any.
    func find(_ id: String, preferring type: String) -> ClusterServer? {
        byType[type]?.first { $0.id == id } ?? byID[id]
    }
    func has(_ server: ClusterServer) -> Bool { byType[server.type]?.contains { $0.id == server.id } == true }

    /// Types of servers that clients connect to.
    var frontendTypes: Set<String> { Set(all.lazy.filter(\.isFrontend).map(\.type)) }
}
