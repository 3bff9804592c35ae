import ClusterSupport
import Glibc
import Omniway
import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import Testing

/// A connector and two rooms, with a real NATS and a real etcd that fail while a client goes on asking.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ClusterFaultTests {
    enum Fault: CaseIterable, Sendable { case natsDies, natsStands, etcdDies, etcdStands, roomLeaves }

    /// What became of each request, and how often each was carried out.
    private final class History: Sendable {
        private let state = Lock((next: 0, outcomes: [Int: String](), runs: [Int: Int](), isOver: false))

        func next() -> Int? {
            state.withLock { state in
                if state.isOver { return nil }
                state.next += 1
                return state.next
            }
        }
        func ran(_ number: Int) { state.withLock { $0.runs[number, default: 0] += 1 } }
        func end(_ number: Int, _ outcome: String) { state.withLock { $0.outcomes[number] = outcome } }
        func stop() { state.withLock { $0.isOver = true } }

        var outcomes: [Int: String] { state.withLock { $0.outcomes } }
        var sent: Int { state.withLock { $0.next } }
        func runs(of number: Int) -> Int { state.withLock { $0.runs[number, default: 0] } }

        /// Whether it comes to that within some seconds.
        func sees(_ holds: (History) -> Bool) async throws -> Bool {
            for _ in 0..<1500 {
                if holds(self) { return true }
                try await Task.sleep(for: .milliseconds(10))
            }
            return false
        }
        func sees(_ outcome: String) async throws -> Bool { try await sees { $0.outcomes.values.contains(outcome) } }
        /// The newest hundred were all answered.
        func heals() async throws -> Bool {
            let from = sent
            return try await sees { history in
                let sent = history.sent
                let outcomes = history.outcomes
                return sent > from + 200 && (sent - 100..<sent - 8).allSatisfy { outcomes[$0] == "answered" }
            }
        }
    }

    @Test(arguments: Fault.allCases) func `each request has one outcome, is carried out once at most, and all heals`(
        _ fault: Fault
    ) async throws {
        let etcd = try await EtcdServer()
        var nats = try await NATSProgram()
        let loops = EventLoops(count: 4).loops
        let registry = try await Registry.open(.etcd(EtcdSettings(etcd.endpoints[0])), on: loops[0])
        let bus = try NATSBus(NATSSettings(nats.address))
        let history = History()
        var apps: [App] = []
        for (index, id) in ["conn-1", "room-1", "room-2"].enumerated() {
            var settings = AppSettings()
            settings.cluster.callLimit = .seconds(1)
            let app = App(type: index == 0 ? "connector" : "room", id: id, settings: settings)
            app.join(registry: registry, bus: bus)
            if index == 0 { app.listen(.tcp("127.0.0.1:0")) }
            app.on("room.count") { (number: Int, context) in
                history.ran(number)
                return number
            }
            try await app.start(on: [loops[min(index, 2)]])
            apps.append(app)
        }
        // Until the frontend has heard of both, it may say that there are none.
        while apps[0].servers.count(where: { $0.type == "room" }) < 2 { await Task.yield() }
        let client = try await AppClient(over: StreamDialer(apps[0].addresses[0]), on: loops[3])
        let senders = (0..<4).map { _ in
            Task {
                while let number = history.next() {
                    do {
                        let answer: Int = try await client.request("room.room.count", number)
                        history.end(number, answer == number ? "answered" : "answered wrongly")
                    } catch let error as AppError {
                        history.end(number, error.code)
                    } catch { history.end(number, "\(error)") }
                    try? await Task.sleep(for: .milliseconds(2))
                }
            }
        }
        #expect(try await history.heals())
        switch fault {
        case .natsDies:
            await nats.stop(SIGKILL)
            #expect(try await history.sees(AppError.unavailable))
            nats = try await nats.again()
        case .natsStands:
            nats.pause()
            #expect(try await history.sees(AppError.timeout))
            nats.signal(SIGCONT)
        case .etcdDies:
            await etcd.stop(signal: SIGKILL)
            #expect(try await history.heals(), "servers know each other still")
            try await etcd.start()
        case .etcdStands:
            etcd.pause()
            #expect(try await history.heals(), "servers know each other still")
            etcd.resume()
        case .roomLeaves:
            await apps.removeLast().stop()
            #expect(history.outcomes.values.allSatisfy { $0 == "answered" }, "it goes to the other one")
        }
        #expect(try await history.heals())
        history.stop()
        for sender in senders { await sender.value }
        let outcomes = history.outcomes
        #expect(outcomes.count == history.sent)
        for (number, outcome) in outcomes {
            let runs = history.runs(of: number)
            let isRight = outcome == "answered" ? runs == 1 : runs <= 1
            #expect(isRight && ["answered", AppError.timeout, AppError.unavailable].contains(outcome), "\(outcome)")
        }
        client.disconnect()
        for app in apps { await app.stop() }
        await registry.close()
        await nats.stop()
        await etcd.stop()
        for loop in loops { await loop.shutdown() }
    }
}
