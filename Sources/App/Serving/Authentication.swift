import OmniwayTransport

/// Asks the application whether a client may come in.
final class Authentication: LoopTask {
    private let connection: AppConnection
    private let check: AppPlan.SessionHook

    init(_ connection: AppConnection, _ check: @escaping AppPlan.SessionHook) {
        (self.connection, self.check) = (connection, check)
    }

    nonisolated(nonsending) func run() async {
        do {
            try await check(connection.session)
            connection.decided(nil)
        } catch { connection.decided(error) }
    }
}
