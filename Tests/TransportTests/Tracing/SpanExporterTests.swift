import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// Spans on their way to a collector, on virtual time.
@Suite struct SpanExporterTests {
    /// What a collector has heard, and what it answers next.
    private struct Collector {
        var bodies: [String] = []
        var keys: [String] = []
        var answers: [HTTPStatus] = []
    }

    private struct Place {
        let world = SimulatedWorld()
        let transport = InProcess()
        let collector = Lock(Collector())
        let queue: SpanQueue
        let exporter: LoopBound<SpanExporter>
        private let listening: Listening

        init(_ change: (inout TracingSettings) -> Void = { _ in }) async throws {
            let collector = collector
            let server = await world.first.own { loop in
                var routes = HTTPRoutes()
                routes.post("/v1/traces") { exchange in
                    let (body, key) = (exchange.bodyText, exchange.request.headers["x-key"] ?? "")
                    let status = collector.withLock { collector in
                        collector.bodies.append(body)
                        collector.keys.append(key)
                        return collector.answers.isEmpty ? HTTPStatus.ok : collector.answers.removeFirst()
                    }
                    exchange.respond(status)
                }
                return HTTPServer(on: loop, routes: routes)
            }
            listening = try await transport.open(into: [server])
            var settings = TracingSettings("http://collector:4318")
            settings.headers = ["x-key": Secret("hush")]
            change(&settings)
            queue = SpanQueue(limit: settings.queue)
            let (queue, transport, ready) = (queue, transport, settings)
            exporter = try await world.first.own { loop in
                let made = SpanExporter(on: loop, queue, ready, resource: ["service.name": "room"], over: transport)
                return try #require(made)
            }
            await exporter.run { _, exporter in exporter.begin() }
        }

        func add(_ names: String...) {
            for name in names {
                let context = TraceContext(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
                queue.add(
                    TraceSpan(
                        context!, parent: 0x1f, name, .server, from: Timestamp(seconds: 1, nanoseconds: 5),
                        to: Timestamp(seconds: 2, nanoseconds: 0), attributes: ["b": "2", "a": "1"],
                        failure: name == "bad" ? "PIT-500" : nil))
            }
        }

        var bodies: [String] { collector.withLock { $0.bodies } }
        func answers(_ statuses: HTTPStatus...) { collector.withLock { $0.answers = statuses } }
        func count(_ outcome: String) async -> Double {
            await world.first.snapshot().number(
                "omniway_trace_spans_total", labels: [MeterSnapshot.Label(name: "outcome", value: outcome)]) ?? 0
        }
    }

    @Test func `spans go to the collector in a batch, as its protocol has them`() async throws {
        let place = try await Place()
        place.add("one", "bad")
        place.world.advance(by: .seconds(6))
        let bodies = place.bodies
        #expect(bodies.count == 1)
        let json = try JSON.Reader.go.read(Array(try #require(bodies.first).utf8))
        let resource = json["resourceSpans"]?[0]
        #expect(resource?["resource"]?["attributes"]?[0]?["value"]?["stringValue"] == "room")
        let spans = resource?["scopeSpans"]?[0]?["spans"]
        #expect(spans?[0]?["traceId"] == "0af7651916cd43dd8448eb211c80319c")
        #expect(spans?[0]?["spanId"] == "b7ad6b7169203331" && spans?[0]?["parentSpanId"] == "000000000000001f")
        #expect(spans?[0]?["name"] == "one" && spans?[0]?["kind"] == 2 && spans?[0]?["status"] == nil)
        #expect(spans?[0]?["startTimeUnixNano"] == "1000000005" && spans?[0]?["endTimeUnixNano"] == "2000000000")
        #expect(spans?[0]?["attributes"]?[1] == ["key": "b", "value": ["stringValue": "2"]])
        #expect(spans?[1]?["status"] == ["code": 2, "message": "PIT-500"])
        #expect(place.collector.withLock { $0.keys } == ["hush"])
        #expect(await place.count("sent") == 2)
    }

    @Test func `nothing is asked while there is nothing to say`() async throws {
        let place = try await Place()
        place.world.advance(by: .seconds(60))
        #expect(place.bodies.isEmpty)
    }

    @Test func `a batch that the collector has no room for is tried again`() async throws {
        let place = try await Place()
        place.answers(.serviceUnavailable, .tooManyRequests)
        place.add("one")
        place.world.advance(by: .seconds(15))
        #expect(place.bodies.count == 3)
        #expect(await place.count("sent") == 1)
    }

    @Test func `a batch that it refuses, or never takes, is dropped and counted`() async throws {
        let place = try await Place { $0.attempts = 1 }
        place.answers(.badRequest, .serviceUnavailable, .serviceUnavailable)
        place.add("one", "two")
        place.world.advance(by: .seconds(6))
        place.add("three")
        place.world.advance(by: .seconds(20))
        place.add("four")
        place.world.advance(by: .seconds(20))
        #expect(await place.count("dropped") == 3)
        #expect(await place.count("sent") == 1)
        #expect(place.bodies.count == 4)
    }

    @Test func `many go in several batches, one after the other, and what does not fit is dropped`() async throws {
        let place = try await Place { ($0.batch, $0.queue) = (2, 5) }
        place.add("1", "2", "3", "4", "5", "6", "7")
        place.world.advance(by: .seconds(30))
        #expect(place.bodies.count == 3)
        #expect(await place.count("sent") == 5)
        #expect(await place.count("dropped") == 2)
    }

    @Test func `at the end what waits is sent, or dropped when that takes too long`() async throws {
        let place = try await Place()
        place.add("one")
        let gate = Lock(false)
        await place.exporter.run { _, exporter in exporter.end(within: .seconds(2)) { gate.withLock { $0 = true } } }
        place.world.settle()
        #expect(gate.withLock { $0 })
        #expect(await place.count("sent") == 1)

        let other = try await Place()
        other.answers(.serviceUnavailable, .serviceUnavailable, .serviceUnavailable, .serviceUnavailable)
        other.add("one")
        await other.exporter.run { _, exporter in exporter.end(within: .seconds(1)) { gate.withLock { $0 = false } } }
        other.world.advance(by: .seconds(3))
        #expect(!gate.withLock { $0 })
        #expect(await other.count("dropped") == 1)
    }

    @Test func `settings come from the variables that OpenTelemetry names`() {
        #expect(TracingSettings(environment: [:]) == nil)
        let settings = TracingSettings(environment: [
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318/base/", "OTEL_EXPORTER_OTLP_HEADERS": "a=b, c=d=e",
            "OTEL_TRACES_SAMPLER_ARG": "0.5", "OTEL_SERVICE_NAME": "shop",
        ])
        #expect(settings?.target?.path == "/base/v1/traces" && settings?.target?.host == "otel:4318")
        #expect(settings?.headers == ["a": Secret("b"), "c": Secret("d=e")])
        #expect(settings?.sampling == 0.5 && settings?.resource == ["service.name": "shop"])
        #expect(settings?.faults == [])
        var wrong = TracingSettings("otel:4318")
        (wrong.sampling, wrong.batch) = (2, 0)
        #expect(wrong.faults.count == 3)
    }
}
