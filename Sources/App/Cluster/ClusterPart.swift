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
    var servers = ClusterServers([]) { didSet { subjects = [:] } }
    /// Where servers are called, by their ids.
    private var subjects: [String: (type: String, subject: String)] = [:]
    /// For one call at a time.
    private var buffer: [UInt8] = []
    /// As callers have last said how long they wait: mostly all the same.
    var lastLimit = (text: "0s", time: Duration.zero)
    private lazy var limitText = GoText.text(settings.callLimit)
    /// By the type of the servers that they lead to.
    var routes: [String: Route] = [:]
    /// What brings the calls of other servers, on the first loop.
    var listening: BusSubscription?
    private var subscriptions: [BusSubscription] = []
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
        stopListening()
        for subscription in exchange(&subscriptions, with: []) { subscription.cancel() }
        if let observer { port.cancel(observer) }
        hasEnded = true
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
            let server = pick(candidates)
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

    /// `then` hears once what came of it: perhaps before this returns, which is nil then. A server that has gone is
    /// `Nobody`.
    @discardableResult
    func call(
        _ server: ClusterServer, _ request: PomeloProtos.Request, for context: Context?, _ values: JSON.Object = [:],
        _ then: @escaping (Pipeline.Outcome) -> Void
    ) -> BusPort.Request? {
        let limit = limit(of: context)
        let span = beginSpan(to: server, context, values)
        var bytes = takeBuffer()
        append(request, to: &bytes, for: context, within: limit, values, span)
        defer { buffer = bytes }
        return port.request(subject(of: server), bytes, deadline: limit) { answer in
            switch answer {
            case .success(let message):
                span?.end(nil)
                then(Self.outcome(message.payload))
            case .failure(let error):
                span?.end(error.code)
                if case .noResponders = error { return then(.failure(Nobody(server: server))) }
                then(.failure(AppError(error, of: server)))
            }
        }
    }

    /// To whoever waits for it.
    func publish(_ answer: PomeloProtos.Response, to reply: String) throws(BusError) {
        var bytes = takeBuffer()
        answer.append(to: &bytes)
        defer { buffer = bytes }
        try port.publish(reply, bytes)
    }

    private func takeBuffer() -> [UInt8] {
        var bytes = exchange(&buffer, with: [])
        bytes.removeAll(keepingCapacity: bytes.capacity <= Self.keptCapacity)
        return bytes
    }
    private static let keptCapacity = 64 << 10

    nonisolated(nonsending) func call(
        _ server: ClusterServer, _ request: PomeloProtos.Request, for context: Context?, _ values: JSON.Object = [:]
    ) async throws -> [UInt8] {
        try await withCheckedContinuation { waiter in
            call(server, request, for: context, values) { waiter.resume(returning: $0) }
        }.get()
    }

    /// The same for who does not wait for the answer.
    func tell(_ server: ClusterServer, _ request: PomeloProtos.Request, for context: Context?) {
        call(server, request, for: context) { outcome in
            guard case .failure(let error) = outcome else { return }
            Log.shared.warning("another server was not told", ["server": server.id, "error": "\(error)"])
        }
    }

    private func append(
        _ request: PomeloProtos.Request, to bytes: inout [UInt8], for context: Context?, within limit: Duration,
        _ values: JSON.Object, _ span: RequestSpan?
    ) {
        var request = request
        if own.isFrontend { request.frontendID = own.id }
        var others = context?.metadata ?? [:]
        for (key, value) in values { others[key] = value }
        if let span { others[CallMetadata.trace] = span.context.headers(over: others[CallMetadata.trace]) }
        let now = Timestamp.now()
        let call = CallMetadata.Own(
            id: own.id, type: own.type, route: context?.route, started: now.seconds * 1_000_000_000 + now.nanoseconds,
            timeout: limit == settings.callLimit ? limitText : GoText.text(limit),
            requestID: context?.requestID ?? shard.requestIDs.next(using: &shard.loop.random))
        request.append(to: &bytes) { CallMetadata.append(call, over: others, to: &$0) }
    }

    /// Any of them.
    func pick(_ servers: [ClusterServer]) -> ClusterServer {
        servers.count == 1 ? servers[0] : servers[Int.random(in: servers.indices, using: &shard.loop.random)]
    }

    private func subject(of server: ClusterServer) -> String {
        if let known = subjects[server.id], known.type == server.type { return known.subject }
        let subject = ClusterSubject.server(server.type, server.id)
        if subjects.count >= Self.mostSubjects { subjects = [:] }
        subjects[server.id] = (server.type, subject)
        return subject
    }

    private static let mostSubjects = 4096

    private static func outcome(_ answer: RawSpan) -> Pipeline.Outcome {
        do {
            let response = try PomeloProtos.Response(protobuf: answer)
            guard let failure = response.error else { return .success(response.data) }
            return .failure(AppError(failure.code, failure.message, metadata: failure.metadata))
        } catch {
            return .failure(AppError(AppError.internalError, "the answer of the other server is not one: \(error)"))
        }
    }

    /// What is left of the time that the message has, and no more than a call may take.
    private func limit(of context: Context?) -> Duration {
        guard let deadline = context?.deadline else { return settings.callLimit }
        return min(settings.callLimit, max(deadline - shard.loop.clockTime, .milliseconds(1)))
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
