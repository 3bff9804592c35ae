import Omniway
import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayApp

/// Spans of a request that goes on to another server, as a collector gets them.
@Suite(.timeLimit(.minutes(1))) struct TracingTests {
    private struct Seen: Equatable {
        var name, kind, trace, id, parent, service: String
        var attributes: [String: String]
    }

    private struct Place {
        let loops = EventLoops(count: 3).loops
        let collected = Lock<[String]>([])
        let registry: Registry
        let listening: Listening
        var connector, room: App

        init(
            sampling: Double = 1, followsClients: Bool = true, _ handler: @escaping @Sendable (App) -> Void
        ) async throws {
            let collected = collected
            let server = await loops[2].own { loop in
                var routes = HTTPRoutes()
                routes.post("/v1/traces") { exchange in
                    let text = exchange.bodyText
                    collected.withLock { $0.append(text) }
                    exchange.respond(.ok)
                }
                return HTTPServer(on: loop, routes: routes)
            }
            let listening = try await StreamAcceptor(.loopback()).open(into: [server])
            let registry = try await Registry.open(.memory, on: loops[0])
            let (bus, loops) = (InProcessBus(), loops)
            (self.listening, self.registry) = (listening, registry)
            func app(_ type: String, _ loop: Int, _ set: (App) -> Void) async throws -> App {
                var settings = AppSettings()
                settings.tracing = TracingSettings("http://\(listening.address)")
                settings.tracing?.sampling = sampling
                settings.tracing?.followsClients = followsClients
                settings.tracing?.interval = .milliseconds(20)
                let app = App(type: type, id: "\(type)-1", settings: settings)
                app.join(registry: registry, bus: bus)
                set(app)
                try await app.start(on: [loops[loop]])
                return app
            }
            room = try await app("room", 0, handler)
            connector = try await app("connector", 1) { app in
                app.listen(.tcp("127.0.0.1:0"))
                app.on("here.fail") { (body: [UInt8], context) -> [UInt8] in throw AppError("RM-1", "no") }
            }
        }

        /// When all has ended, so all has been sent.
        func spans() async throws -> [Seen] {
            for app in [connector, room] { await app.stop() }
            await registry.close()
            await listening.stop()
            let bodies = collected.withLock { $0 }
            for loop in loops { await loop.shutdown() }
            var seen: [Seen] = []
            for body in bodies {
                let resource = try #require(try JSON.Reader.go.read(Array(body.utf8))["resourceSpans"]?[0])
                let service = resource["resource"]?["attributes"]?.attributes["service.name"] ?? ""
                for span in try resource["scopeSpans"]?[0]?["spans"]?.array() ?? [] {
                    func text(_ key: String) -> String { (try? span[key]?.string()) ?? "" }
                    seen.append(
                        Seen(
                            name: text("name"), kind: "\((try? span["kind"]?.int()) ?? 0)", trace: text("traceId"),
                            id: text("spanId"), parent: text("parentSpanId"), service: service,
                            attributes: span["attributes"]?.attributes ?? [:]))
                }
            }
            return seen
        }
    }

    @Test func `a request that goes on to a backend is one trace, each part under the one before`() async throws {
        let place = try await Place { app in
            app.on("room.say") { (body: [UInt8], context) in
                try await context.sleep(for: .milliseconds(1))
                return body
            }
        }
        let client = try await AppClient(over: StreamDialer(place.connector.addresses[0]), on: place.loops[2])
        let answer: [Int] = try await client.request("room.room.say", [1])
        #expect(answer == [1])
        client.disconnect()
        let spans = try await place.spans()
        #expect(spans.count == 3)
        let frontend = try #require(spans.first { $0.service == "connector" && $0.kind == "2" })
        let call = try #require(spans.first { $0.kind == "3" })
        let backend = try #require(spans.first { $0.service == "room" })
        #expect(frontend.parent == "" && call.parent == frontend.id && backend.parent == call.id)
        #expect(Set(spans.map(\.trace)).count == 1 && Set(spans.map(\.id)).count == 3)
        #expect(frontend.name == "room.room.say" && backend.name == "room.room.say" && call.name == "NATS RPC Call")
        #expect(frontend.attributes["local.id"] == "connector-1" && frontend.attributes["msg.type"] == "request")
        #expect(call.attributes == ["local.id": "connector-1", "peer.id": "room-1", "peer.serverType": "room"])
        #expect(backend.attributes["peer.id"] == "connector-1" && backend.attributes["peer.service"] == "connector")
        #expect(frontend.attributes["request.id"] == backend.attributes["request.id"])
    }

    @Test func `what somebody else does not keep is not kept here, and goes on under his trace`() async throws {
        let heard = Lock<String?>(nil)
        let place = try await Place(sampling: 0) { app in
            app.on("room.say") { (body: [UInt8], context) in
                let headers = context.metadata["otel-span"]
                heard.withLock { $0 = try? headers?["traceparent"]?.string() }
                return body
            }
        }
        let client = try await AppClient(over: StreamDialer(place.connector.addresses[0]), on: place.loops[2])
        let _: [Int] = try await client.request("room.room.say", [1])
        client.disconnect()
        #expect(try await place.spans().isEmpty)
        #expect(heard.withLock { $0 }?.hasSuffix("-00") == true)
    }

    @Test func `a failure is said in its span, and a call of nobody's is a trace of its own`() async throws {
        let place = try await Place { app in
            app.remotes.on("remote.hello") { (body: [UInt8], context) in body }
        }
        let client = try await AppClient(over: StreamDialer(place.connector.addresses[0]), on: place.loops[2])
        await #expect(throws: AppError.self) { let _: [Int] = try await client.request("connector.here.fail", [1]) }
        client.disconnect()
        _ = try await place.connector.rpc("room.remote.hello", [UInt8]([1]), as: [UInt8].self)
        let bodies = place.collected
        let spans = try await place.spans()
        #expect(spans.map(\.name).sorted() == ["NATS RPC Call", "connector.here.fail", "room.remote.hello"])
        #expect(Set(spans.map(\.trace)).count == 2)
        #expect(bodies.withLock { $0 }.joined().contains(#""status":{"code":2,"message":"RM-1: no"}"#))
    }

    // MARK: A client that is in a trace already

    private static let trace = "0af7651916cd43dd8448eb211c80319c"

    /// What was seen of one message of a client that says this of its trace.
    private func spans(
        of traceparent: JSON, sampling: Double = 1, followsClients: Bool = true
    ) async throws -> [Seen] {
        let place = try await Place(sampling: sampling, followsClients: followsClients) { app in
            app.on("room.say") { (body: [UInt8], context) in
                let headers = context.metadata["otel-span"]
                #expect(!followsClients || traceparent == 1 || (try? headers?["tracestate"]?.string()) == "a=1")
                return body
            }
        }
        var settings = AppClientSettings()
        settings.handshake.user = ["traceparent": traceparent, "tracestate": "a=1"]
        let client = try await AppClient(
            over: StreamDialer(place.connector.addresses[0]), on: place.loops[2], settings)
        let _: [Int] = try await client.request("room.room.say", [1])
        client.disconnect()
        return try await place.spans()
    }

    @Test func `a client's messages are a part of its own trace, and it has decided whether that is kept`() async throws
    {
        let kept = try await spans(of: .string("00-\(Self.trace)-b7ad6b7169203331-01"), sampling: 0)
        #expect(kept.count == 3 && kept.allSatisfy { $0.trace == Self.trace }, "\(kept)")
        #expect(kept.first { $0.service == "connector" && $0.kind == "2" }?.parent == "b7ad6b7169203331")
        #expect(try await spans(of: .string("00-\(Self.trace)-b7ad6b7169203331-00")).isEmpty)
    }

    @Test func `what is no trace, or is not to be followed, begins one here`() async throws {
        let nonsense = try await spans(of: 1)
        #expect(nonsense.count == 3 && nonsense.contains { $0.parent.isEmpty })
        let ignored = try await spans(
            of: .string("00-\(Self.trace)-b7ad6b7169203331-01"), followsClients: false)
        #expect(ignored.count == 3 && ignored.allSatisfy { $0.trace != Self.trace })
    }

    @Test func `an app whose collector is no address does not start`() async throws {
        var settings = AppSettings()
        settings.tracing = TracingSettings("collector")
        let app = App(type: "room", settings: settings)
        let loop = EventLoop()
        await #expect(throws: AppStartError.self) { try await app.start(on: [loop]) }
        await loop.shutdown()
    }
}

extension JSON {
    /// A list of attributes by their keys.
    fileprivate var attributes: [String: String] {
        var values: [String: String] = [:]
        for attribute in (try? array()) ?? [] {
            if let key = try? attribute["key"]?.string() {
                values[key] = try? attribute["value"]?["stringValue"]?.string()
            }
        }
        return values
    }
}
