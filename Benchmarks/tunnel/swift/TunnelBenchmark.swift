import Glibc
import OmniwayTelemetry
import OmniwayTransport

/// A TCP port exposed through a carrier, all in one process: source, server, client and sink have a loop each. What the
/// loops of server and client cost is what a tunnel costs; the processors of the other two are not counted.
@main
struct TunnelBenchmark {
    nonisolated static func main() async throws {
        signal(SIGPIPE, SIG_IGN)
        let mebibytes = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1024
        print("CPU of server and client, s/GiB; rivals: frp mux 1.94, with TLS 3.05; targets 1.0, 1.8; alone 0.35")
        for (name, way) in [("mux", Way.plain), ("mux + TLS", .tls), ("alone", .bulk)] {
            for visitors in way == .bulk ? [1] : [1, 8] {
                let tunnel = try await Tunnel(way)
                let (wall, cpu) = try await tunnel.carry(mebibytes << 20, visitors: visitors)
                let gibibytes = Double(mebibytes) / 1024
                print(
                    "throughput  \(name), \(visitors) streams: \(three(cpu / gibibytes)) s/GiB, "
                        + "\(Int(Double(mebibytes) / wall)) MiB/s")
                await tunnel.stop()
            }
        }
        for (name, way) in [("mux", Way.plain), ("mux + TLS", .tls)] {
            let tunnel = try await Tunnel(way)
            let alone = try await tunnel.roundTrips(20_000)
            print("round trip  \(name), 64 B: p50 \(alone.p50) us, p99 \(alone.p99) us")
            let opening = try await tunnel.open(20_000, at: 32)
            print("opening     \(name): \(Int(opening.perSecond)) streams/s, \(Int(opening.cpu)) us CPU each")
            await tunnel.stop()
        }
        let tunnel = try await Tunnel(.plain)
        let before = resident()
        try await tunnel.stall(50, for: 4)
        print("stalled     50 streams that nobody reads: \(resident() - before) KiB more (target 8192)")
        await tunnel.stop()
        fflush(nil)
    }

    private static func three(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }

    /// Of this process, in KiB.
    private static func resident() -> Int {
        guard let file = unsafe fopen("/proc/self/statm", "r") else { return 0 }
        defer { unsafe fclose(file) }
        var line = [CChar](repeating: 0, count: 200)
        guard unsafe fgets(&line, 200, file) != nil else { return 0 }
        let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let pages = words.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * 4
    }
}
