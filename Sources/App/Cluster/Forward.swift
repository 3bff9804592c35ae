import OmniwayCluster
import OmniwayTransport
import OmniwayWire

/// A client's message on its way to another server and back. It is no task: what it waits for calls it.
final class Forward: UnderWay {
    private let body: [UInt8]
    private let context: Context
    private let cluster: ClusterPart
    private var candidates: [ClusterServer] = []
    private var request: BusPort.Request?
    /// Nil when it is over.
    private var then: ((Pipeline.Outcome?) -> Void)?

    init(_ body: [UInt8], _ context: Context, _ cluster: ClusterPart) {
        (self.body, self.context, self.cluster) = (body, context, cluster)
    }

    /// `then` hears once what came of it, perhaps before this returns; nil when it was cancelled.
    func begin(_ then: @escaping (Pipeline.Outcome?) -> Void) {
        self.then = then
        candidates = cluster.servers.ofType(PomeloRoute.serverType(of: context.route))
        send()
    }

    func cancel() {
        end(nil)
        if let request { cluster.port.cancel(request) }
    }

    private func send() {
        do {
            let server = try cluster.choose(among: candidates, context, body)
            let session = context.session
            let message = PomeloProtos.Request(
                type: .sys,
                session: PomeloProtos.Session(id: session.id, uid: session.uid ?? "", data: session.dataBytes),
                msg: PomeloProtos.Msg(
                    id: context.id, route: context.route, data: body, type: context.isRequest ? .request : .notify))
            let request = cluster.call(server, message, for: context) { [self] in heard($0, from: server) }
            if let request { self.request = request }
        } catch { end(.failure(error)) }
    }

    /// A server that turns out to be gone has not had the message: another one gets it.
    private func heard(_ outcome: Pipeline.Outcome, from server: ClusterServer) {
        guard then != nil, case .failure(let error) = outcome, let error = error as? Nobody else { return end(outcome) }
        let count = candidates.count
        candidates.removeAll { $0.id == server.id }
        // The application may choose one that is not among them, and would do so again.
        if candidates.isEmpty || candidates.count == count { return end(.failure(error.answer)) }
        send()
    }

    private func end(_ outcome: Pipeline.Outcome?) { exchange(&then, with: nil)?(outcome) }
}

extension Forward {
    /// The same within a task: for a message that must wait for others to begin.
    nonisolated(nonsending) static func run(_ body: [UInt8], _ context: Context) async -> Pipeline.Outcome {
        guard let cluster = context.session.shard.cluster else { return .failure(AppError.noCluster) }
        let forward = Forward(body, context, cluster)
        return await withCheckedContinuation { waiter in
            forward.begin { waiter.resume(returning: $0 ?? .failure(CancellationError())) }
        }
    }
}

extension ClusterPart {
    /// The way to servers of another type; nil when there are none, or the route is no route.
    func route(for text: String) -> Route? {
        guard let route = try? PomeloRoute(text), !route.serverType.isEmpty, route.serverType != own.type,
            !servers.ofType(route.serverType).isEmpty
        else { return nil }
        if let known = routes[route.serverType] { return known }
        // One for all their routes: clients may make up routes as they like.
        let count = shard.counters.add("\(route.serverType).*", type: "rpc")
        let handler = Handler(answers: true, body: .elsewhere, input: nil, output: nil)
        let new = Route(text, count, handler, Pipeline())
        routes[route.serverType] = new
        return new
    }

    fileprivate func choose(
        among servers: [ClusterServer], _ context: Context, _ body: [UInt8]
    ) throws -> ClusterServer {
        guard let first = servers.first else { throw AppError.noServers }
        if let choice = shard.plan.choices[first.type] { return try choice(context, body, servers) }
        return pick(servers)
    }
}
