import OmniwayTelemetry
public import OmniwayTransport

/// The HTTP endpoint for operators: health, readiness and metrics.
///
/// It has a loop of its own, so it answers also when a handler blocks the others, and says so.
public final class Admin: Sendable {
    /// Where it listens.
    public let address: SocketAddress
    /// What `/readyz` answers. Whoever starts and drains the node says so here.
    public let readiness: Readiness
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
        let server = await home.own { loop in HTTPServer(on: loop, routes: status.routes) }
        do throws(ListenError) {
            listening = try await StreamAcceptor(address, limits: ConnectionLimits(total: 256)).open(into: [server])
        } catch {
            await home.shutdown()
            await server.release()  // Its routes hold the loop.
            throw error
        }
        self.address = listening.address
        (self.readiness, self.home, self.server) = (readiness, home, server)
    }

    /// Answers no more. The last to stop, so that others can ask until the end.
    public func stop() async {
        await listening.stop()
        await server.run { _, server in server.drain() }
        await home.shutdown()
        await server.release()  // Its routes hold the loop.
    }
}
