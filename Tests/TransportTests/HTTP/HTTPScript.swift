import OmniwayTesting
import OmniwayTransport
import OmniwayWire

/// A client on virtual time, and a server of which the test says every byte.
struct HTTPScript {
    let world = SimulatedWorld()
    private let part: LoopBound<Part>

    private final class Part {
        let intake: RecordingIntake
        let client: HTTPClient
        let log = ResponseLog()
        init(_ intake: RecordingIntake, _ client: HTTPClient) { (self.intake, self.client) = (intake, client) }
    }

    init(limits: HTTPClientLimits = HTTPClientLimits(), accepts: Bool = true) async throws {
        let transport = InProcess()
        let intake = await world.first.own { _ in RecordingIntake() }
        if accepts { _ = try await transport.open(into: [intake]) }
        part = await intake.map { loop, intake in
            Part(intake, HTTPClient(on: loop, accepts ? transport : Silent(), host: "test", limits: limits))
        }
    }

    func ask(_ body: @Sendable (HTTPClient, ResponseLog) -> Void) async {
        await part.run { _, part in body(part.client, part.log) }
        world.settle()
    }

    /// The server says something on the connection of that number.
    func say(_ text: String, to number: Int = 0) async {
        await part.run { _, part in part.intake.recorders.dropFirst(number).first?.link?.write(text) }
        world.settle()
    }

    func finish() async {
        await part.run { _, part in part.intake.recorders.first?.link?.close(.done) }
        world.settle()
    }

    func breakOff(_ number: Int) async {
        await part.run { _, part in part.intake.recorders.dropFirst(number).first?.link?.close(.slowReader) }
        world.settle()
    }

    func resume() async {
        await part.run { _, part in part.log.call?.resume() }
        world.settle()
    }

    var log: [String] { get async { await part.run { _, part in part.log.lines } } }
    var takenOver: String { get async { await part.run { _, part in part.log.recorder.text } } }
    /// What the server has heard, by connection.
    var said: [String] {
        get async { await part.run { _, part in part.intake.recorders.map(\.text).filter { !$0.isEmpty } } }
    }
    var recorders: Int { get async { await part.run { _, part in part.intake.recorders.count } } }
    var connections: Int { get async { await part.run { _, part in part.client.connectionCount } } }
    var links: Int { get async { await world.first.run { loop in loop.linkCount } } }
    var isFull: Bool { get async { await part.run { _, part in part.intake.recorders.first?.link?.isFull ?? false } } }
}

/// Writes down what is heard of responses: status, bodies, and how they ended.
final class ResponseLog: HTTPResponseHandler {
    private(set) var lines: [String] = []
    var call: HTTPCall?
    private var inBody = false
    var takesOver = false
    let recorder = Recorder()

    func received(_ head: HTTPResponseHead, of call: HTTPCall) { note("\(head.status.code)") }
    func receive(_ bytes: RawSpan, of call: HTTPCall) {
        var piece: [UInt8] = []
        unsafe bytes.withUnsafeBytes { unsafe piece.append(contentsOf: $0) }
        if !inBody { lines.append("") }
        inBody = true
        lines[lines.count - 1] += String(decoding: piece, as: UTF8.self)
    }
    func ended(_ call: HTTPCall) { note("end") }
    func failed(_ call: HTTPCall, _ error: HTTPClientError) { note("\(error)") }
    func switched(_ head: HTTPResponseHead, of call: HTTPCall) -> (any LinkHandler)? {
        guard takesOver else { return nil }
        note("\(head.status.code)")
        return recorder
    }

    private func note(_ line: String) {
        lines.append(line)
        inBody = false
    }
}

/// A dialer whose links never open.
private struct Silent: Dialer {
    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        let driver = Driver()
        guard let link = Link(on: loop, traits: .stream, driver: driver, handler: handler) else { return nil }
        driver.link = link
        loop.after(deadline, driver)
        return link
    }

    private final class Driver: LinkDriver, TimerTarget {
        var link: Link?
        func timerFired(_ token: UInt64, on loop: Loop) { link?.close(.connectTimeout) }
        func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int { 0 }
        func setReading(_ isReading: Bool, for link: Link) {}
        func finish(_ link: Link) {}
        func close(_ reason: CloseReason, rest: RawSpan, for link: Link) { self.link = nil }
    }
}

extension HTTPWorld {
    func client(limits: HTTPClientLimits = HTTPClientLimits()) async -> LoopBound<HTTPClient> {
        let transport = transport
        return await world.first.own { loop in HTTPClient(on: loop, transport, host: "test", limits: limits) }
    }

    /// Starts a task on the loop that uses a client.
    func asking(
        _ body: nonisolated(nonsending) @escaping @Sendable (HTTPClient) async throws -> String
    ) async -> LoopBound<Asking> {
        let client = await client()
        return await client.map { loop, client in
            let asking = Asking(client, body)
            asking.started = loop.start(asking)
            return asking
        }
    }
}

/// Async work with a client, and what came of it.
final class Asking: LoopTask {
    private let client: HTTPClient
    private let body: nonisolated(nonsending) (HTTPClient) async throws -> String
    fileprivate var started: StartedTask?
    fileprivate var result: String?

    fileprivate init(
        _ client: HTTPClient, _ body: nonisolated(nonsending) @escaping (HTTPClient) async throws -> String
    ) {
        (self.client, self.body) = (client, body)
    }

    nonisolated(nonsending) func run() async {
        do { result = try await body(client) } catch { result = "\(error)" }
    }
}

extension LoopBound<Asking> {
    func cancel() async { await run { _, asking in asking.started?.cancel() } }

    func answer(_ http: HTTPWorld) async -> String {
        while true {
            await http.settleAndYield()
            if let result = await run({ _, asking in asking.result }) { return result }
        }
    }
}

/// Sends a body piece by piece and counts what comes back.
final class Sending: HTTPResponseHandler {
    private(set) var head: HTTPResponseHead?
    private(set) var received = 0
    private(set) var hasEnded = false
    private var due: Int

    init(_ client: HTTPClient, bytes: Int) {
        due = bytes
        var limits = client.limits
        limits.message.body = .max
        client.send(HTTPRequestHead(.post, "/pieces"), .pieces(), limits: limits, to: self)
    }

    func writable(_ call: HTTPCall) {
        while due > 0, !call.isFull {
            call.write(Array(repeating: 120, count: 10_000))
            due -= 10_000
        }
        if due == 0 { call.finish() }
    }

    func received(_ head: HTTPResponseHead, of call: HTTPCall) { self.head = head }
    func receive(_ bytes: RawSpan, of call: HTTPCall) { received += bytes.byteCount }
    func ended(_ call: HTTPCall) { hasEnded = true }
    func failed(_ call: HTTPCall, _ error: HTTPClientError) {}
}

/// Sends a body back when all of it has come; or nothing, ever.
final class Returning: HTTPExchangeHandler {
    private var bytes: [UInt8] = []
    private let exchange: HTTPExchange?
    init(_ exchange: HTTPExchange? = nil) { self.exchange = exchange }
    func receive(_ bytes: RawSpan, of exchange: HTTPExchange) {
        unsafe bytes.withUnsafeBytes { unsafe self.bytes.append(contentsOf: $0) }
    }
    func received(_ exchange: HTTPExchange) { exchange.respond(.ok, bytes) }
}
