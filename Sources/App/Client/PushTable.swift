import OmniwayTelemetry

/// Who wants to hear what a server pushes, and what has come that nobody has asked for yet.
final class PushTable: Sendable {
    typealias Body = [UInt8]
    typealias Handler = @Sendable (Body) -> Void
    typealias OthersHandler = @Sendable (_ route: String, Body) -> Void
    private struct State {
        var handlers: [String: Handler] = [:]
        /// For the routes that nobody else has asked for.
        var others: OthersHandler?
        var listeners: [String: [NewestQueue<Body>]] = [:]
        var early: [(route: String, body: Body)] = []
        var earlyBytes = 0
        var lost = LostPushes()
        var hasEnded = false

        /// Who asks for a route first gets what has come for it already.
        mutating func takeEarly(_ route: String) -> [Body] {
            let found = early.filter { $0.route == route }.map(\.body)
            early.removeAll { $0.route == route }
            earlyBytes -= found.reduce(0) { $0 + $1.count }
            return found
        }
    }
    private let state = Lock(State())
    private let most: Int
    private let mostBytes: Int

    init(most: Int, bytes mostBytes: Int) { (self.most, self.mostBytes) = (most, mostBytes) }

    var lost: LostPushes { state.withLock { $0.lost } }

    func couldNotRead() { state.withLock { $0.lost.malformed += 1 } }

    // MARK: Asking

    func listen(to route: String) -> NewestQueue<Body> {
        let (queue, hasEnded) = state.withLock { state -> (NewestQueue<Body>, Bool) in
            let queue = NewestQueue(state.takeEarly(route), most: most, bytes: mostBytes) { $0.count }
            if !state.hasEnded { state.listeners[route, default: []].append(queue) }
            return (queue, state.hasEnded)
        }
        if hasEnded { queue.end() }
        return queue
    }

    func remove(_ queue: NewestQueue<Body>, from route: String) {
        state.withLock { state in
            state.listeners[route]?.removeAll { $0 === queue }
            if state.listeners[route]?.isEmpty == true { state.listeners[route] = nil }
        }
    }

    /// On the loop, where pushes come: none passes in between.
    func handle(_ route: String, by handler: @escaping Handler) {
        let early = state.withLock { state in
            state.handlers[route] = handler
            return state.takeEarly(route)
        }
        for body in early { handler(body) }
    }

    /// On the loop, as above.
    func handleOthers(by handler: @escaping OthersHandler) {
        let early = state.withLock { state in
            state.others = handler
            state.earlyBytes = 0
            return exchange(&state.early, with: [])
        }
        for (route, body) in early { handler(route, body) }
    }

    // MARK: On the loop

    func pushed(_ route: String, _ body: Body) {
        let (handler, others, queues) = state.withLock { state -> (Handler?, OthersHandler?, [NewestQueue<Body>]) in
            let (handler, queues) = (state.handlers[route], state.listeners[route] ?? [])
            guard handler == nil, queues.isEmpty else { return (handler, nil, queues) }
            if state.others == nil { keep(route, body, &state) }
            return (nil, state.others, [])
        }
        handler?(body)
        others?(route, body)
        for queue in queues {
            let dropped = queue.put(body)
            if dropped > 0 { state.withLock { $0.lost.unread += dropped } }
        }
    }

    private func keep(_ route: String, _ body: Body, _ state: inout State) {
        state.early.append((route, body))
        state.earlyBytes += body.count
        while state.early.count > 1, state.early.count > most || state.earlyBytes > mostBytes {
            state.earlyBytes -= state.early.removeFirst().body.count
            state.lost.unwanted += 1
        }
    }

    func end() {
        let queues = state.withLock { state in
            state.hasEnded = true
            state.handlers = [:]
            state.others = nil
            return exchange(&state.listeners, with: [:]).values.flatMap(\.self)
        }
        for queue in queues { queue.end() }
    }
}

/// Pushes that came and were not heard.
public struct LostPushes: Sendable, Equatable {
    /// They gave way to newer ones, because whoever iterates is slow.
    public var unread = 0
    /// Nobody has asked for their routes, and they gave way to newer ones.
    public var unwanted = 0
    /// They were not what whoever asked for them takes.
    public var malformed = 0
    public init() {}
}
