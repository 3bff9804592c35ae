public import OmniwayAdmin
public import OmniwayMesh
public import OmniwayTransport

/// A peer of a mesh, on a loop of a node.
public struct MeshPart: NodePart {
    public struct Configuration: Sendable {
        public var name = "omniway"
        public var kind = ConnectionKind.long
        public var address = SocketAddress.loopback()
        /// Where greetings say that it is; nil for where it listens.
        public var announced: String?
        /// Peers that are known from the start, by address.
        public var join: [String] = []
        public var mesh = MeshSettings()
        public init() {}
    }

    public let peer: MeshPeer
    private let listening: Listening

    public init(_ configuration: Configuration, on loops: EventLoops) async throws {
        peer = await MeshPeer(configuration.name, configuration.kind, on: loops.loops[0], configuration.mesh)
        listening = try await peer.serve(
            StreamAcceptor(configuration.address, limits: ConnectionLimits()), announcing: configuration.announced)
        for address in configuration.join { try await peer.add(address, at: address) }
    }

    public var ports: [Node.Port] { [Node.Port("mesh \(peer.name)", at: listening.address)] }

    public var views: [AdminView] {
        let peer = peer
        return [
            AdminView("mesh") {
                let peers = await peer.peers()
                return AdminReport(
                    figures: [("name", peer.name), ("peers", "\(peers.count)")],
                    tables: [
                        AdminTable(
                            "peers", ["name", "address"],
                            peers.map { AdminTable.Row($0.address, [$0.name, $0.address]) })
                    ])
            }
        ]
    }

    public func stop(within limit: Duration) async -> Int {
        await listening.stop()
        return 0
    }
}
