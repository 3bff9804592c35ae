import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

@Suite(.timeLimit(.minutes(1))) struct WatchdogTests {
    @Test func `nobody says that a service is well while one of its loops hangs`() async throws {
        let folder = try TemporaryFolder()
        try await withLoops(2) { loops in
            let manager = EventLoop()
            let reports = Reports()
            let intake = await manager.own { _ in Reporter("manager", reports) }
            let listening = try await DatagramAcceptor(.unix(folder.file("notify"))).open(into: [intake])
            let service = Supervisor([
                "NOTIFY_SOCKET": folder.file("notify"), "WATCHDOG_USEC": "100000",
            ])
            #expect(service.watchdog == .milliseconds(100))
            let watching = Task { await service.watch(loops) }
            for _ in 0..<3 {
                let said = try await reports.next("manager", .received)
                #expect(said.bytes == Array("WATCHDOG=1".utf8))
            }
            let gate = Gate()
            let blocked = Task { await loops.loops[1].run { _ in gate.waitBlocking() } }
            await gate.entered()
            // One may be under way; then there are none.
            try await Task.sleep(for: .milliseconds(250))
            let before = await manager.snapshot().number("omniway_datagrams_read_total") ?? 0
            try await Task.sleep(for: .milliseconds(400))
            #expect(await manager.snapshot().number("omniway_datagrams_read_total") ?? 0 == before)
            gate.open()
            await blocked.value
            _ = try await reports.next("manager", .received)
            let after = try await reports.next("manager", .received)
            #expect(after.bytes == Array("WATCHDOG=1".utf8))
            watching.cancel()
            await watching.value
            await listening.stop()
            await manager.shutdown()
        }
    }

    @Test func `what is meant for another process, or for nobody, is not heard`() {
        #expect(Supervisor(["WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"]).watchdog == nil)
        #expect(Supervisor(["WATCHDOG_USEC": "x"]).watchdog == nil)
        #expect(Supervisor([:]).watchdog == nil)
        Supervisor(["NOTIFY_SOCKET": "vsock:2:1"]).ready()
    }
}
