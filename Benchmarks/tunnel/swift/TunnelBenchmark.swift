import Glibc
import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayTunnel

/// A node that lets any number of clients register, and many clients with rules in one process: what a node holds for
/// each of them is seen from outside.
///
///     TunnelBenchmark node PORT               a node with TLS, until it is killed
///     TunnelBenchmark clients PORT COUNT      so many clients with four rules each; a line when all are there
@main
struct TunnelBenchmark {
    nonisolated static func main() async throws {
        signal(SIGPIPE, SIG_IGN)
        let words = CommandLine.arguments
        guard words.count > 2, let port = UInt16(words[2]) else { return print("see Benchmarks/tunnel/run") }
        switch words[1] {
        case "node": try await serve(at: port)
        default: try await visit(port, words.count > 3 ? Int(words[3]) ?? 1 : 1)
        }
        try await Task.sleep(for: .seconds(3600))
    }

    private static func serve(at port: UInt16) async throws {
        let loop = EventLoop()
        var settings = TunnelNodeSettings()
        settings.registrations = RateLimit(1 << 20, in: .seconds(60))
        let registry = try await Registry.open(.memory, on: loop)
        let node = await TunnelNode.start(on: loop, registry: registry, settings: settings)
        let tls = try TLSServer(TLSIdentity.selfSigned("localhost"), minimum: .v13)
        let limits = ConnectionLimits(total: 1 << 17, perAddress: 1 << 17)
        _ = try await tls.over(StreamAcceptor(.loopback(port: port), limits: limits)).open(into: [node])
    }

    private static func visit(_ port: UInt16, _ count: Int) async throws {
        let loop = EventLoop()
        let ready = Lock(0)
        let tls = try TLSClient(host: "localhost", trust: .anybody, minimum: .v13)
        var clients: [LoopBound<TunnelClient>] = []
        for index in 0..<count {
            let client = await TunnelClient.start(
                on: loop, nodes: [tls.over(StreamDialer(.loopback(port: port)))]
            ) { event, client in
                guard case .loggedIn = event else { return }
                for rule in 0..<4 {
                    client.add(
                        TunnelRuleRequest(
                            listen: "rule\(rule).client\(index).of\(getpid()).example", target: "http://10.0.0.1:80",
                            of: client.identity?.tunnel ?? "")
                    ) { result in
                        if case .success = result { ready.withLock { $0 += 1 } } else { print(result) }
                    }
                }
            }
            clients.append(client)
            // A few at a time: the handshakes of all at once would time out on a slow machine.
            while ready.withLock({ $0 }) < (index - 64) * 4 { try await Task.sleep(for: .milliseconds(5)) }
        }
        while ready.withLock({ $0 }) < count * 4 { try await Task.sleep(for: .milliseconds(5)) }
        print("all \(clients.count) are there")
        fflush(nil)
    }
}
