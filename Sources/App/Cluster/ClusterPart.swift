import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// What the part of an app on one loop has of the cluster: who is there, and how to reach them.
final class ClusterPart {
    let cluster: AppCluster
    unowned let shard: AppShard
    let port: BusPort
    let registry: LocalRegistry
    let member: ClusterMember
    /// Users that are being bound on this loop, until it is decided.
    var claims: [UserClaim] = []
    var wasAway = false
    /// Somebody looks who has logged in elsewhere, and somebody must look again.
    var (isReviewing, mustReview) = (false, false)
    /// Users that left while the registry could not hear of it; a few more than once.
    var unforgotten: [String] = []
    private(set) var hasEnded = false
    private var observer: BusObserver?
    /// Calls of remotes go around the loops.
    var nextLoop = 0
    var servers = ClusterServers([])
    /// By the type of the servers that they lead to.
    private var routes: [String: Route] = [:]
    var subscriptions: [BusSubscription] = []
    /// Calls of other servers under way, counted.
    var calls: [UInt64: Call] = [:]
    private var lastCall: UInt64 = 0
    /// Of these, those that have not begun: nothing may overtake them.
    var notBegun = 0

    init(_ member: ClusterMember, _ shard: AppShard) {
        (self.member, cluster, self.shard) = (member, member.cluster, shard)
        port = member.cluster.bus.port(on: shard.loop)
        registry = member.cluster.registry.on(shard.loop)
    }

    var own: ClusterServer { member.own }
    var settings: ClusterSettings { cluster.settings }

    /// On the first loop.
    private(set) lazy var reliable = ReliableCalls(self, shard.plan.works)

    /// How a session here is bound by another server.
    private(set) lazy var binding = Route(
        "sys.bindsession", shard.counters.add("sys.bindsession", type: "rpc"), Self.bindingHandler, Pipeline())

    func keep(_ subscription: BusSubscription) { subscriptions.append(subscription) }
    func follows(_ observer: BusObserver) { self.observer = observer }

    func began(_ call: Call, _ serving: Serving, _ task: StartedTask) {
        lastCall += 1
        (serving.number, calls[lastCall]) = (lastCall, call)
        notBegun += 1
        call.started(task)
    }

    /// Nothing more is heard of the others, and those who still wait are told so.
    func end() {
        for number in calls.keys.sorted() { calls[number]?.cutOff() }
        for subscription in exchange(&subscriptions, with: []) { subscription.cancel() }
        if let observer { port.cancel(observer) }
        hasEnded = true
    }

    // MARK: Clients' messages that go on

    /// The way to servers of another type; nil when there are none, or the route is no route.
    func route(for text: String) -> Route? {
        guard let route = try? PomeloRoute(text), !route.serverType.isEmpty, route.serverType != own.type,
            !servers.ofType(route.serverType).isEmpty
        else { return nil }
        if let known = routes[route.serverType] { return known }
        // One for all their routes: clients may make up routes as they like.
        let count = shard.counters.add("\(route.serverType).*", type: "rpc")
        let new = Route(text, count, Self.forwarding, Pipeline())
        routes[route.serverType] = new
        return new
    }

    private static let forwarding = Handler(
        answers: true,
        body: .async { body, context in
            guard let cluster = context.session.shard.cluster else { return [] }
            return try await cluster.forward(body, context)
        }, input: nil, output: nil)

    /// A server that turns out to be gone has not had the message: another one gets it.
    private nonisolated(nonsending) func forward(_ body: [UInt8], _ context: Context) async throws -> [UInt8] {
        let type = try PomeloRoute(context.route).serverType
        let session = context.session
        var candidates = servers.ofType(type)
        while true {
            let server = try choose(among: candidates, context, body)
            let request = PomeloProtos.Request(
                type: .sys,
                session: PomeloProtos.Session(id: session.id, uid: session.uid ?? "", data: session.dataBytes),
                msg: PomeloProtos.Msg(
                    id: context.id, route: context.route, data: body, type: context.isRequest ? .request : .notify))
            do {
                return try await call(server, request, for: context)
            } catch let error as Nobody {
                let count = candidates.count
                candidates.removeAll { $0.id == server.id }
                // The application may choose one that is not among them, and would do so again.
                if candidates.isEmpty || candidates.count == count { throw error.answer }
            }
        }
    }

    private func choose(
        among servers: [ClusterServer], _ context: Context, _ body: [UInt8]
    ) throws -> ClusterServer {
        guard let first = servers.first else { throw AppError.noServers }
        if let choice = shard.plan.choices[first.type] { return try choice(context, body, servers) }
        return servers[Int.random(in: servers.indices, using: &shard.loop.random)]
    }

    // MARK: Calls of remotes

    /// A remote's answer. Which server, if it does not matter, is left to chance.
    nonisolated(nonsending) func callRemote(
        _ text: String, _ body: [UInt8], at id: String?, for context: Context?, _ values: JSON.Object
    ) async throws -> [UInt8] {
        let route: PomeloRoute
        do {
            route = try PomeloRoute(text)
        } catch { throw AppError(AppError.badRequest, "\"\(text)\": \(error)") }
        var candidates = try servers(for: route, at: id)
        let request = PomeloProtos.Request(
            type: .user, msg: PomeloProtos.Msg(route: text, data: body, type: .request))
        while true {
            let server = candidates[Int.random(in: candidates.indices, using: &shard.loop.random)]
            do {
                return try await call(server, request, for: context, values)
            } catch let error as Nobody {
                candidates.removeAll { $0.id == server.id }
                if candidates.isEmpty { throw error.answer }
            }
        }
    }

    private func servers(for route: PomeloRoute, at id: String?) throws(AppError) -> [ClusterServer] {
        if let id {
            if id == own.id, route.serverType.isEmpty || route.serverType == own.type { throw .callsItself }
            guard let server = servers.find(id, preferring: route.serverType) else {
                throw AppError(AppError.unknown, "server not found", metadata: ["id": id])
            }
            return [server]
        }
        if route.serverType.isEmpty { throw .noServerType }
        if route.serverType == own.type { throw .callsItself }
        let servers = servers.ofType(route.serverType)
        if servers.isEmpty { throw .noServers }
        return servers
    }

    // MARK: Any call

    nonisolated(nonsending) func call(
        _ server: ClusterServer, _ request: PomeloProtos.Request, for context: Context?, _ values: JSON.Object = [:]
    ) async throws -> [UInt8] {
        let limit = limit(of: context)
        let span = beginSpan(to: server, context, values)
        let body = complete(request, for: context, within: limit, values, span)
        let answer: BusResponse
        do throws(BusError) {
            answer = try await port.request(ClusterSubject.server(server.type, server.id), body, deadline: limit)
            span?.end(nil)
        } catch {
            span?.end(error.code)
            if case .noResponders = error { throw Nobody(server: server) }
            throw AppError(error, of: server)
        }
        return try Self.answer(answer.body)
    }

    /// The same for who does not wait for the answer.
    func tell(_ server: ClusterServer, _ request: PomeloProtos.Request, for context: Context?) {
        let limit = limit(of: context)
        let body = complete(request, for: context, within: limit)
        port.request(ClusterSubject.server(server.type, server.id), body, deadline: limit) { answer in
            guard case .failure(let error) = answer else { return }
            Log.shared.warning("another server was not told", ["server": server.id, "error": "\(error)"])
        }
    }

    private func complete(
        _ request: PomeloProtos.Request, for context: Context?, within limit: Duration, _ values: JSON.Object = [:],
        _ span: RequestSpan? = nil
    ) -> [UInt8] {
        var request = request
        if own.isFrontend { request.frontendID = own.id }
        request.metadata = CallMetadata.bytes(metadata(for: context, within: limit, values, span))
        return request.protobuf
    }

    private static func answer(_ bytes: [UInt8]) throws -> [UInt8] {
        let response: PomeloProtos.Response
        do {
            response = try PomeloProtos.Response(protobuf: unsafe bytes.span.bytes)  // Safe: bytes have no padding.
        } catch { throw AppError(AppError.internalError, "the answer of the other server is not one: \(error)") }
        if let failure = response.error {
            throw AppError(failure.code, failure.message, metadata: failure.metadata)
        }
        return response.data
    }

    /// What is left of the time that the message has, and no more than a call may take.
    private func limit(of context: Context?) -> Duration {
        guard let deadline = context?.deadline else { return settings.callLimit }
        return min(settings.callLimit, max(deadline - shard.loop.clockTime, .milliseconds(1)))
    }

    private func metadata(
        for context: Context?, within limit: Duration, _ values: JSON.Object, _ span: RequestSpan?
    ) -> JSON.Object {
        var all = context?.metadata ?? [:]
        for (key, value) in values { all[key] = value }
        if let span { all[CallMetadata.trace] = span.context.headers(over: all[CallMetadata.trace]) }
        all[CallMetadata.peerID] = .string(own.id)
        all[CallMetadata.peerType] = .string(own.type)
        all[CallMetadata.timeout] = .string(GoText.text(limit))
        all[CallMetadata.requestID] = .string(context?.requestID ?? RequestID.next(using: &shard.loop.random))
        if let route = context?.route { all[CallMetadata.route] = .string(route) }
        if all[CallMetadata.started] == nil {
            let now = Timestamp.now()
            all[CallMetadata.started] = JSON(now.seconds * 1_000_000_000 + now.nanoseconds)
        }
        return all
    }
}

/// Nobody listens where the server was, so nobody has had the call.
struct Nobody: Error {
    let server: ClusterServer

    var answer: AppError {
        AppError(AppError.unavailable, "no server answers as \(server.type) \(server.id); it has gone")
    }
}

extension AppError {
    static let noServers = AppError(internalError, "no servers available of this type")
    /// In the words of the original.
    static let callsItself = AppError(
        unknown,
        "you are making a rpc that may be processed locally, "
            + "either specify a different server type or specify a server id"
    )
    static let noServerType = AppError(
        unknown, "no server type chosen for sending RPC, send a full route in the format server.service.component")

    init(_ error: BusError, of server: ClusterServer) {
        switch error {
        case .timedOut: self.init(AppError.timeout, "the server \(server.id) has not answered in time")
        default: self.init(AppError.unavailable, "the server \(server.id) cannot be asked: \(error)")
        }
    }
}

extension ClusterPart {
    // MARK: To users

    /// To whoever has the user, without an answer.
    func publish(_ messages: [(subject: String, body: [UInt8])]) {
        for (subject, body) in messages {
            do {
                try port.publish(subject, body)
            } catch {
                shard.counters.unpublished.add(1)
                Log.shared.warning("a message for a user of another server is lost", ["error": "\(error)"])
            }
        }
    }

    func push(_ route: String, _ body: [UInt8], to user: String, at type: String) throws {
        if let fault = ClusterSubject.fault(in: user) {
            throw AppError(AppError.unknown, "the user \"\(user)\": \(fault)")
        }
        let push = PomeloProtos.Push(route: route, uid: user, data: body)
        do {
            try port.publish(ClusterSubject.push(user, at: type), push.protobuf)
        } catch { throw AppError(AppError.unavailable, "the push cannot be sent: \(error)") }
    }
}
