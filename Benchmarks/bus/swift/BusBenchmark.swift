import Glibc
import OmniwayCluster
import OmniwayTransport

/// BusBenchmark URL server|client [DEPTH SIZE SECONDS]: what natsload.c does, through our own client on one loop.
/// BusBenchmark URL subscribe COUNT: how long so many subscriptions take, and how much memory.
@main
struct BusBenchmark {
    nonisolated static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3 else {
            print("usage: BusBenchmark URL server|client [DEPTH SIZE SECONDS]")
            exit(2)
        }
        let bus = try NATSBus(NATSSettings(arguments[1]))
        let loop = EventLoop()
        try await bus.ready(on: [loop])
        if arguments[2] == "server" {
            try await loop.run { loop in
                let port = bus.port(on: loop)
                _ = try port.subscribe("bench/echo") { message in try? message.respond(message.payload) }
                port.flush { _ in
                    print("ready")
                    fflush(nil)
                }
            }
            try await Task.sleep(for: .seconds(1 << 20))
        }
        if arguments[2] == "subscribe", let count = arguments.dropFirst(3).first.flatMap(Int.init) {
            try await subscribe(count, bus, on: loop)
        }
        guard arguments.count == 6, let depth = Int(arguments[3]), let size = Int(arguments[4]),
            let seconds = Double(arguments[5])
        else { exit(2) }
        let load = await loop.own { loop in Load(bus.port(on: loop), size: size) }
        await load.run { _, load in load.start(depth) }
        try await Task.sleep(for: .seconds(seconds))
        await load.run { _, load in load.isOver = true }
        try await Task.sleep(for: .milliseconds(200))  // What is under way.
        let (count, half, most) = await load.run { _, load in load.result }
        print("{\"requests\": \(count), \"p50_us\": \(half), \"p99_us\": \(most)}")
        exit(0)  // Which also prints it.
    }
}

extension BusBenchmark {
    static func subscribe(_ count: Int, _ bus: NATSBus, on loop: EventLoop) async throws {
        let before = residentBytes()
        let start = ContinuousClock.now
        try await loop.run { loop in
            let port = bus.port(on: loop)
            for user in 0..<count { _ = try port.subscribe("pitaya/connector/user/\(user)/push") { _ in } }
        }
        await withCheckedContinuation { waiter in
            Task { await loop.run { bus.port(on: $0).flush { _ in waiter.resume() } } }
        }
        let took = (ContinuousClock.now - start) / .milliseconds(1)
        print("{\"ms\": \(took), \"bytes_each\": \((residentBytes() - before) / count)}")
        exit(0)
    }

    private static func residentBytes() -> Int {
        guard let file = unsafe fopen("/proc/self/statm", "re") else { return 0 }
        defer { unsafe fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard unsafe fgets(&line, Int32(line.count), file) != nil else { return 0 }
        let text = String(decoding: line.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
    }
}

/// Keeps some requests under way, each slot one after the other.
private final class Load {
    private let port: BusPort
    private let payload: [UInt8]
    private var latencies: [UInt32] = []
    private var sentAt: [Moment] = []
    var isOver = false

    init(_ port: BusPort, size: Int) {
        (self.port, payload) = (port, [UInt8](repeating: 0, count: size))
        latencies.reserveCapacity(1 << 25)
    }

    func start(_ depth: Int) {
        sentAt = [Moment](repeating: port.loop.clockTime, count: depth)
        for slot in 0..<depth { request(slot) }
    }

    private func request(_ slot: Int) {
        sentAt[slot] = port.loop.clockTime
        port.request("bench/echo", payload, deadline: .seconds(5)) { [self] answer in
            guard case .success = answer else { exit(1) }
            let took = port.loop.clockTime.nanoseconds - sentAt[slot].nanoseconds
            latencies.append(UInt32(truncatingIfNeeded: took))
            if !isOver { request(slot) }
        }
    }

    var result: (count: Int, half: Double, most: Double) {
        let sorted = latencies.sorted()
        let half = Double(sorted[sorted.count / 2]) / 1000
        return (sorted.count, half, Double(sorted[sorted.count * 99 / 100]) / 1000)
    }
}
