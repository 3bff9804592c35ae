import Omniway
import OmniwayTesting
import OmniwayTransport
import Testing

@testable import OmniwayCommand

/// Visitors of one port who keep coming, and what became of them.
private final class Visitors: Sendable {
    private let plan: LoadPlan
    private let state = Lock((isOver: false, rounds: 0, answers: 0, errors: [String: Int]()))

    init(_ kind: LoadPlan.Kind, over dialer: some Dialer) {
        var plan = LoadPlan(kind: kind, place: "a port", dialer: dialer)
        (plan.connections, plan.rate, plan.inFlight) = (8, 200, 64)
        (plan.warmUp, plan.duration, plan.patience) = (.zero, .milliseconds(200), .seconds(10))
        self.plan = plan
    }

    func come() async throws {
        while !state.withLock({ $0.isOver }) {
            let counts = try await LoadRun(plan).result().counts
            state.withLock { state in
                state.rounds += 1
                state.answers += counts.answers
                state.errors.merge(counts.errors, uniquingKeysWith: +)
            }
        }
    }

    /// Waits for some that have come from now on: the first round to end may have begun before.
    func more() async throws {
        let enough = state.withLock { $0.rounds } + 2
        while state.withLock({ $0.rounds }) < enough { try await Task.sleep(for: .milliseconds(10)) }
    }

    func end() { state.withLock { $0.isOver = true } }
    var answers: Int { state.withLock { $0.answers } }
    var errors: [String: Int] { state.withLock { $0.errors } }
}

@Suite(.timeLimit(.minutes(3))) struct TunnelUpgradeTests {
    private static let omniway = BuiltProduct.path("omniway")

    /// An exposure, and the port of the node at which it is.
    private static func expose(
        _ kind: String, _ target: SocketAddress, at node: String, in folder: String
    ) async throws -> (program: TestProgram, port: SocketAddress) {
        let program = try await TestProgram([
            "env", "OMNIWAY_DATA=\(folder)", omniway, "expose", kind, "\(target.port)", "--node", node,
        ]) { $0.hasPrefix("Ctrl-C") }
        let line = try #require(await program.lines.first { $0.hasPrefix("address ") })
        return (program, .loopback(port: try #require(line.split(separator: ":").last.flatMap { UInt16($0) })))
    }

    @Test func `ports of rules go to the new process: no visitor is refused, by TCP or UDP, and who is there stays`()
        async throws
    {
        let loops = EventLoops(count: 1)
        let echoes = await loops.own { _ in EchoIntake(idleLimit: .zero) }
        let streams = try await StreamAcceptor(.loopback()).open(into: echoes)
        let datagrams = try await DatagramAcceptor(.loopback()).open(into: echoes)
        let folder = try TemporaryFolder()
        let node = try await TestProgram([
            Self.omniway, "node", "--listen", "127.0.0.1:0", "--admin-addr", "none", "--data", folder.file("node"),
            "--drain-timeout", "8s",
        ]) { $0.hasPrefix("Ctrl-C") }
        let line = try #require(await node.lines.first { $0.contains("tls://") })
        let place = String(line.split(separator: "/").last ?? "")
        let tcp = try await Self.expose("tcp", streams.address, at: place, in: folder.file("tcp"))
        let udp = try await Self.expose("udp", datagrams.address, at: place, in: folder.file("udp"))
        let visitors = [
            Visitors(.echo, over: StreamDialer(tcp.port)), Visitors(.udp, over: DatagramDialer(udp.port)),
        ]
        let succeeding = Succeeding(program: node, door: folder.file("node/node.sock"), greeting: "Ctrl-C")
        let pid = try await withThrowingTaskGroup(of: Void.self) { coming in
            for visitors in visitors { coming.addTask { try await visitors.come() } }
            var pid = node.pid
            for _ in 0..<2 {
                for visitors in visitors { try await visitors.more() }
                let staying = try PlainClient(tcp.port)
                #expect(staying.ask("before") == "before")
                pid = try await succeeding.upgrade()
                #expect(staying.ask("and after") == "and after")
            }
            for visitors in visitors {
                try await visitors.more()
                visitors.end()
            }
            try await coming.waitForAll()
            return pid
        }
        for visitors in visitors {
            #expect(visitors.errors == [:])
            #expect(visitors.answers > 200)
        }
        await tcp.program.stop()
        await udp.program.stop()
        await succeeding.end(pid)
        await loops.shutdown()
    }
}
