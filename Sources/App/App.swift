import OmniwayTelemetry
public import OmniwayTransport
import OmniwayWire

/// An application server: clients connect, say who they are, and send messages to routes.
///
/// ```swift
/// let app = App(type: "room")
/// app.listen(.tcp(":3250"))
/// app.on("room.join") { (join: Join, context: Context) async throws -> Joined in ... }
/// try await app.run()
/// ```
///
/// Everything is set before it starts; what is wrong with it is said then, all at once.
public final class App: Sendable {
    /// What kind of server this is: the first part of its routes.
    public let type: String
    /// Which of them.
    public let id: String
    public let settings: AppSettings
    public let serializer: any Serializer
    public let groups: Groups
    let timers: AppTimers
    private let state: Lock<State>

    private enum State {
        case building(AppBlueprint)
        /// Nil while it is made ready; not wanted when it was stopped meanwhile.
        case starting(AppServer?, isWanted: Bool)
        case running(AppServer)
        case stopping(AppServer)
        case stopped
    }

    public init(
        type: String, id: String? = nil, settings: AppSettings = AppSettings(),
        serializer: any Serializer = JSONSerializer()
    ) {
        var random: any RandomNumberGenerator = SystemRandomNumberGenerator()
        (self.type, self.id) = (type, id ?? RequestID.next(using: &random))
        (self.settings, self.serializer) = (settings, serializer)
        (groups, timers) = (Groups(settings.groups), AppTimers(most: settings.maxTimers))
        state = Lock(.building(AppBlueprint()))
    }

    // MARK: Before it starts

    func change(_ body: (inout AppBlueprint) -> Void) {
        let isBuilding = state.withLock { state in
            guard case .building(var blueprint) = state else { return false }
            state = .stopped  // The blueprint has one owner while it is changed.
            body(&blueprint)
            state = .building(blueprint)
            return true
        }
        precondition(isBuilding, "an app is set up before it starts; what changes later goes through its handlers")
    }

    /// Takes clients from any acceptor, and from several at once.
    public func listen(_ acceptor: some Acceptor) { change { $0.acceptors.append(acceptor) } }

    public func put(_ handler: Handler, at route: String) { change { $0.handlers.append((route, handler)) } }

    /// Puts a service's handlers at `service.method`. The rule makes a route's part of a method's name.
    public func add(
        _ service: some Service, name: String? = nil, naming: @escaping @Sendable (String) -> String = { $0 }
    ) {
        let name = name ?? service.name
        change { $0.modules.append((name, service)) }
        service.handlers(ServiceTable(app: self, service: name, naming: naming))
    }

    // MARK: Its life

    /// Starts on loops that the caller ends after `stop`.
    public func start(on loops: EventLoops) async throws { try await start(on: loops.loops) }

    public func start(on loops: [EventLoop]) async throws {
        precondition(!loops.isEmpty, "an app needs a loop")
        let blueprint = state.withLock { state -> AppBlueprint? in
            guard case .building(let blueprint) = state else { return nil }
            state = .starting(nil, isWanted: true)
            return blueprint
        }
        guard let blueprint else { throw AppStartError.startedTwice }
        do {
            let plan = try AppPlan(blueprint, self)
            let server = await AppServer(plan, self, blueprint.modules, on: loops)
            groups.begin(loops[0].clock)
            state.withLock { state in
                if case .starting(_, let isWanted) = state { state = .starting(server, isWanted: isWanted) }
            }
            try await server.open(blueprint.acceptors)
            try state.withLock { state throws(AppStartError) in
                guard case .starting(_, isWanted: true) = state else { throw .stopped }
                state = .running(server)
            }
        } catch {
            _ = await end(drainingWithin: nil)
            timers.end()
            state.withLock { $0 = .stopped }
            throw error
        }
    }

    /// Accepts no more; with `settings.drain` lets sessions leave by themselves for a time; waits for messages under
    /// way (at most `settings.drainLimit`, and `limit`); closes all sessions and stops the modules. Returns how many
    /// messages were cut off. An app that is still starting does so to its end; then `start` throws.
    @discardableResult
    public func stop(within limit: Duration? = nil) async -> Int {
        let isStarting = state.withLock { state in
            guard case .starting(let server, _) = state else { return false }
            state = .starting(server, isWanted: false)
            return true
        }
        let most = min(settings.drainLimit, limit ?? settings.drainLimit)
        return isStarting ? 0 : await end(drainingWithin: most)
    }

    private func end(drainingWithin limit: Duration?) async -> Int {
        let server = state.withLock { state -> AppServer? in
            let server: AppServer? =
                switch state {
                case .running(let server): server
                case .starting(let server, _): server  // It could not.
                case .building, .stopping, .stopped: nil
                }
            guard let server else { return nil }
            state = .stopping(server)
            return server
        }
        guard let server else { return 0 }
        let cutOff = await server.close(drainingWithin: limit)
        state.withLock { $0 = .stopped }
        await server.release()
        return cutOff
    }

    /// What its routes lead to, with the routes in full.
    var routes: [(route: String, handler: Handler)] {
        state.withLock { state in
            switch state {
            case .building(let blueprint):
                blueprint.handlers.map { text, handler in
                    ((try? PomeloRoute(text)).map { "\(type).\($0.short)" } ?? text, handler)
                }
            case .running(let server), .stopping(let server): server.plan.routes.routes.map { ($0.name, $0.handler) }
            case .starting, .stopped: []
            }
        }
    }

    // MARK: While it runs

    /// Nil before the start and after the end.
    var server: AppServer? {
        state.withLock { state in
            switch state {
            case .running(let server), .stopping(let server): server
            case .starting(let server, _): server
            case .building, .stopped: nil
            }
        }
    }

    /// Where it listens, in the order in which that was said.
    public var addresses: [SocketAddress] { server?.addresses ?? [] }

    /// Sessions that are open.
    public var sessionCount: Int { server?.directory.count ?? 0 }

    /// Users who are bound to sessions here; of many some, sorted.
    public func users(most: Int) -> [String] { (server?.directory.names(most: most) ?? []).sorted() }

    /// How many they are.
    public var userCount: Int { server?.directory.userCount ?? 0 }

    /// Pushes to users wherever they are. Returns those who are not here; in a cluster others are sought at the
    /// frontends of the type, which a frontend need not name, nor others when there is only one.
    @discardableResult
    public func push<Value>(
        _ route: String, _ value: Value, to users: some Collection<String>, at frontendType: String? = nil
    ) throws -> [String] {
        let body = try serializer.body(of: value)
        return try use { try $0.push(route, body, to: users, at: frontendType) } ?? Array(users)
    }

    /// Pushes to all who are in a group. Returns those who are not here.
    @discardableResult
    public func broadcast<Value>(
        _ route: String, _ value: Value, to group: String, at frontendType: String? = nil
    ) throws -> [String] {
        try push(route, value, to: try groups.members(of: group), at: frontendType)
    }

    /// Tells users to leave. Returns those who are not here, as for `push`.
    @discardableResult
    public func kick(_ users: some Collection<String>, at frontendType: String? = nil) throws -> [String] {
        try use { try $0.kick(users, at: frontendType) } ?? Array(users)
    }

    /// The session of a user; nil when there is none here.
    public func player(_ user: String) -> Player? { server?.player(user) }
}

/// What keeps an app from starting.
public enum AppStartError: Error, CustomStringConvertible {
    case startedTwice
    /// It was told to stop while it started.
    case stopped
    /// Another server of the cluster has this one's type and id, and answers.
    case taken(type: String, id: String)
    /// The module of this name has refused to start.
    case module(String, any Error)
    /// All that is wrong with what was set up.
    case faults([String])

    public var description: String {
        switch self {
        case .startedTwice: "an app starts once; make another one"
        case .stopped: "the app was stopped while it started; start another one if that was not meant"
        case .taken(let type, let id):
            "the cluster has a server \(type) \(id) already, and it answers: end it, or give this one another --id"
        case .module(let name, let error): "the module \(name) did not start: \(error)"
        case .faults(let faults): "the app cannot start:\n  " + faults.joined(separator: "\n  ")
        }
    }
}
