import OmniwayTransport
public import OmniwayWire

extension App {
    /// Calls a remote of another server: `try await app.rpc("room.remote.hello", Name("x"), as: Hello.self)`. Which one
    /// of that type is left to chance, or said by its id. It takes no longer than the cluster's `callLimit`.
    public nonisolated(nonsending) func rpc<In, Out>(
        _ route: String, _ argument: In, to server: String? = nil, as type: Out.Type = Out.self,
        metadata: JSON.Object = [:]
    ) async throws -> Out {
        try await call(route, argument, to: server, type, nil, metadata)
    }

    fileprivate nonisolated(nonsending) func call<In, Out>(
        _ route: String, _ argument: In, to id: String?, _ type: Out.Type, _ context: Context?, _ metadata: JSON.Object
    ) async throws -> Out {
        let body = try remotes.serializer.body(of: argument)
        guard let server, server.member != nil else { throw AppError.noCluster }
        let answer: [UInt8]
        if let context, let cluster = context.session.shard.cluster {
            answer = try await cluster.callRemote(route, body, at: id, for: context, metadata)
        } else {
            answer = try await server.call(RemoteCall(route: route, body: body, server: id, metadata: metadata))
        }
        return try remotes.serializer.value(type, from: answer)
    }
}

extension Context {
    /// Calls a remote of another server because of this message: within the time that is left for it, under the same
    /// request id, and with `metadata`.
    public nonisolated(nonsending) func rpc<In, Out>(
        _ route: String, _ argument: In, to server: String? = nil, as type: Out.Type = Out.self,
        metadata: JSON.Object = [:]
    ) async throws -> Out {
        try await app.call(route, argument, to: server, type, self, metadata)
    }
}

/// A call of a remote on its way to a loop that can make it.
struct RemoteCall: Sendable {
    let route: String
    let body: [UInt8]
    let server: String?
    let metadata: JSON.Object
}

extension AppServer {
    /// From anywhere: made on a loop of the app.
    func call(_ call: RemoteCall) async throws -> [UInt8] {
        let (answers, answer) = AsyncStream.makeStream(of: Result<[UInt8], any Error>.self)
        let index = Int.random(in: shards.indices)
        try await reach(index) { _, shard in
            guard shard.loop.start(RemoteCaller(shard, call, answer)) != nil else {
                answer.yield(.failure(AppError.tooMuch))
                return answer.finish()
            }
        }
        for await answer in answers { return try answer.get() }
        throw Self.stopped
    }
}

private final class RemoteCaller: LoopTask {
    private let shard: AppShard
    private let call: RemoteCall
    private let answer: AsyncStream<Result<[UInt8], any Error>>.Continuation

    init(
        _ shard: AppShard, _ call: RemoteCall, _ answer: AsyncStream<Result<[UInt8], any Error>>.Continuation
    ) {
        (self.shard, self.call, self.answer) = (shard, call, answer)
    }

    nonisolated(nonsending) func run() async {
        do {
            guard let cluster = shard.cluster else { throw AppError.noCluster }
            answer.yield(
                .success(try await cluster.callRemote(call.route, call.body, at: call.server, for: nil, call.metadata)))
        } catch { answer.yield(.failure(error)) }
        answer.finish()
    }
}

extension AppError {
    static let noCluster = AppError(
        internalError, "this server is alone; app.join(…) makes it one of a cluster, which can be called")
}
