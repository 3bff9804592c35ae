import ClusterSupport
import Glibc
import Omniway
import OmniwayTelemetry
import OmniwayTesting
import Testing

/// Servers as processes of their own, that are killed or stand still while a client goes on asking.
@Suite(.serialized, .timeLimit(.minutes(3))) struct ProcessFaultTests {
    enum Fault: CaseIterable, Sendable { case backendDies, backendStands, frontendDies, frontendStands }

    /// A client that goes on, over another connection when its own is lost.
    private final class Asking: Sendable {
        private let state = Lock((outcomes: [String](), isOver: false))
        private let address: Lock<SocketAddress>

        init(_ address: SocketAddress) { self.address = Lock(address) }

        func turn(to address: SocketAddress) { self.address.withLock { $0 = address } }
        func stop() { state.withLock { $0.isOver = true } }
        var count: Int { state.withLock { $0.outcomes.count } }
        var outcomes: [String] { state.withLock { $0.outcomes } }

        func run(on loop: EventLoop) async {
            while !state.withLock({ $0.isOver }) {
                do {
                    let client = try await AppClient(over: StreamDialer(address.withLock { $0 }), on: loop)
                    defer { client.disconnect() }
                    let _: Bound = try await client.request("connector.room.bind", Say(content: "ann"))
                    try await ask(client)
                } catch {
                    note("lost")
                    try? await Task.sleep(for: .milliseconds(20))
                }
            }
        }

        private func ask(_ client: AppClient) async throws {
            while !state.withLock({ $0.isOver }) {
                let words = Say(content: "\(count)")
                do {
                    let answer: Say = try await client.request("room.room.echojson", words)
                    note(answer.content == words.content ? "answered" : "answered wrongly")
                } catch let error as AppError {
                    note(error.code)
                }
                try? await Task.sleep(for: .milliseconds(2))
            }
        }

        private func note(_ outcome: String) { state.withLock { $0.outcomes.append(outcome) } }

        /// A hundred in a row are answered from now on, within some seconds.
        func heals() async throws -> Bool {
            let from = count
            return try await sees { $0.dropFirst(from).suffix(100).count { $0 == "answered" } == 100 }
        }
        func sees(_ outcome: String, from: Int) async throws -> Bool {
            try await sees { $0.dropFirst(from).contains(outcome) }
        }
        private func sees(_ holds: ([String]) -> Bool) async throws -> Bool {
            for _ in 0..<3000 {
                if holds(outcomes) { return true }
                try await Task.sleep(for: .milliseconds(10))
            }
            return false
        }
    }
    private struct Say: Codable { var content: String }
    private struct Bound: Codable { var code: Int }

    @Test(arguments: Fault.allCases) func `whatever happens to a process, each request has an outcome, and all heals`(
        _ fault: Fault
    ) async throws {
        let etcd = try await EtcdServer()
        let nats = try await NATSProgram()
        let loop = EventLoop()
        func server(_ type: String, _ id: String) async throws -> RunningServer {
            let isFrontend = type == "connector"
            return try await RunningServer.start(
                "--cluster --type \(type) --id \(id) --etcd \(etcd.endpoints[0]) --nats \(nats.address) --loops 1 "
                    + "--frontend \(isFrontend) \(isFrontend ? "--tcp 127.0.0.1:0" : "")",
                environment: "PITAYA_CLUSTER_RPC_CLIENT_NATS_REQUESTTIMEOUT=1s PITAYA_CLUSTER_SD_ETCD_HEARTBEAT_TTL=5s",
                until: isFrontend ? "app listens" : "cluster joined")
        }
        var rooms = [try await server("room", "room-1"), try await server("room", "room-2")]
        var connector = try await server("connector", "conn-1")
        let asking = Asking(connector.addresses[0])
        let task = Task { await asking.run(on: loop) }
        #expect(try await asking.heals())
        let from = asking.count
        switch fault {
        case .backendDies:
            await rooms.removeFirst().program.stop(signal: SIGKILL)
            #expect(try await asking.heals(), "it goes to the other one")
            rooms.append(try await server("room", "room-1"))
        case .backendStands:
            kill(rooms[0].program.pid, SIGSTOP)
            #expect(try await asking.sees(AppError.timeout, from: from))
            try await Task.sleep(for: .seconds(3))
            kill(rooms[0].program.pid, SIGCONT)
        case .frontendDies:
            await connector.program.stop(signal: SIGKILL)
            #expect(try await asking.sees("lost", from: from))
            connector = try await server("connector", "conn-1")
            asking.turn(to: connector.addresses[0])
        case .frontendStands:
            kill(connector.program.pid, SIGSTOP)
            try await Task.sleep(for: .seconds(3))
            kill(connector.program.pid, SIGCONT)
        }
        #expect(try await asking.heals())
        asking.stop()
        await task.value
        let allowed = ["answered", "lost", AppError.timeout, AppError.unavailable]
        #expect(asking.outcomes.allSatisfy(allowed.contains), "\(Set(asking.outcomes))")
        for server in rooms + [connector] { await server.program.stop() }
        await nats.stop()
        await etcd.stop()
        await loop.shutdown()
    }
}
