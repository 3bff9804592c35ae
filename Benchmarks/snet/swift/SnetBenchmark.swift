import Glibc
import OmniwayTelemetry
import OmniwayTransport

/// Cuts connections below streams of snet, and measures the streams without cuts.
@main
struct SnetBenchmark {
    nonisolated static func main() async throws {
        signal(SIGPIPE, SIG_IGN)
        let cuts = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 20_000
        var isClean = true
        for dialect in [SnetDialect.a, .b] {
            for encrypts in [false, true] {
                let run = CutRun(dialect: dialect, encrypts: encrypts)
                isClean = try await run.run(cuts: cuts / 4) && isClean
            }
        }
        let plain = try await Throughput.measure(nil)
        print("throughput  plain link \(plain) MB/s")
        for (ring, name) in [(64 << 10, "64 KiB"), (1 << 20, "1 MiB")] {
            let open = try await Throughput.measure(SnetTerms(ring: ring, encrypts: false))
            let sealed = try await Throughput.measure(SnetTerms(ring: ring, encrypts: true))
            print("throughput  snet, ring \(name): \(open) MB/s, encrypted \(sealed) MB/s")
        }
        fflush(nil)
        print(isClean ? "passed" : "missed")
        exit(isClean ? 0 : 1)
    }
}

struct SnetTerms: Sendable {
    let ring: Int
    let encrypts: Bool
}

/// One combination of dialect and encryption under cuts.
struct CutRun: Sendable {
    let dialect: SnetDialect
    let encrypts: Bool
    static let streams = 40

    /// True when no stream was lost and no byte was wrong.
    func run(cuts: Int) async throws -> Bool {
        let loops = EventLoops(count: 3)
        let tally = Tally()
        let server = SnetServer(dialect: dialect, encrypts: encrypts, waitLimit: .seconds(20))
        var intakes: [LoopBound<Streams>] = []
        for loop in loops.loops.dropFirst() { intakes.append(await loop.own { _ in Streams(tally) }) }
        let acceptor: some Acceptor = server.over(StreamAcceptor(.loopback(port: 0), spread: .kernel))
        let listening = try await acceptor.open(into: intakes)
        let dialer: some Dialer = SnetClient(dialect: dialect, encrypts: encrypts, waitLimit: .seconds(20))
            .over(StreamDialer(listening.address))
        let clients = await loops.loops[0].own { _ in Streams(tally) }
        await clients.run { loop, clients in
            for _ in 0..<Self.streams {
                _ = dialer.dial(on: loop, deadline: .seconds(10), handler: clients.stream())
            }
        }
        // A stream that the server does not know yet cannot be resumed.
        try await wait { tally.started == 2 * Self.streams }

        let start = ContinuousClock.now
        let cut = await Cutter.cut(cuts)
        let took = (ContinuousClock.now - start) / .seconds(1)
        for streams in intakes + [clients] { await streams.run { _, streams in streams.stop() } }
        try? await wait { tally.heard == tally.said || !tally.lost.isEmpty }
        let resumes = await clients.run { _, clients in clients.resumes }
        let snapshot = await loops.snapshot().snapshot.prometheusText
        let again = snapshot.split(separator: "\n").first { $0.hasPrefix("omniway_snet_retransmitted_bytes_total") }
        let isClean = tally.wrong == 0 && tally.lost.isEmpty && tally.heard == tally.said
        print(
            """
            \(dialect), \(encrypts ? "encrypted" : "plain    ")  \(cut) cuts in \(Int(took)) s, \(resumes) resumed, \
            \(tally.lost.count) of \(Self.streams) streams lost, \(tally.heard >> 20) MiB checked, \
            \(tally.said - tally.heard) bytes missing, \(tally.wrong) wrong, \
            \(again.flatMap { $0.split(separator: " ").last.map(String.init) } ?? "0") sent again
            """)
        for reason in Set(tally.lost).sorted() { print("    lost: \(reason)") }
        fflush(nil)
        await listening.stop()
        await loops.shutdown()
        return isClean
    }

    private func wait(_ condition: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while !condition() {
            if ContinuousClock.now > deadline { throw Timeout() }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
    private struct Timeout: Error {}
}
