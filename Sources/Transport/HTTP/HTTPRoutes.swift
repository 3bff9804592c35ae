public import OmniwayWire

/// Which handler answers which request. Built on a loop, for the server of that loop.
///
/// A pattern is a path whose segments are literal, `:name` for any one segment, or `*name` at the end for all that is
/// left. Literal segments go before names, and names before tails, among the patterns that have the request's method.
/// HEAD is answered by the handler of GET.
///
/// What stands for a name is decoded, so it may contain a slash or be `..`: check it before it becomes part of a path.
public struct HTTPRoutes {
    /// Answers at once, or keeps the exchange and answers later.
    public typealias Handler = (HTTPExchange) -> Void
    /// Answers when it has waited for something. It runs on the loop, and is back there after every `await`. When the
    /// client leaves, its task is cancelled.
    public typealias AsyncHandler = nonisolated(nonsending) (HTTPExchange) async throws -> Void

    /// How a handler gets the body of a request.
    public enum Body: Sendable {
        /// It is called when all of the body is there. A longer body is refused with 413.
        case whole(upTo: Int)
        /// It is called when the head is there. The body comes in pieces to the exchange's handler.
        case pieces(upTo: Int = HTTPLimits.unlimitedBody)
    }

    struct Route {
        enum Work { case plain(Handler), async(AsyncHandler) }
        let work: Work
        /// Nil for the server's limit.
        let body: Body?
        let names: [String]
    }

    enum Match {
        case found(Route, values: [String])
        case notAllowed([HTTPMethod])
        case notFound
    }

    /// A place in the tree of segments.
    private struct Node {
        var literals: [String: Int] = [:]
        var parameter: Int?
        var tail: Int?
        var routes: [(method: HTTPMethod, route: Route)] = []

        func route(_ method: HTTPMethod) -> Route? {
            for candidate in routes where candidate.method == method { return candidate.route }
            return method == .head ? route(.get) : nil
        }
    }

    private var nodes = [Node()]
    /// Paths without names, found in one step.
    private var literals: [String: Int] = [:]

    private var tunnel: Route?
    private var claim: (claims: (HTTPRequestHead) -> Bool, route: Route)?

    public init() {}

    // MARK: Adding

    public mutating func on(
        _ method: HTTPMethod, _ pattern: String, body: Body? = nil, _ handler: @escaping Handler
    ) {
        add(method, pattern, body, .plain(handler))
    }

    @_disfavoredOverload
    public mutating func on(
        _ method: HTTPMethod, _ pattern: String, body: Body? = nil, _ handler: @escaping AsyncHandler
    ) {
        add(method, pattern, body, .async(handler))
    }

    public mutating func get(_ pattern: String, _ handler: @escaping Handler) { on(.get, pattern, handler) }

    @_disfavoredOverload
    public mutating func get(_ pattern: String, _ handler: @escaping AsyncHandler) { on(.get, pattern, handler) }

    public mutating func post(_ pattern: String, body: Body? = nil, _ handler: @escaping Handler) {
        on(.post, pattern, body: body, handler)
    }

    @_disfavoredOverload
    public mutating func post(_ pattern: String, body: Body? = nil, _ handler: @escaping AsyncHandler) {
        on(.post, pattern, body: body, handler)
    }

    /// Answers CONNECT, whose target is no path but a host and a port: `exchange.request.target`. It opens a tunnel by
    /// `exchange.connect(to:)`.
    public mutating func connect(_ handler: @escaping Handler) {
        precondition(tunnel == nil, "CONNECT has a handler already")
        tunnel = Route(work: .plain(handler), body: nil, names: [])
    }

    /// Answers whatever `claims` says yes to, before any pattern is looked at: requests for another host, for example.
    /// CONNECT is not among them.
    public mutating func claim(
        _ claims: @escaping (HTTPRequestHead) -> Bool, body: Body? = nil, _ handler: @escaping Handler
    ) {
        precondition(claim == nil, "there is a claim already")
        claim = (claims, Route(work: .plain(handler), body: body, names: []))
    }

    /// Answers GET with the same bytes each time. They are not copied.
    public mutating func get(_ pattern: String, _ content: [UInt8], type: String) {
        let shared = SharedBytes(content)
        get(pattern) { exchange in exchange.respond(.ok, shared, ["Content-Type": type]) }
    }

    private mutating func add(_ method: HTTPMethod, _ pattern: String, _ body: Body?, _ work: Route.Work) {
        precondition(pattern.utf8.first == UInt8(ascii: "/"), "a pattern begins with a slash: \(pattern)")
        var names: [String] = []
        var node = 0
        let segments = pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (index, segment) in segments.enumerated() {
            switch segment.first {
            case ":":
                names.append(String(segment.dropFirst()))
                node = child(of: node, \.parameter)
            case "*":
                precondition(index == segments.count - 1, "a tail is the last segment: \(pattern)")
                names.append(String(segment.dropFirst()))
                node = child(of: node, \.tail)
            default: node = child(of: node, \.literals[String(segment)])
            }
        }
        precondition(!nodes[node].routes.contains { $0.method == method }, "\(method) \(pattern) has a handler already")
        nodes[node].routes.append((method, Route(work: work, body: body, names: names)))
        if names.isEmpty { literals[pattern] = node }
    }

    private mutating func child(of node: Int, _ place: WritableKeyPath<Node, Int?>) -> Int {
        if let known = nodes[node][keyPath: place] { return known }
        nodes.append(Node())
        nodes[node][keyPath: place] = nodes.count - 1
        return nodes.count - 1
    }

    // MARK: Finding

    func match(_ head: HTTPRequestHead) -> Match {
        if head.method == .connect { return tunnel.map { .found($0, values: []) } ?? .notFound }
        if let claim, claim.claims(head) { return .found(claim.route, values: []) }
        if let route = literalRoute(head.method, head.target) { return .found(route, values: []) }
        let path = head.path
        guard path.utf8.first == UInt8(ascii: "/") else { return .notFound }
        if let route = literalRoute(head.method, String(path)) { return .found(route, values: []) }
        var search = Search(method: head.method)
        if let route = find(path.dropFirst(), from: 0, &search) { return .found(route, values: search.values) }
        return search.others.isEmpty ? .notFound : .notAllowed(search.others)
    }

    private func literalRoute(_ method: HTTPMethod, _ path: String) -> Route? {
        literals[path].flatMap { nodes[$0].route(method) }
    }

    private struct Search {
        let method: HTTPMethod
        var values: [String] = []
        /// The methods of patterns that the path suits.
        var others: [HTTPMethod] = []
    }

    private func find(_ path: Substring, from index: Int, _ search: inout Search) -> Route? {
        let segment = path.prefix { $0 != "/" }
        let isLast = segment.endIndex == path.endIndex
        let known = search.values.count
        for (next, isName) in [(nodes[index].literals[String(segment)], false), (nodes[index].parameter, true)] {
            guard let next else { continue }
            if isName {
                guard !segment.isEmpty, let value = HTTPPercent.decode(segment) else { continue }
                search.values.append(value)
            }
            let found =
                isLast
                ? take(nodes[next], &search) : find(path[segment.endIndex...].dropFirst(), from: next, &search)
            if let found { return found }
            search.values.removeLast(search.values.count - known)
        }
        guard let tail = nodes[index].tail, let value = HTTPPercent.decode(path) else { return nil }
        search.values.append(value)
        if let found = take(nodes[tail], &search) { return found }
        search.values.removeLast()
        return nil
    }

    private func take(_ node: Node, _ search: inout Search) -> Route? {
        if let route = node.route(search.method) { return route }
        for (method, _) in node.routes where !search.others.contains(method) { search.others.append(method) }
        return nil
    }
}
