public import OmniwayGateway

/// A gateway with its ports, on the loops of a node.
public actor GatewayPart: NodePart {
    public struct Configuration: Sendable {
        public var gateway = GatewaySettings()
        public var clients = Side()
        public var servers = Side()
        /// Every loop listens, and the kernel deals connections out; a busy port of the same user is no error then.
        public var reusesPorts = false
        /// For ports with TLS.
        public var identity: TLSIdentity?
        /// Pages that may use WebSocket ports; nil lets all.
        public var origins: [String]?
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

    /// Something that listens.
    public struct Door: Sendable {
        public let side: GatewaySide
        public let carrier: GatewayPort.Carrier
        public let dialect: GatewayDialect
        public let address: SocketAddress
    }

    public nonisolated let gateway: Gateway
    public nonisolated let doors: [Door]
    private var listening: [Listening]

    public init(_ configuration: Configuration, on loops: EventLoops) async throws(GatewayStartError) {
        let gateway = await Gateway(on: loops, configuration.gateway)
        var (doors, listening): ([Door], [Listening]) = ([], [])
        do throws(GatewayStartError) {
            for side in GatewaySide.allCases {
                var settings = side == .client ? configuration.clients : configuration.servers
                settings.snet?.name = "gateway.\(side.rawValue)s"
                for port in settings.ports {
                    let dialect = port.dialect ?? settings.dialect
                    let acceptor = try Self.acceptor(for: port, settings, configuration)
                    let opened = try await Self.listen(gateway, side, acceptor, dialect)
                    listening.append(opened)
                    doors.append(Door(side: side, carrier: port.carrier, dialect: dialect, address: opened.address))
                }
            }
        } catch {
            for opened in listening { await opened.stop() }
            throw error
        }
        (self.gateway, self.doors, self.listening) = (gateway, doors, listening)
    }

    public nonisolated var ports: [Node.Port] {
        doors.map { door in
            let scheme = door.carrier == .tcp ? "" : "\(door.carrier.rawValue)://"
            return Node.Port("gateway \(door.side.rawValue)s", at: "\(scheme)\(door.address)")
        }
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
    public func stop(within limit: Duration) async -> Int {
        for opened in exchange(&listening, with: []) { await opened.stop() }
        return await gateway.drain(within: limit)
    }
}

public enum GatewayStartError: Error, CustomStringConvertible {
    case listen(ListenError, for: GatewaySide)
    case unknownHost(String)
    case noIdentity(String)
    case tls(TLSError)

    public var description: String {
        switch self {
        case .listen(let error, let side): "\(side.rawValue) port: \(error)"
        case .unknownHost(let address):
            "\(address): no such host; write an address of this machine, or none before the colon"
        case .noIdentity(let address): "\(address) is to speak TLS; name a certificate and its key"
        case .tls(let error): "\(error)"
        }
    }
}
