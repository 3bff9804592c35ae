public import OmniwayTelemetry

/// Where spans are sent: an OpenTelemetry collector, or what takes its place.
public struct TracingSettings: Sendable {
    /// `http://host:4318`, or `https://…`; spans go to `/v1/traces` below it.
    public var endpoint: String
    /// Headers of each request, for those who want a key.
    public var headers: [String: Secret] = [:]
    /// Of so large a part of all requests spans are made, from 0 to 1. Where somebody else has begun, he has decided.
    public var sampling = 1.0
    /// A client is somebody else: where its handshake has a `traceparent` (and `tracestate`) in the `user` part, its
    /// messages are a part of that trace. False where clients are not to decide what is kept.
    public var followsClients = true
    /// What says which program this is, besides `service.name`.
    public var resource: [String: String] = [:]
    /// Whose certificates are good, for `https`.
    public var trust = TLSTrust.system
    /// Spans that wait; further ones are dropped and counted.
    public var queue = 8192
    /// How often they are sent, at least; and how many at once.
    public var interval = Duration.seconds(5)
    public var batch = 512
    /// How often a batch is tried again that the collector did not take.
    public var attempts = 5

    public init(_ endpoint: String) { self.endpoint = endpoint }

    /// From variables that OpenTelemetry names: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`
    /// (`name=value,…`), `OTEL_TRACES_SAMPLER_ARG`, and `OTEL_SERVICE_NAME`. Nil without the first.
    public init?(environment: [String: String]) {
        guard let endpoint = environment["OTEL_EXPORTER_OTLP_ENDPOINT"], !endpoint.isEmpty else { return nil }
        self.init(endpoint)
        for pair in (environment["OTEL_EXPORTER_OTLP_HEADERS"] ?? "").split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1).map { String($0.filter { $0 != " " }) }
            if parts.count == 2 { headers[parts[0]] = Secret(parts[1]) }
        }
        if let part = environment["OTEL_TRACES_SAMPLER_ARG"].flatMap({ Double($0) }) { sampling = part }
        if let name = environment["OTEL_SERVICE_NAME"], !name.isEmpty { resource["service.name"] = name }
    }

    /// What cannot be, in words.
    package var faults: [String] {
        var faults: [String] = []
        if target == nil { faults.append("\"\(endpoint)\" is no endpoint for spans; write http://host:4318") }
        if !(0...1 ~= sampling) { faults.append("tracing.sampling is \(sampling); from 0 to 1") }
        if min(queue, batch) < 1 || attempts < 0 || interval < .milliseconds(1) {
            faults.append("tracing has queue \(queue), batch \(batch), attempts \(attempts), interval \(interval)")
        }
        return faults
    }

    /// How to reach it, and what to ask for.
    package var target: (dialer: any Dialer, host: String, path: String)? {
        let isSecret = endpoint.hasPrefix("https://")
        guard isSecret || endpoint.hasPrefix("http://") else { return nil }
        let rest = endpoint.dropFirst(isSecret ? 8 : 7)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        var (name, path) = (String(rest[..<slash]), String(rest[slash...]))
        while path.hasSuffix("/") { path.removeLast() }
        if HostPort(name) == nil { name += isSecret ? ":443" : ":80" }
        guard let host = HostPort(name) else { return nil }
        let sockets = SocketAddress(name).map { StreamDialer($0) } ?? StreamDialer(host)
        guard isSecret else { return (sockets, name, path + "/v1/traces") }
        guard let tls = try? TLSClient(host: host.host, trust: trust) else { return nil }
        return (tls.over(sockets), name, path + "/v1/traces")
    }
}
