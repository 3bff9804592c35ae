import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

// What other servers ask of a session that is here, as remotes of the service `sys`.

extension IncomingCall {
    /// The number of the session that the call is about; zero where it names a user. Nil for other calls.
    var aboutSession: Int64? {
        guard request.type == .user, let route = try? PomeloRoute(msg.route), route.service == "sys" else { return nil }
        // Safe because bytes have no padding.
        return (try? PomeloProtos.Session(protobuf: unsafe msg.data.span.bytes))?.id ?? 0
    }
}

extension ClusterPart {
    func serve(_ call: IncomingCall, about session: Session?) {
        let serving = Serving(self, call)
        do {
            switch call.msg.route {
            case "sys.bindsession": try bind(session, call, serving)
            case "sys.pushsession": try replaceData(of: session, call, serving)
            case "sys.kick": try kick(call, serving)
            case ClusterStatus.route: serving.respond(status.json)
            case UserPush.remote: try push(call, serving)
            default:
                throw AppError(AppError.notFound, "route not found", metadata: ["route": call.msg.route])
            }
        } catch { serving.fail(AppError(error)) }
    }

    private var status: ClusterStatus.Report {
        ClusterStatus.Report(
            version: Version.current, sessions: shard.directory.count, users: shard.directory.userCount)
    }

    private func bind(_ session: Session?, _ call: IncomingCall, _ serving: Serving) throws {
        guard let session else { throw AppError.noSession }
        let now = shard.loop.now
        let context = Context(
            session, call.msg.route,
            Context.Message(
                id: 0, isRequest: true, arrived: now, deadline: now + settings.callLimit))
        let task = Call(serving, context, id: 0, binding, call.msg.data)
        guard let started = shard.start(task) else { throw AppError.tooMuch }
        began(task, serving, started)
    }

    static let bindingHandler = Handler(
        answers: true,
        body: .async { body, context in
            let user = try PomeloProtos.Session(protobuf: unsafe body.span.bytes).uid  // Safe: bytes have no padding.
            try await context.session.bind(user)
            return ClusterPart.ack
        }, input: nil, output: nil)

    private func replaceData(of session: Session?, _ call: IncomingCall, _ serving: Serving) throws {
        guard let session else { throw AppError.noSession }
        session.data = try JSON.Object(
            sessionData: PomeloProtos.Session(protobuf: unsafe call.msg.data.span.bytes).data)
        serving.respond(Self.ack)
    }

    private func kick(_ call: IncomingCall, _ serving: Serving) throws {
        let user = try PomeloProtos.KickMsg(protobuf: unsafe call.msg.data.span.bytes).userId
        guard let place = shard.directory.find(user) else { throw AppError.noSession }
        shard.server?.kick(place, .kicked)
        serving.respond(PomeloProtos.KickAnswer(kicked: true).protobuf)
    }

    private func push(_ call: IncomingCall, _ serving: Serving) throws {
        let push = try UserPush(protobuf: call.msg.data.span.raw)
        let absent = try shard.server?.pushHere(push.route, push.data, to: push.users) ?? push.users
        serving.respond(PomeloProtos.ProtoNames(name: absent).protobuf)
    }

    private static let ack = PomeloProtos.Response(data: Array("ack".utf8)).protobuf
}

extension AppError {
    fileprivate static let noSession = AppError(unknown, "session not found")
}

extension JSON.Object {
    /// The data of a session as it travels.
    init(sessionData bytes: [UInt8]) throws(AppError) {
        var reader = JSON.Reader.go
        reader.limits = .messages
        do {
            self = bytes.isEmpty ? [:] : try reader.read(bytes).object()
        } catch { throw AppError(AppError.internalError, "\(error)") }
    }
}
