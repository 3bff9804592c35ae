import OmniwayWire

/// A route of an app, as messages find it.
final class Route: Sendable {
    /// In full, with the server's type.
    let name: String
    /// What counts it.
    let index: Int
    let handler: Handler
    let pipeline: Pipeline
    /// The handler between the functions around it, when nothing in there waits for anything.
    let plain: Pipeline.Run?

    init(_ name: String, _ index: Int, _ handler: Handler, _ pipeline: Pipeline) {
        (self.name, self.index, self.handler, self.pipeline) = (name, index, handler, pipeline)
        plain = pipeline.plain(around: handler.body)
    }
}

/// The routes of an app. Each is found with the server's type in front and without, and by its code.
final class RouteTable: Sendable {
    let routes: [Route]
    private let index: PomeloRouteIndex
    private let codes: [UInt16: Int]

    init(
        _ handlers: [(route: PomeloRoute, handler: Handler)], type: String, _ pipeline: Pipeline,
        _ dictionary: PomeloDictionary, from first: Int = 0
    ) {
        var names: [(route: String, value: Int)] = []
        routes = handlers.enumerated().map { number, entry in
            let full = PomeloRoute(serverType: type, service: entry.route.service, method: entry.route.method)
            names += [(full.description, number), (full.short, number)]
            return Route(full.description, first + number, entry.handler, pipeline)
        }
        index = PomeloRouteIndex(names)
        codes = dictionary.pairs.reduce(into: [:]) { codes, pair in
            codes[pair.code] = names.first { $0.route == pair.route }?.value
        }
    }

    func find(_ route: RawSpan) -> Route? { index.find(route).map { routes[$0] } }
    func find(_ route: String) -> Route? { find(unsafe route.utf8.span.bytes) }  // Safe: no padding.
    func find(_ code: UInt16) -> Route? { codes[code].map { routes[$0] } }
}
