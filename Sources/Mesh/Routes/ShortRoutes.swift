import OmniwayWire

/// Who can be sent to over short connections. Names may repeat: a route is a name and an address.
///
/// What the application added comes first and is never displaced by a greeting, so nobody takes a name over.
struct ShortRoutes {
    struct Route: Equatable {
        let name: String
        let address: String
        /// By the application; others have made themselves known.
        let isAdded: Bool
    }

    /// In the order of names, then of preference.
    private var routes: [Route] = []
    private let most: Int

    /// Most that may make themselves known by one name.
    static let mostPerName = 8

    init(most: Int) { self.most = most }

    var all: [Route] { routes }

    func holders(of name: String) -> [Route] {
        var index = firstIndex(notBefore: name)
        var found: [Route] = []
        while index < routes.count, routes[index].name == name {
            found.append(routes[index])
            index += 1
        }
        return found
    }

    /// The application's address of a name replaces the one that it gave before.
    mutating func add(_ name: String, at address: String) throws(MeshError) {
        try check(name, address, isAdded: true)
        routes.removeAll { $0.name == name && ($0.isAdded || $0.address == address) }
        guard routes.count < most else { throw .tooManyRoutes(routes.count) }
        insert(Route(name: name, address: address, isAdded: true))
    }

    /// Somebody has made itself known.
    mutating func learn(_ name: String, at address: String) throws(MeshError) {
        try check(name, address, isAdded: false)
        let holders = holders(of: name)
        guard routes.count < most, holders.count(where: { !$0.isAdded }) < Self.mostPerName else {
            throw .tooManyRoutes(routes.count)
        }
        insert(Route(name: name, address: address, isAdded: false))
    }

    mutating func delete(_ name: String) { routes.removeAll { $0.name == name } }

    private func check(_ name: String, _ address: String, isAdded: Bool) throws(MeshError) {
        if address.isEmpty { throw .endpointEmpty("the address of '\(name)' is empty") }
        if holders(of: name).contains(where: { $0.address == address && ($0.isAdded || !isAdded) }) {
            throw .endpointExists("'\(name)' has the address \(address) already")
        }
    }

    private mutating func insert(_ route: Route) {
        let index = routes.firstIndex { !($0 < route) } ?? routes.count
        routes.insert(route, at: index)
    }

    /// By halves: a table may be large, and every dispatch looks here.
    private func firstIndex(notBefore name: String) -> Int {
        var (low, high) = (0, routes.count)
        while low < high {
            let middle = (low + high) / 2
            if routes[middle].name < name { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension ShortRoutes.Route: Comparable {
    /// Within a name those that were added come first, then the lowest address.
    static func < (a: Self, b: Self) -> Bool {
        if a.name != b.name { return a.name < b.name }
        return a.isAdded != b.isAdded ? a.isAdded : a.address < b.address
    }
}
