package import OmniwayTelemetry
import OmniwayWire

/// Sends spans to a collector, as OTLP in JSON. It lives on one loop; the queue is everybody's.
package final class SpanExporter: HTTPResponseHandler, TimerTarget {
    private let loop: Loop
    private let queue: SpanQueue
    private let settings: TracingSettings
    private let resource: [String: String]
    private let client: HTTPClient
    private let path: String
    private let (sent, lost): (Counter, Counter)
    /// What is under way, or waits to be tried again.
    private var batch: [TraceSpan] = []
    private var isAsking = false
    private var failures = 0
    private var status = 0
    private var timer: TimerID?
    private var whenEmpty: (() -> Void)?
    private static let pauses = Reconnecting(first: .milliseconds(500), longest: .seconds(30))

    /// Nil for an endpoint that is none. `resource` is said besides what the settings say.
    package init?(
        on loop: Loop, _ queue: SpanQueue, _ settings: TracingSettings, resource: [String: String],
        over dialer: (any Dialer)? = nil
    ) {
        guard let target = settings.target else { return nil }
        (self.loop, self.queue, self.settings, path) = (loop, queue, settings, target.path)
        self.resource = resource.merging(settings.resource) { $1 }
        client = HTTPClient(on: loop, dialer ?? target.dialer, host: target.host)
        let help = "Spans by what became of them."
        sent = loop.meters.counter("omniway_trace_spans_total", help, labels: [("outcome", "sent")])
        lost = loop.meters.counter("omniway_trace_spans_total", help, labels: [("outcome", "dropped")])
    }

    package func begin() { wait(settings.interval) }

    private func wait(_ time: Duration) {
        if let timer { loop.cancel(timer) }
        timer = loop.after(time, self)
    }

    package func timerFired(_ token: UInt64, on loop: Loop) {
        timer = nil
        send()
    }

    /// Sends what waits, and then says so; what cannot be sent within the limit is dropped.
    package func end(within limit: Duration, then: @escaping () -> Void) {
        whenEmpty = then
        loop.after(limit, EndOfTime(self))
        if !isAsking { send() }
    }

    private final class EndOfTime: TimerTarget {
        private let exporter: SpanExporter
        init(_ exporter: SpanExporter) { self.exporter = exporter }
        func timerFired(_ token: UInt64, on loop: Loop) { exporter.finish() }
    }

    private func finish() {
        guard let then = exchange(&whenEmpty, with: nil) else { return }
        if let timer { loop.cancel(timer) }
        lost.add(UInt64(batch.count + queue.count))
        client.close()
        then()
    }

    private func send() {
        if isAsking { return }
        if batch.isEmpty {
            let (spans, dropped) = queue.take(settings.batch)
            lost.add(dropped)
            batch = spans
        }
        if batch.isEmpty { return whenEmpty == nil ? wait(settings.interval) : finish() }
        var headers: HTTPHeaders = ["Content-Type": "application/json"]
        for name in settings.headers.keys.sorted() { headers.add(name, settings.headers[name]?.revealed ?? "") }
        isAsking = true
        status = 0
        client.send(
            HTTPRequestHead(.post, path, headers), .bytes(OTLP.json(batch, resource: resource)), to: self)
    }

    // MARK: The answer

    package func received(_ head: HTTPResponseHead, of call: HTTPCall) { status = head.status.code }
    package func receive(_ bytes: RawSpan, of call: HTTPCall) {}

    package func ended(_ call: HTTPCall) {
        isAsking = false
        switch status {
        case 200..<300:
            sent.add(UInt64(batch.count))
            batch = []
            failures = 0
            send(next: queue.count >= settings.batch || whenEmpty != nil)
        case 429, 502, 503, 504: again("it answers \(status)")
        default: giveUp("it answers \(status)")
        }
    }

    package func failed(_ call: HTTPCall, _ error: HTTPClientError) {
        isAsking = false
        again("\(error)")
    }

    private func again(_ words: String) {
        if failures >= settings.attempts { return giveUp(words) }
        if failures == 0 { Log.shared.warning("spans cannot be sent now", ["to": settings.endpoint, "error": words]) }
        wait(Self.pauses.pause(after: failures, chance: loop.random.next()))
        failures += 1
    }

    private func giveUp(_ words: String) {
        Log.shared.warning(
            "spans are dropped", ["to": settings.endpoint, "error": words, "count": "\(batch.count)"])
        lost.add(UInt64(batch.count))
        batch = []
        failures = 0
        send(next: false)
    }

    private func send(next isAtOnce: Bool) { if isAtOnce { send() } else { wait(settings.interval) } }
}

/// Spans as OpenTelemetry's protocol has them in JSON.
enum OTLP {
    static func json(_ spans: [TraceSpan], resource: [String: String]) -> [UInt8] {
        var bytes: [UInt8] = []
        JSON.Writer().writeObject(to: &bytes) { root in
            root.array("resourceSpans") { all in
                all.object { one in
                    one.object("resource") { $0.attributes(resource) }
                    one.array("scopeSpans") { scopes in
                        scopes.object { scope in
                            scope.object("scope") { $0.member("name", "omniway") }
                            scope.array("spans") { list in for span in spans { list.object { $0.span(span) } } }
                        }
                    }
                }
            }
        }
        return bytes
    }
}

extension JSON.ObjectWriter {
    fileprivate mutating func attributes(_ values: [String: String]) {
        array("attributes") { list in
            for key in values.keys.sorted() {
                list.object { attribute in
                    attribute.member("key", key)
                    attribute.object("value") { $0.member("stringValue", values[key] ?? "") }
                }
            }
        }
    }

    fileprivate mutating func span(_ span: TraceSpan) {
        member("traceId", span.context.traceText)
        member("spanId", span.context.spanText)
        if let parent = span.parent { member("parentSpanId", TraceContext.text(parent)) }
        if !span.context.state.isEmpty { member("traceState", span.context.state) }
        member("name", span.name)
        member("kind", span.kind.rawValue)
        member("startTimeUnixNano", span.start.unixNanoseconds)
        member("endTimeUnixNano", span.end.unixNanoseconds)
        attributes(span.attributes)
        if let failure = span.failure {
            object("status") {
                $0.member("code", 2)
                $0.member("message", failure)
            }
        }
    }
}

extension Timestamp {
    /// 64-bit numbers are texts in this JSON.
    fileprivate var unixNanoseconds: String { String(seconds * 1_000_000_000 + nanoseconds) }
}
