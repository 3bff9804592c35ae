import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// A call of another server as it travels to the loop that answers it.
struct IncomingCall: Sendable {
    let request: PomeloProtos.Request
    let msg: PomeloProtos.Msg
    /// Where the answer goes; nil when nobody waits for it.
    let reply: String?

    /// Nil for what is no call: nobody could be answered.
    init?(_ bytes: RawSpan, reply: String?) {
        guard let request = try? PomeloProtos.Request(protobuf: bytes), let msg = request.msg else { return nil }
        (self.request, self.msg, self.reply) = (request, msg, reply)
    }
}

/// A call of another server that waits for its outcome here.
final class Serving: Caller {
    private let cluster: ClusterPart
    private let reply: String?
    private let isNotify: Bool
    /// Among the calls under way.
    var number: UInt64 = 0

    init(_ cluster: ClusterPart, _ call: IncomingCall) {
        (self.cluster, reply, isNotify) = (cluster, call.reply, call.msg.type == .notify)
    }

    private var shard: AppShard { cluster.shard }

    func began(_ call: Call) {
        cluster.notBegun -= 1
        shard.counters.began(call.route.index, from: call.context.arrived, to: shard.loop.clockTime)
    }

    func neverBegan(_ call: Call) {
        cluster.notBegun -= 1
        ended(call)
    }

    func ended(_ call: any UnderWay) {
        cluster.calls[number] = nil
        shard.callEnded()
    }

    func answer(_ outcome: Result<[UInt8], any Error>, id: UInt64, _ route: Route, _ context: Context) {
        context.endSpan(outcome)
        let (arrived, now) = (context.arrived, shard.loop.clockTime)
        switch outcome {
        case .success(let body):
            shard.counters.answered(route.index, from: arrived, to: now)
            // Whoever forwards a notify learns that it has arrived.
            respond(isNotify ? Array("ack".utf8) : body)
        case .failure(let error):
            let error = AppError(error)
            shard.counters.failed(route.index, error.code, from: arrived, to: now)
            fail(error)
        }
    }

    func fail(_ error: AppError) {
        respond(
            PomeloProtos.Response(
                error: PomeloFailure(code: error.code, message: error.message, metadata: error.metadata)))
    }

    func respond(_ data: [UInt8]) { respond(PomeloProtos.Response(data: data)) }

    private func respond(_ response: PomeloProtos.Response) {
        guard let reply else { return }
        do {
            try cluster.publish(response, to: reply)
        } catch {
            Log.shared.warning("an answer to another server is lost", ["error": "\(error)"])
            guard case .tooLarge = error, response.error?.metadata["error"] == nil else { return }
            let why = "the answer is too large for the bus"
            fail(AppError(AppError.internalError, why, metadata: ["error": "\(error)"]))
        }
    }
}

extension ClusterPart {
    /// A call that belongs to this loop.
    func serve(_ call: IncomingCall) {
        let serving = Serving(self, call)
        do {
            try begin(call, serving)
        } catch { serving.fail(AppError(error)) }
    }

    private func begin(_ call: IncomingCall, _ serving: Serving) throws {
        let name = call.msg.route
        let metadata: JSON.Object
        do {
            // Safe because bytes have no padding.
            metadata = try CallMetadata.read(unsafe call.request.metadata.span.bytes)
        } catch { throw AppError(AppError.internalError, "\(error)") }
        let limit = try limit(in: metadata)
        let session = try session(of: call.request, metadata)
        let found = try find(call, name)
        guard call.msg.type == .notify || found.handler.answers || call.request.type == .user else {
            throw AppError(AppError.badRequest, "tried to request a notify route")
        }
        let now = shard.loop.now
        let context = Context(
            session, found.name,
            Context.Message(
                id: call.msg.id, isRequest: call.msg.type != .notify, arrived: now,
                deadline: limit.map { now + $0 }))
        context.metadata = metadata
        context.metadata[CallMetadata.route] = .string(found.name)
        if let tracer = shard.plan.tracer { context.beginSpan(tracer) }
        if case .elsewhere(let frontend) = session.home { frontend.context = context }
        if let run = found.plain, notBegun == 0 {
            return serving.answer(run(call.msg.data, context), id: call.msg.id, found, context)
        }
        let task = Call(serving, context, id: call.msg.id, found, call.msg.data)
        guard let started = shard.start(task) else {
            shard.counters.refused.add(1)
            throw AppError.tooMuch
        }
        began(task, serving, started)
    }

    private func find(_ call: IncomingCall, _ name: String) throws(AppError) -> Route {
        // As it is known here, mostly. Other servers may also say it with the name of another type.
        let table = call.request.type == .user ? shard.plan.remotes : shard.plan.routes
        if call.request.type == .user || call.request.type == .sys, let found = table.find(name) { return found }
        guard let route = try? PomeloRoute(name) else {
            throw AppError(AppError.badRequest, "cannot decode route", metadata: ["route": name])
        }
        switch call.request.type {
        case .sys:
            if let found = shard.plan.routes.find(route.short) { return found }
            throw AppError(AppError.notFound, "pitaya/handler: \(name) not found")
        case .user:
            if let found = shard.plan.remotes.find(route.short) { return found }
            throw AppError(AppError.notFound, "route not found", metadata: ["route": route.short])
        default: throw AppError(AppError.badRequest, "invalid rpc type", metadata: ["route": name])
        }
    }

    private func limit(in metadata: JSON.Object) throws(AppError) -> Duration? {
        guard case .string(let text)? = metadata[CallMetadata.timeout] else { return shard.plan.settings.callLimit }
        guard let limit = text == lastLimit.text ? lastLimit.time : GoText.duration(text) else {
            throw AppError(AppError.internalError, "time: invalid duration \"\(text)\"")
        }
        lastLimit = (text, limit)
        return min(limit, shard.plan.settings.callLimit ?? limit)
    }

    private func session(of request: PomeloProtos.Request, _ metadata: JSON.Object) throws(AppError) -> Session {
        let from = request.session ?? PomeloProtos.Session()
        let type = metadata[CallMetadata.peerType]?.text ?? ""
        let frontend = Frontend(request.frontendID, saidType: type, session: from.id, self)
        let session = Session(.elsewhere(frontend), shard, uid: from.uid.isEmpty ? nil : from.uid)
        session.data = try JSON.Object(sessionData: from.data)
        return session
    }
}

extension JSON {
    fileprivate var text: String? { if case .string(let text) = self { text } else { nil } }
}
