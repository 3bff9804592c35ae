import OmniwayTelemetry
import OmniwayTransport
import OmniwayTunnel

enum Way: Sendable { case plain, tls, bulk }

/// Source (loop 0) → server (1) → carrier → client (2) → sink (3).
final class Tunnel: Sendable {
    static let key = [UInt8](repeating: 1, count: 32)
    private let loops = EventLoops(count: 4)
    private let door: SocketAddress
    private let sink: LoopBound<Sink>
    private let sides: (server: LoopBound<ServerSide>, client: LoopBound<ClientSide>)
    private let listening: [Listening]

    init(_ way: Way) async throws {
        var settings = CarrierSettings()
        settings.bulkPool = way == .bulk ? 4 : 0
        let chosen = settings
        sink = await loops.loops[3].own { _ in Sink() }
        let origin = try await StreamAcceptor(.loopback()).open(into: [sink])
        let server = await loops.loops[1].own { loop in ServerSide(on: loop, chosen, isBulk: way == .bulk) }
        let carriers = await server.map { _, side in CarrierIntake(side.server) }
        let identity = try TLSIdentity.selfSigned("localhost")
        let socket = StreamAcceptor(.loopback())
        let carrier =
            way == .tls
            ? try await TLSServer(identity, minimum: .v13).over(socket).open(into: [carriers])
            : try await socket.open(into: [carriers])
        let visitors = try await StreamAcceptor(.loopback()).open(into: [server])
        door = visitors.address
        let address = origin.address
        var options = SocketOptions()
        options.mostUnsent = 128 << 10
        let dialer = StreamDialer(carrier.address, options: options)
        let tls = try TLSClient(host: "localhost", trust: .anybody, minimum: .v13)
        let client = await loops.loops[2].own { loop in
            let origin = StreamDialer(address)
            return way == .tls
                ? ClientSide(on: loop, tls.over(dialer), chosen, origin)
                : ClientSide(on: loop, dialer, chosen, origin)
        }
        sides = (server, client)
        listening = [origin, carrier, visitors]
        try await wait { await server.run { _, side in side.isReady(idle: chosen.bulkPool) } }
    }

    func stop() async {
        for listening in listening { await listening.stop() }
        await loops.shutdown()
    }

    private func wait(_ condition: () async -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(120)
        while await !condition() {
            if ContinuousClock.now > end { throw TooLong() }
            try await Task.sleep(for: .milliseconds(1))
        }
    }
    private struct TooLong: Error {}

    /// Seconds that the loops of server and client have worked.
    private func cpu() async -> Double {
        var seconds = 0.0
        for index in 1...2 {
            let text = await loops.loops[index].run { loop in loop.meters.snapshot().prometheusText }
            for line in text.split(separator: "\n") where line.hasPrefix("omniway_loop_cpu_seconds_total{") {
                seconds += line.split(separator: " ").last.flatMap { Double($0) } ?? 0
            }
        }
        return seconds
    }

    private func visit(_ handlers: [@Sendable () -> any LinkHandler]) async {
        let dialer = StreamDialer(door)
        await loops.loops[0].run { loop in
            for make in handlers { _ = dialer.dial(on: loop, deadline: .seconds(10), handler: make()) }
        }
    }

    /// Sends so many bytes through; seconds on the clock, and of work.
    func carry(_ bytes: Int, visitors: Int) async throws -> (wall: Double, cpu: Double) {
        await sink.run { _, sink in sink.mode = .swallow }
        let (start, before) = (ContinuousClock.now, await cpu())
        await visit((0..<visitors).map { _ in { Source(bytes / visitors) } })
        let sink = sink
        try await wait { await sink.run { _, sink in sink.received >= bytes / visitors * visitors } }
        return ((ContinuousClock.now - start) / .seconds(1), await cpu() - before)
    }

    func roundTrips(_ count: Int) async throws -> (p50: Int, p99: Int) {
        await sink.run { _, sink in sink.mode = .echo }
        let (stream, done) = AsyncStream.makeStream(of: [Int].self)
        await visit([{ Pinger(count, done) }])
        for await times in stream {
            let sorted = times.sorted()
            return (sorted[sorted.count / 2] / 1000, sorted[sorted.count * 99 / 100] / 1000)
        }
        throw TooLong()
    }

    /// Opens streams one after the other, `width` at a time; each brings one message there and back.
    func open(_ count: Int, at width: Int) async throws -> (perSecond: Double, cpu: Double) {
        await sink.run { _, sink in sink.mode = .echo }
        let (stream, done) = AsyncStream.makeStream(of: Void.self)
        let (start, before) = (ContinuousClock.now, await cpu())
        let dialer = StreamDialer(door)
        let opener = await loops.loops[0].own { _ in Opener(count, by: dialer, done) }
        await opener.run { loop, opener in for _ in 0..<width { opener.next(on: loop) } }
        for await _ in stream { break }
        let wall = (ContinuousClock.now - start) / .seconds(1)
        return (Double(count) / wall, (await cpu() - before) * 1e6 / Double(count))
    }

    func stall(_ count: Int, for seconds: Int) async throws {
        await sink.run { _, sink in sink.mode = .ignore }
        await visit((0..<count).map { _ in { Source(1 << 40) } })
        try await Task.sleep(for: .seconds(seconds))
    }
}
