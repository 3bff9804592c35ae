import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire

/// A server on virtual time, and clients that speak to it in plain bytes.
struct HTTPWorld {
    let world = SimulatedWorld()
    let transport: InProcess
    let server: LoopBound<HTTPServer>
    let listening: Listening

    init(
        limits: HTTPServerLimits = HTTPServerLimits(), queue: QueueLimits = QueueLimits(),
        _ build: @Sendable (inout HTTPRoutes, Loop) -> Void
    ) async throws {
        transport = InProcess(queue: queue)
        server = await world.first.own { loop in
            var routes = HTTPRoutes()
            build(&routes, loop)
            return HTTPServer(on: loop, routes: routes, limits: limits)
        }
        listening = try await transport.open(into: [server])
    }

    func connect() async -> LoopBound<Recorder> {
        let transport = transport
        let client = await world.first.own { _ in Recorder() }
        await client.run { loop, client in
            _ = transport.dial(on: loop, deadline: .seconds(1), handler: client)
        }
        world.settle()
        return client
    }

    func send(_ text: String, on client: LoopBound<Recorder>) async {
        await client.run { _, client in client.link?.write(text) }
        world.settle()
    }

    /// For work that leaves the simulated loop: whatever thread it needs must not be kept busy by a test that waits.
    func settleAndYield() async {
        world.settle()
        await Task.yield()
    }

    /// Everything that a new client hears when it says `text`.
    func answer(to text: String) async -> String {
        let client = await connect()
        await send(text, on: client)
        return await client.text
    }

    func counter(_ name: String, _ label: String? = nil, _ value: String = "") async -> Double {
        let labels = label.map { [MeterSnapshot.Label(name: $0, value: value)] } ?? []
        return await world.first.snapshot().number(name, labels: labels) ?? 0
    }

    var links: Int { get async { await world.first.run { loop in loop.linkCount } } }
}

extension LoopBound<Recorder> {
    /// What was received, without Date.
    var text: String {
        get async { await run { _, recorder in recorder.text }.withoutDate }
    }
    var closeReason: CloseReason? { get async { await run { _, recorder in recorder.closeReason } } }
    var hasFinished: Bool { get async { await run { _, recorder in recorder.events.contains(.finished) } } }
}

extension String {
    /// The status of each response in it.
    var statuses: [Int] {
        split(separator: "HTTP/1.1 ").filter { $0.first?.isNumber ?? false }.compactMap { Int($0.prefix(3)) }
    }

    fileprivate var withoutDate: String {
        split(separator: "\r\n", omittingEmptySubsequences: false).filter { !$0.hasPrefix("Date: ") }
            .joined(separator: "\r\n")
    }
}
