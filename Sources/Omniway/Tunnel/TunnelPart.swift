public import OmniwayCluster
import OmniwayTelemetry
public import OmniwayTransport
public import OmniwayTunnel

/// A tunnel node with its registry and its ports, on a loop of a node.
public actor TunnelPart: NodePart {
    public struct Configuration: Sendable {
        /// Where clients, other nodes and the HTTP interface come in.
        public var ports = [TunnelPort(carrier: .tls, address: ":\(TunnelNodeAddress.usualPort)")]
        /// Where visitors of names come in, over HTTP and over TLS, as `host:port`. The ports above take them too.
        public var http: [String] = []
        public var https: [String] = []
        /// Keeps the node's id, its certificate and, unless `registry` says otherwise, what it knows of clients.
        public var folder = DataFolder.standard()
        /// Nil for a file in the folder.
        public var registry: RegistryStore?
        /// The first is the node's own; visitors of a name get the one that has it. Without any the node makes one at
        /// its first start, and signs it itself. Files are read again when they change.
        public var identities: [TLSIdentity] = []
        public var node = TunnelNodeSettings()
        public var api = TunnelAPISettings()
        /// Connections of clients, of nodes and to the HTTP interface, at all ports together.
        public var limits = ConnectionLimits(total: 100_000, perAddress: 1000)
        public init() {}
    }

    public nonisolated let node: LoopBound<TunnelNode>
    /// Where the ports are open.
    public nonisolated let addresses: [(carrier: TunnelNodeAddress.Carrier, address: SocketAddress)]
    public nonisolated let webAddresses: [(scheme: String, address: SocketAddress)]
    /// What clients are to see of its certificate.
    public nonisolated let fingerprint: TLSFingerprint
    private let door: LoopBound<TunnelDoor>
    nonisolated let registry: Registry
    private let web: [LoopBound<TunnelWeb>]
    private var listening: [Listening]
    private let renewal: Task<Void, Never>?
    private nonisolated let ask: @Sendable () -> [String]

    public init(_ configuration: Configuration, on loops: EventLoops) async throws {
        var settings = configuration.node
        try configuration.folder.create()
        let identities = try configuration.identities.isEmpty
            ? [Self.keptIdentity(configuration)] : configuration.identities
        let identity = identities[0]
        if settings.id == nil { settings.id = try Self.keptID(configuration.folder) }
        fingerprint = try identity.fingerprint
        // Where no port speaks TLS, other nodes are not to expect it.
        if configuration.ports.contains(where: { $0.carrier == .tls }) { settings.certificate = fingerprint }
        settings.dialNode = Self.dialer
        let home = loops.loops[0]
        let store = configuration.registry ?? .sqlite(configuration.folder.file("registry.db"))
        let registry = try await Registry.open(store, on: home)
        let node = await TunnelNode.start(on: home, registry: registry, settings: settings)
        let door = await TunnelDoor.open(for: node, settings: configuration.api)
        var listening: [Listening] = []
        var web: [LoopBound<TunnelWeb>] = []
        var webAddresses: [(scheme: String, address: SocketAddress)] = []
        do {
            for port in configuration.ports {
                listening.append(try await Self.listen(door, port, identities, configuration.limits))
            }
            for (scheme, address) in configuration.http.map({ ("http", $0) })
                + configuration.https.map({ ("https", $0) })
            {
                let security = scheme == "http" ? TunnelWeb.Security.plain : .terminated(try TLSServer(identities))
                let entrance = await TunnelWeb.open(for: node, secured: security)
                let acceptor = try Self.acceptor(address, configuration.limits)
                let opened = try await acceptor.open(into: [entrance])
                listening.append(opened)
                web.append(entrance)
                webAddresses.append((scheme, opened.address))
            }
        } catch {
            for opened in listening { await opened.stop() }
            await node.run { _, node in node.close() }
            await registry.close()
            throw error
        }
        addresses = zip(configuration.ports, listening).map { ($0.carrier, $1.address) }
        (self.web, self.webAddresses) = (web, webAddresses)
        renewal = settings.certificate == nil || settings.advertise.isEmpty
            ? nil : Self.tellRenewals(of: identity, to: node)
        let health = await node.run { _, node in node.health }
        ask = { health.troubles(registry.health) }
        (self.registry, self.node, self.door, self.listening) = (registry, node, door, listening)
    }

    public nonisolated var ports: [Node.Port] {
        addresses.map { Node.Port("tunnel", at: "\($0.carrier.rawValue)://\($0.address)") }
            + webAddresses.map { Node.Port("names", at: "\($0.scheme)://\($0.address)") }
    }

    public nonisolated var troubles: [String] { ask() }

    /// Returns when the registry has been read, and clients can log in.
    public func ready() async {
        let (ready, finish) = AsyncStream<Never>.makeStream()
        await node.run { _, node in node.whenReady { finish.finish() } }
        for await _ in ready {}
    }

    private static func acceptor(_ text: String, _ limits: ConnectionLimits) throws -> StreamAcceptor {
        guard let address = SocketAddress(resolving: text) else { throw ListenError.unknownHost(text) }
        return StreamAcceptor(address, options: .carrier, limits: limits)
    }

    private static func listen(
        _ door: LoopBound<TunnelDoor>, _ port: TunnelPort, _ identities: [TLSIdentity], _ limits: ConnectionLimits
    ) async throws -> Listening {
        let stream = try acceptor(port.address, limits)
        guard port.carrier == .tls else { return try await stream.open(into: [door]) }
        return try await TLSServer(identities).over(stream).open(into: [door])
    }

    /// Other nodes are known by the certificate that they have written into the registry.
    private static func dialer(to place: TunnelNodePlace) -> any Dialer {
        let stream = StreamDialer(place.at, options: .carrier)
        guard let certificate = place.certificate else { return stream }
        let pins = TLSPins([place.at.host: certificate], learns: false)
        do throws(TLSError) {
            return try TLSClient(host: place.at.host, trust: .pinned(by: pins)).over(stream)
        } catch {
            Log.shared.warning("a node cannot be dialled", ["address": "\(place)", "error": "\(error)"])
            return StreamDialer([])  // It fails, and says that there is no address.
        }
    }

    /// Sends clients elsewhere and accepts no more, lets visitors go on for so long, and ends. Returns how many of them
    /// were cut off.
    public func stop(within limit: Duration) async -> Int {
        renewal?.cancel()
        for opened in exchange(&listening, with: []) { await opened.stop() }
        await node.run { _, node in node.drain(keep: limit) }
        await door.run { _, door in door.drain() }
        for entrance in web { await entrance.run { _, entrance in entrance.drain() } }
        let cutOff = await left(after: limit) { await node.run { _, node in node.transferCount } }
        await node.run { _, node in node.close() }
        await registry.close()
        return cutOff
    }
}

/// Where a node listens: `host:port` with TLS, or `tcp://host:port` without, for networks that are trusted.
public struct TunnelPort: Sendable, Equatable {
    public let carrier: TunnelNodeAddress.Carrier
    /// In digits, or a name that is looked up when the node starts.
    public let address: String

    init(carrier: TunnelNodeAddress.Carrier, address: String) { (self.carrier, self.address) = (carrier, address) }

    /// Nil when it cannot be read.
    public init?(_ text: String) {
        let isPlain = text.hasPrefix("tcp://")
        let rest = isPlain || text.hasPrefix("tls://") ? String(text.dropFirst(6)) : text
        guard SocketAddress(rest) != nil || HostPort(rest) != nil else { return nil }
        self.init(carrier: isPlain ? .tcp : .tls, address: rest)
    }
}
