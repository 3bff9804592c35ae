import OmniwayAdmin

/// One running node: its loops and what listens on them. Started whole, and stopped whole.
public actor Node {
    public struct Configuration: Sendable {
        public var loops = EventLoops.defaultCount
        public var echo: SocketAddress? = .loopback()
        /// Where operators ask over HTTP: `/healthz`, `/readyz`, `/metrics`. Nil for nowhere.
        public var admin: SocketAddress?
        public var idleLimit = Duration.seconds(300)
        public var maxConnections = 100_000
        public var maxConnectionsPerAddress = 10_000
        public init() {}
    }

    /// Something that listens, for the table that a person reads.
    public struct Port: Sendable {
        public let name: String
        public let address: SocketAddress
    }

    public nonisolated let loops: EventLoops
    public nonisolated let ports: [Port]
    private let admin: Admin?
    private var listening: [Listening]

    public init(_ configuration: Configuration) async throws(ListenError) {
        let loops = EventLoops(count: configuration.loops)
        var listening: [Listening] = []
        var ports: [Port] = []
        let limits = ConnectionLimits(
            total: configuration.maxConnections, perAddress: configuration.maxConnectionsPerAddress)
        var admin: Admin?
        do throws(ListenError) {
            if let address = configuration.admin {
                admin = try await Admin(at: address, of: loops, version: Version.current)
            }
            if let address = configuration.echo {
                let idleLimit = configuration.idleLimit
                let intakes = await loops.own { _ in Echo(idleLimit: idleLimit) }
                let opened = try await StreamAcceptor(address, limits: limits).open(into: intakes)
                listening.append(opened)
                ports.append(Port(name: "echo", address: opened.address))
            }
            if let admin { ports.append(Port(name: "admin", address: admin.address)) }
        } catch {
            for opened in listening { await opened.stop() }
            await loops.shutdown()
            await admin?.stop()
            throw error
        }
        (self.loops, self.listening, self.ports, self.admin) = (loops, listening, ports, admin)
        admin?.readiness.state = .ready
    }

    /// Accepts no more, closes all links, and ends the loops.
    public func stop() async {
        admin?.readiness.state = .draining
        for opened in exchange(&listening, with: []) { await opened.stop() }
        await loops.shutdown()
        await admin?.stop()
    }
}
