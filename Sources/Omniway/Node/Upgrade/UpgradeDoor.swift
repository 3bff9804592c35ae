import OmniwayTransport

/// Where a running program is asked to give its place to a new process: HTTP on a Unix socket that its user alone may
/// use. `curl --unix-socket up.sock -X POST http://node/upgrade`
public struct UpgradeDoor: NodePart {
    private let server: LoopBound<HTTPServer>
    private let listening: Listening

    /// `upgrade` returns the number of the new process; `leave` is called when that has been said.
    public init(
        at path: String, on loops: EventLoops, _ upgrade: @escaping @Sendable (String?) async throws -> Int32,
        leave: @escaping @Sendable () -> Void
    ) async throws {
        guard let address = SocketAddress("unix:\(path)") else {
            throw ListenError.misconfigured("\(path) is too long for a socket; choose a shorter folder")
        }
        server = await loops.loops[0].own { loop in
            var routes = HTTPRoutes()
            routes.post("/upgrade") { exchange in
                do {
                    let pid = try await upgrade(exchange.request.queryValue("program"))
                    exchange.respond(.ok, "\(pid)\n")
                    leave()
                } catch { exchange.respond(.serviceUnavailable, "\(error)\n") }
            }
            return HTTPServer(on: loop, routes: routes)
        }
        var options = SocketOptions()
        options.fileMode = 0o600
        listening = try await StreamAcceptor(
            address, options: options, limits: ConnectionLimits(total: 16)
        ).open(into: [server])
    }

    public var ports: [Node.Port] { [] }

    public func stop(within limit: Duration) async -> Int {
        await listening.stop()
        await server.run { _, server in server.drain() }
        return await left(after: limit) { await server.run { _, server in server.connectionCount } }
    }
}
