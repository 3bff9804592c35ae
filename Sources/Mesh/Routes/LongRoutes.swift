import OmniwayWire

/// Who can be sent to over kept connections. Names may repeat: a route is a name and an address, and each has all the
/// connections that were made for it. A second one closes nothing: the other side may be closing the first.
struct LongRoutes {
    struct Route: Equatable {
        let name: String
        let address: String
        /// By the application; others have made themselves known.
        let isAdded: Bool
        /// By their numbers, in the order in which they came.
        var connections: [UInt64]
    }

    /// In the order of names, then of preference.
    private var routes: [Route] = []
    private let most: Int

    /// Most that may make themselves known by one name, and most connections for each.
    static let mostPerName = 8

    init(most: Int) { self.most = most }

    var all: [Route] { routes }

    func holders(of name: String) -> [Route] { routes.filter { $0.name == name } }

    /// Routes of which this connection is one.
    func routes(over connection: UInt64) -> [Route] { routes.filter { $0.connections.contains(connection) } }

    /// The application has had it dialled.
    mutating func add(_ name: String, at address: String, over connection: UInt64) throws(MeshError) {
        if let index = index(of: name, address, isAdded: true) { return try join(connection, index) }
        guard routes.count < most else { throw .tooManyRoutes(routes.count) }
        insert(Route(name: name, address: address, isAdded: true, connections: [connection]))
    }

    /// Its other side has made itself known. A connection has one route of this kind: the last.
    mutating func learn(_ name: String, at address: String, over connection: UInt64) throws(MeshError) {
        if routes(over: connection).contains(where: { $0.name == name && ($0.isAdded || $0.address == address) }) {
            throw .endpointExists("'\(name)' has this connection already")
        }
        leave(connection, learnt: true)
        if let index = index(of: name, address, isAdded: true) ?? index(of: name, address, isAdded: false) {
            return try join(connection, index)
        }
        guard routes.count < most, holders(of: name).count(where: { !$0.isAdded }) < Self.mostPerName else {
            throw .tooManyRoutes(routes.count)
        }
        insert(Route(name: name, address: address, isAdded: false, connections: [connection]))
    }

    /// The connection has ended.
    mutating func remove(_ connection: UInt64) {
        leave(connection, learnt: true)
        leave(connection, learnt: false)
    }

    /// What was there.
    mutating func delete(_ name: String) -> [Route] {
        let deleted = holders(of: name)
        routes.removeAll { $0.name == name }
        return deleted
    }

    private func index(of name: String, _ address: String, isAdded: Bool) -> Int? {
        routes.firstIndex { $0.name == name && $0.address == address && $0.isAdded == isAdded }
    }

    private mutating func join(_ connection: UInt64, _ index: Int) throws(MeshError) {
        guard routes[index].connections.count < Self.mostPerName else {
            throw .tooManyRoutes(routes[index].connections.count)
        }
        routes[index].connections.append(connection)
    }

    private mutating func leave(_ connection: UInt64, learnt: Bool) {
        for index in routes.indices where routes[index].isAdded != learnt {
            routes[index].connections.removeAll { $0 == connection }
        }
        routes.removeAll { $0.connections.isEmpty }
    }

    private mutating func insert(_ route: Route) {
        routes.insert(route, at: routes.firstIndex { route.comesBefore($0) } ?? routes.count)
    }
}

extension LongRoutes.Route {
    fileprivate func comesBefore(_ other: Self) -> Bool {
        if name != other.name { return name < other.name }
        return isAdded != other.isAdded ? isAdded : address < other.address
    }
}
