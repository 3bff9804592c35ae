/// Codes for routes, which both sides write instead of the text. The server tells them in the handshake.
package struct PomeloDictionary: Equatable, Sendable {
    package enum Fault: Error, Equatable, CustomStringConvertible {
        case repeatedRoute(String)
        case repeatedCode(UInt16, String, String)

        package var description: String {
            switch self {
            case .repeatedRoute(let route): "the route \(route) stands twice in the dictionary; remove one of them"
            case .repeatedCode(let code, let first, let second):
                "the routes \(first) and \(second) both have the code \(code); give one of them another"
            }
        }
    }

    private var codes: [String: UInt16] = [:]
    private var routes: [UInt16: String] = [:]

    /// Without any route.
    package init() {}

    /// White space around a route is dropped. No route and no code may stand twice.
    package init(_ pairs: [(route: String, code: UInt16)]) throws(Fault) {
        for (route, code) in pairs {
            let route = route.trimmed
            guard codes[route] == nil else { throw .repeatedRoute(route) }
            if let other = routes[code] { throw .repeatedCode(code, other, route) }
            codes[route] = code
            routes[code] = route
        }
    }

    package subscript(route route: String) -> UInt16? { codes[route] }
    package subscript(code code: UInt16) -> String? { routes[code] }

    /// As the handshake tells them: in the order of the routes' bytes.
    package var pairs: [(route: String, code: UInt16)] {
        codes.map { ($0.key, $0.value) }.sorted { $0.route.utf8.lexicographicallyPrecedes($1.route.utf8) }
    }

    /// How a message says a route: in two bytes where it can.
    package func head(for route: String) -> PomeloMessageHead.Route { codes[route].map { .code($0) } ?? .text(route) }

    /// The route of a message that was read from `bytes`. A code that nobody told is the peer's fault.
    package func text(of route: PomeloMessage.Route, in bytes: RawSpan) throws(PomeloError) -> String {
        switch route {
        case .text(let range): return bytes.text(range)
        case .code(let code):
            guard let route = routes[code] else { throw .unknownRouteCode(code) }
            return route
        }
    }
}

extension String {
    fileprivate var trimmed: String {
        let scalars = unicodeScalars
        guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
            let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return String(scalars[first...last])
    }
}
