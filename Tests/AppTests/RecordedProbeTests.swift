import Testing

@testable import ConformanceServer
@testable import OmniwayApp

@Suite struct RecordedProbeTests {
    @Test(arguments: try Probe.load("pitaya-probe-tcp")) func `over TCP a probe gets what the original said`(
        _ probe: Probe
    ) async throws { try await replay(probe, keepsMessages: false) }

    @Test(arguments: try Probe.load("pitaya-probe-ws")) func `over WebSocket a probe gets what the original said`(
        _ probe: Probe
    ) async throws { try await replay(probe, keepsMessages: true) }

    private func replay(_ probe: Probe, keepsMessages: Bool) async throws {
        let world = try await AppWorld(conformanceApp())
        try await probe.replay(keepsMessages: keepsMessages) { await world.client(keepsMessages: keepsMessages) }
    }
}

/// The server behind the recordings, for a test's own loops.
func conformanceApp(settings: AppSettings = AppSettings()) -> App {
    let app = App(type: "room", settings: settings)
    addHandlers(to: app)
    return app
}

extension TestClient: ProbePeer {
    func rest() async -> [UInt8] { await unread() }
    func isOver() async -> Bool { await isOver }
    func ends() async -> Bool { await isOver }
}
