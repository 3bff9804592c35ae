import OmniwayAdmin
public import OmniwayGateway

/// A gateway with its loops and ports, as one program runs it.
public actor GatewayNode {
    public struct Configuration: Sendable {
        public var loops = EventLoops.defaultCount
        public var loopLimits = LoopLimits()
        public var gateway = GatewaySettings()
        public var clients = Side()
        public var servers = Side()
        /// Every loop listens, and the kernel deals connections out; a busy port of the same user is no error then.
        public var reusesPorts = false
        /// For ports with TLS.
        public var identity: TLSIdentity?
        /// Pages that may use WebSocket ports; nil lets all.
        public var origins: [String]?
        public var admin: SocketAddress?
        public init() {}

        /// What one side listens on, and what its connections share.
        public struct Side: Sendable {
            public var ports: [GatewayPort] = []
            public var dialect = GatewayDialect.v2
            public var limits = ConnectionLimits()
            /// Streams that survive their connections; nil for plain ones.
            public var snet: SnetServer?
            public init() {}
        }
    }

    public nonisolated let loops: EventLoops
    public nonisolated let gateway: Gateway
    public nonisolated let ports: [Port]
    private let admin: Admin?
    private var listening: [Listening]

    /// Something that listens.
    public struct Port: Sendable {
        public let side: GatewaySide
        public let carrier: GatewayPort.Carrier
        public let dialect: GatewayDialect
        public let address: SocketAddress
    }

    public init(_ configuration: Configuration) async throws(GatewayStartError) {
        let loops = EventLoops(count: configuration.loops, limits: configuration.loopLimits)
        let gateway = await Gateway(on: loops, configuration.gateway)
        var (ports, listening): ([Port], [Listening]) = ([], [])
        var admin: Admin?
        do throws(GatewayStartError) {
            if let address = configuration.admin { admin = try await Self.admin(at: address, of: loops) }
            for side in GatewaySide.allCases {
                let settings = side == .client ? configuration.clients : configuration.servers
                for port in settings.ports {
                    let dialect = port.dialect ?? settings.dialect
                    let acceptor = try Self.acceptor(for: port, settings, configuration)
                    let opened = try await Self.listen(gateway, side, acceptor, dialect)
                    listening.append(opened)
                    ports.append(Port(side: side, carrier: port.carrier, dialect: dialect, address: opened.address))
                }
            }
        } catch {
            for opened in listening { await opened.stop() }
            await loops.shutdown()
            await admin?.stop()
            throw error
        }
        (self.loops, self.gateway, self.ports, self.listening) = (loops, gateway, ports, listening)
        self.admin = admin
        admin?.readiness.state = .ready
    }

    private static func admin(at address: SocketAddress, of loops: EventLoops) async throws(GatewayStartError) -> Admin
    {
        do throws(ListenError) {
            return try await Admin(at: address, of: loops, version: Version.current)
        } catch { throw .listen(error, for: nil) }
    }

    private static func listen(
        _ gateway: Gateway, _ side: GatewaySide, _ acceptor: any Acceptor, _ dialect: GatewayDialect
    ) async throws(GatewayStartError) -> Listening {
        do throws(ListenError) {
            return try await gateway.listen(for: side, on: acceptor, dialect: dialect)
        } catch { throw .listen(error, for: side) }
    }

    private static func acceptor(
        for port: GatewayPort, _ side: Configuration.Side, _ configuration: Configuration
    ) throws(GatewayStartError) -> any Acceptor {
        guard let address = SocketAddress(resolving: port.address) else { throw .unknownHost(port.address) }
        var acceptor: any Acceptor = StreamAcceptor(
            address, spread: configuration.reusesPorts ? .kernel : .dealt, limits: side.limits)
        if port.carrier == .tls || port.carrier == .wss {
            guard let identity = configuration.identity else { throw .noIdentity(port.address) }
            do throws(TLSError) {
                acceptor = try TLSServer(identity).over(acceptor)
            } catch { throw .tls(error) }
        }
        if port.carrier == .ws || port.carrier == .wss {
            // A page may send a packet as one message.
            let largest = max(1 << 20, configuration.gateway.maxPacketSize + GatewayCodec.headerSize)
            acceptor = WebSocket(path: port.path, origins: configuration.origins, maxMessageSize: largest)
                .over(acceptor)
            if side.snet != nil { acceptor = MessageJoining().over(acceptor) }
        }
        if let snet = side.snet { acceptor = snet.over(acceptor) }
        return acceptor
    }

    /// Accepts no more, refuses new dials, waits for the virtual connections to end, at most so long, and closes what
    /// is left. Returns how many were cut off.
    @discardableResult
    public func stop(within limit: Duration) async -> Int {
        admin?.readiness.state = .draining
        for opened in exchange(&listening, with: []) { await opened.stop() }
        let cutOff = await gateway.drain(within: limit)
        await loops.shutdown()
        await admin?.stop()
        return cutOff
    }
}

public enum GatewayStartError: Error, CustomStringConvertible {
    case listen(ListenError, for: GatewaySide?)
    case unknownHost(String)
    case noIdentity(String)
    case tls(TLSError)

    public var description: String {
        switch self {
        case .listen(let error, let side): "\(side.map { "\($0.rawValue) port: " } ?? "admin: ")\(error)"
        case .unknownHost(let address):
            "\(address): no such host; write an address of this machine, or none before the colon"
        case .noIdentity(let address): "\(address) is to speak TLS; name a certificate and its key"
        case .tls(let error): "\(error)"
        }
    }
}
