import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// What makes spans of an app's messages: how many, and where they wait to be sent.
final class Tracer: Sendable {
    let settings: TracingSettings
    let queue: SpanQueue

    init(_ settings: TracingSettings) {
        self.settings = settings
        queue = SpanQueue(limit: settings.queue)
    }
}

/// A span under way. One that nobody ends was cancelled.
final class RequestSpan {
    let context: TraceContext
    private let parent: UInt64?
    private let name: String
    private let kind: TraceSpan.Kind
    private let tracer: Tracer
    private let start = Timestamp.now()
    private let attributes: [String: String]
    private var hasEnded = false

    init(
        _ context: TraceContext, parent: UInt64?, _ name: String, _ kind: TraceSpan.Kind,
        _ attributes: [String: String], _ tracer: Tracer
    ) {
        (self.context, self.parent, self.name, self.kind) = (context, parent, name, kind)
        (self.attributes, self.tracer) = (attributes, tracer)
    }
    deinit { end("cancelled") }

    func end(_ failure: String?, _ more: [String: String] = [:]) {
        if hasEnded { return }
        hasEnded = true
        tracer.queue.add(
            TraceSpan(
                context, parent: parent, name, kind, from: start, to: .now(),
                attributes: attributes.merging(more) { $1 }, failure: failure))
    }
}

extension TraceContext {
    /// As it goes from server to server.
    init?(metadata: JSON.Object) {
        guard case .object(let headers)? = metadata[CallMetadata.trace] else { return nil }
        self.init(headers: headers)
    }

    /// As a client says it when it comes.
    init?(handshake: Handshake?) {
        guard let handshake else { return nil }
        self.init(headers: handshake.user)
    }

    private init?(headers: JSON.Object) {
        guard case .string(let parent)? = headers["traceparent"] else { return nil }
        var state = ""
        if case .string(let text)? = headers["tracestate"] { state = text }
        self.init(traceparent: parent, tracestate: state)
    }

    /// Over the headers that are there: others, such as `baggage`, stay.
    func headers(over old: JSON?) -> JSON {
        var headers: JSON.Object = [:]
        if case .object(let object)? = old { headers = object }
        headers["traceparent"] = .string(traceparent)
        headers["tracestate"] = state.isEmpty ? nil : .string(state)
        return .object(headers)
    }
}

extension Context {
    /// What is done for this message is a part of what its sender does, or the first of a trace. From here on the
    /// metadata names it to other servers, also when nobody keeps it: they must not begin another.
    func beginSpan(_ tracer: Tracer) {
        let parent = TraceContext(metadata: metadata) ?? session.trace
        let trace =
            parent?.child(random: &loop.random)
            ?? .begin(sampling: tracer.settings.sampling, random: &loop.random)
        metadata[CallMetadata.trace] = trace.headers(over: metadata[CallMetadata.trace])
        guard trace.isSampled else { return }
        var attributes = ["local.id": app.id]
        if case .elsewhere = session.home {
            for key in [CallMetadata.peerID, CallMetadata.peerType] {
                if case .string(let text)? = metadata[key] { attributes[key] = text }
            }
        } else {
            attributes["msg.type"] = isRequest ? "request" : "notify"
        }
        span = RequestSpan(trace, parent: parent?.spanID, route, .server, attributes, tracer)
    }

    /// Its outcome is known.
    func endSpan(_ outcome: Result<[UInt8], any Error>) {
        guard let span else { return }
        self.span = nil
        var attributes = ["request.id": requestID]
        if let user = session.uid { attributes["user.id"] = user }
        switch outcome {
        case .success: span.end(nil, attributes)
        case .failure(let error): span.end("\(AppError(error))", attributes)
        }
    }
}

extension ClusterPart {
    /// A call of another server, because of a message or of nothing that is known.
    func beginSpan(to server: ClusterServer, _ context: Context?, _ values: JSON.Object) -> RequestSpan? {
        guard let tracer = shard.plan.tracer else { return nil }
        let parent = (context?.metadata).flatMap { TraceContext(metadata: $0) } ?? TraceContext(metadata: values)
        let trace =
            parent?.child(random: &shard.loop.random)
            ?? .begin(sampling: tracer.settings.sampling, random: &shard.loop.random)
        guard trace.isSampled else { return nil }
        return RequestSpan(
            trace, parent: parent?.spanID, "NATS RPC Call", .client,
            ["local.id": own.id, "peer.id": server.id, "peer.serverType": server.type], tracer)
    }
}
