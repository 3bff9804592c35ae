public import OmniwayTelemetry
public import OmniwayTransport

/// The HTTP endpoint for operators: health, readiness and metrics, and a dashboard for those who log in.
///
/// It has a loop of its own, so it answers also when a handler blocks the others, and says so.
public final class Admin: Sendable {
    /// Where it listens.
    public let address: SocketAddress
    /// What `/readyz` answers. Whoever starts and drains the node says so here.
    public let readiness: Readiness
    /// What the dashboard shows and can do.
    public let console = AdminConsole()
    private let api: LoopBound<AdminAPI>
    private let home: EventLoop
    private let server: LoopBound<HTTPServer>
    private let listening: Listening

    /// Listens, and tells about `loops`. `version` is what the build calls itself. A loop that does not answer within
    /// `patience` is stuck.
    public init(
        at address: SocketAddress, of loops: EventLoops, version: String, readiness: Readiness = Readiness(),
        patience: Duration = .seconds(1)
    ) async throws(ListenError) {
        let home = EventLoop(index: loops.loops.count)
        let status = NodeStatus(loops: loops, home: home, readiness: readiness, version: version, patience: patience)
        let console = console
        let api = await home.own { _ in AdminAPI(console, version: version) }
        let server = await api.map { loop, api in
            var routes = status.routes
            api.addRoutes(to: &routes)
            return HTTPServer(on: loop, routes: routes)
        }
        let frames = FrameViews(of: loops, patience: patience)
        console.add(frames.view)
        for action in frames.actions { console.add(action) }
        Log.shared.keep(last: 500)
        do throws(ListenError) {
            listening = try await StreamAcceptor(address, limits: ConnectionLimits(total: 256)).open(into: [server])
        } catch {
            await home.shutdown()
            await server.release()  // Its routes hold the loop.
            await api.release()
            throw error
        }
        self.address = listening.address
        (self.readiness, self.home, self.server, self.api) = (readiness, home, server, api)
    }

    /// A secret with which one person may log in at the dashboard, once: `http://address/#login=secret`.
    public func makeLogin() async -> String { await api.run { _, api in api.makeLogin() } }

    /// Secrets that are good for many logins: the first one for operators, the second for those who only look.
    public func allow(_ secrets: [Secret]) async {
        await api.run { _, api in
            for (secret, role) in zip(secrets, [AdminSessions.Role.operate, .view]) { api.allow(secret, role) }
        }
    }

    /// Answers no more. The last to stop, so that others can ask until the end.
    public func stop() async {
        await listening.stop()
        await server.run { _, server in server.drain() }
        await home.shutdown()
        await server.release()  // Its routes hold the loop.
        await api.release()
    }
}
