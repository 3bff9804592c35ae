public import OmniwayTransport

/// Pages and interfaces over HTTP, the same on each loop of a node.
public struct HTTPPart: NodePart {
    public let address: SocketAddress
    private let name: String
    private let servers: [LoopBound<HTTPServer>]
    private let listening: Listening

    public init(
        _ name: String, at address: SocketAddress, on loops: EventLoops,
        _ make: @Sendable (Loop) -> HTTPServer
    ) async throws(ListenError) {
        servers = await loops.own { loop in make(loop) }
        listening = try await StreamAcceptor(address).open(into: servers)
        (self.name, self.address) = (name, listening.address)
    }

    public var ports: [Node.Port] { [Node.Port(name, at: "http://\(address)")] }

    /// Accepts no more, and lets answers that are due go out. Returns how many have not in time.
    public func stop(within limit: Duration) async -> Int {
        await listening.stop()
        for server in servers { await server.run { _, server in server.drain() } }
        return await left(after: limit) {
            var count = 0
            for server in servers { count += await server.run { _, server in server.connectionCount } }
            return count
        }
    }
}
