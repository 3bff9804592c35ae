import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// An app as a real process.
struct RunningServer {
    let program: TestProgram
    /// Where it listens, in the order of the flags.
    let addresses: [SocketAddress]

    static func start(
        _ arguments: String, product: String = "conformance-server", environment: String = "", ports: Int = 1,
        until last: String = "app listens"
    ) async throws -> RunningServer {
        let script = "\(environment) exec \(BuiltProduct.path(product)) \(arguments)"
        let opened = Lock(0)
        let program = try await TestProgram(["sh", "-c", script]) { line in
            opened.withLock { opened in
                if line.contains(last) { opened += 1 }
                return opened == max(ports, 1)
            }
        }
        let addresses = await program.lines.filter { $0.contains("app listens") }.compactMap { line in
            line.split(separator: " ").first { $0.hasPrefix("address=") }.flatMap {
                SocketAddress(String($0.dropFirst(8)))
            }
        }
        return RunningServer(program: program, addresses: addresses)
    }

    /// What it says when it cannot start, and then `code <number>`.
    static func refusal(_ arguments: String, product: String = "conformance-server") async throws -> [String] {
        try await script("\(BuiltProduct.path(product)) \(arguments)")
    }

    /// What a script says, and then `code <number>`.
    static func script(_ script: String) async throws -> [String] {
        let program = try await TestProgram(["sh", "-c", "\(script)\necho code $?"]) { $0.hasPrefix("code ") }
        let lines = await program.lines
        await program.stop()
        return lines
    }
}

/// The client's end of a real connection.
final class SocketClient: ProbePeer, Sendable {
    private let loop: EventLoop
    private let recorder: LoopBound<Recorder>
    private let inbox: LoopBound<Inbox>
    /// One for each event of the connection.
    private let events: AsyncStream<Void>
    /// A connection that proves that the server has come round.
    private let fence: (@Sendable () async throws -> SocketClient)?

    private final class Inbox { var taken = 0 }

    init(
        over dialer: some Dialer & Sendable, on loop: EventLoop,
        fence: (@Sendable () async throws -> SocketClient)? = nil
    ) async throws {
        (self.loop, self.fence) = (loop, fence)
        let (events, continuation) = AsyncStream.makeStream(of: Void.self)
        self.events = events
        inbox = await loop.own { _ in Inbox() }
        recorder = await loop.own { _ in
            let recorder = Recorder()
            recorder.then = { _, _ in continuation.yield() }
            return recorder
        }
        await recorder.run { loop, recorder in
            let arrivals = Arrivals(recorder) { continuation.yield() }
            _ = dialer.dial(on: loop, deadline: .seconds(10), handler: arrivals)
        }
        try #require(await wait { $0.events.contains(.opened) ? true : nil } == true)
    }

    /// Says also that bytes of a stream have come, which a recorder does not.
    private final class Arrivals: LinkHandler {
        private let recorder: Recorder
        private let then: () -> Void
        init(_ recorder: Recorder, _ then: @escaping () -> Void) { (self.recorder, self.then) = (recorder, then) }
        func opened(_ link: Link) { recorder.opened(link) }
        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
            defer { then() }
            return recorder.receive(bytes, endOfMessage: endOfMessage, from: link)
        }
        func finished(_ link: Link) { recorder.finished(link) }
        func closed(_ link: Link, _ reason: CloseReason) { recorder.closed(link, reason) }
    }

    /// Looks after each event until there is an answer. Nil when the connection has ended, or after ten seconds.
    private func wait<Answer: Sendable>(_ look: @escaping @Sendable (Recorder) -> Answer?) async -> Answer? {
        let (recorder, events) = (recorder, events)
        return await withTaskGroup { group in
            group.addTask {
                repeat {
                    let (answer, isOver) = await recorder.run { _, recorder in (look(recorder), recorder.isOver) }
                    if answer != nil || isOver { return answer }
                    var next = events.makeAsyncIterator()
                    guard await next.next() != nil else { return nil }
                } while true
            }
            group.addTask {
                try? await Task.sleep(for: .seconds(10))  // Only how long a failure takes.
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    private func unread() async -> [UInt8] {
        let all = await recorder.run { _, recorder in recorder.all }
        return Array(all.dropFirst(await inbox.run { _, inbox in inbox.taken }))
    }

    func send(_ bytes: [UInt8]) async { await recorder.run { _, recorder in recorder.link?.write(bytes) } }

    func packet() async -> (kind: PomeloPacket.Kind, body: [UInt8])? {
        let taken = await inbox.run { _, inbox in inbox.taken }
        let found = await wait { recorder -> PacketFound? in
            let bytes = Array(recorder.all.dropFirst(taken))
            let codec = PomeloPacketCodec(maxBodySize: PomeloPacket.mostBodyBytes)
            guard let packet = try? codec.packet(in: unsafe bytes.span.bytes, at: 0) else { return nil }
            return PacketFound(kind: packet.kind, body: Array(bytes[packet.body]), end: packet.end)
        }
        guard let found else { return nil }
        await inbox.run { _, inbox in inbox.taken += found.end }
        return (found.kind, found.body)
    }

    private struct PacketFound: Sendable {
        let kind: PomeloPacket.Kind
        let body: [UInt8]
        let end: Int
    }

    /// The next packet that says something.
    func message() async -> TestMessage? {
        while let (kind, body) = await packet() {
            switch kind {
            case .heartbeat: continue
            case .data: return try? TestMessage(body)
            default: return TestMessage(kind)
            }
        }
        return nil
    }

    func handshake(_ bytes: [UInt8] = TestClient.handshake) async throws -> [UInt8] {
        await send(bytes)
        let answer = try #require(await packet())
        await send([2, 0, 0, 0])
        return answer.body
    }

    func ask(_ route: String, _ body: String = "", id: UInt64 = 1) async -> TestMessage? {
        await send(TestClient.message(.request(id: id, .text(route)), body))
        return await message()
    }

    /// A server of one loop has treated what was sent before when it answers somebody who came later; and what it
    /// said is here when the next answer is.
    private func comeRound() async throws {
        for _ in 0..<2 {
            let client = try await fence?()
            _ = try await client?.handshake()
            await client?.close()
        }
    }

    func rest() async throws -> [UInt8] {
        try await comeRound()
        return await unread()
    }

    func isOver() async throws -> Bool {
        try await comeRound()
        return await recorder.run { _, recorder in recorder.isOver }
    }

    func ends() async -> Bool {
        _ = await wait { _ in Never?.none }
        return await recorder.run { _, recorder in recorder.isOver }
    }

    func close() async { await recorder.run { _, recorder in recorder.link?.close(.done) } }
}

extension Recorder {
    fileprivate var isOver: Bool { events.contains(.finished) || closeReason != nil }
    fileprivate var all: [UInt8] { messages.flatMap(\.self) + bytes }
}
