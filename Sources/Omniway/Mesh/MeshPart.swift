public import OmniwayMesh
import OmniwayTelemetry
public import OmniwayTransport
import OmniwayWire

/// A member of a mesh, on a loop of a node.
public struct MeshPart: NodePart {
    /// What it speaks.
    public enum Mode: String, Sendable, CaseIterable {
        /// The second version, and with peers of the original their own.
        case auto
        /// As the original does, over kept connections and over one for each message.
        case long, short

        /// Refuses what only `auto` has, rather than run without it.
        package func allow(_ wishes: [(name: String, isGiven: Bool)]) throws(MeshModeError) {
            guard self != .auto, let wish = wishes.first(where: \.isGiven) else { return }
            throw .onlyAuto(wish.name, self)
        }
    }

    public struct Configuration: Sendable {
        public var name = "omniway"
        public var mode = Mode.auto
        public var address = SocketAddress.loopback()
        /// Where others are told that it is; nil for where it listens.
        public var announced: String?
        /// Who is there already, by address.
        public var join: [String] = []
        /// Who it is, in `auto` mode. Its epoch is that of its start.
        public var node = NodeSettings()
        /// Where its key is kept, so that it is the same node again, in `auto` mode; nil for the one that `node` names.
        public var identityFile: MeshIdentityFile?
        /// Where it looks for others, in `auto` mode; nil for nowhere.
        public var network: MulticastGroup?
        public var mesh = MeshSettings()
        public init() {}
    }

    /// Who speaks as the original does; nil in a closed group, which its peers cannot join.
    public let peer: MeshPeer?
    /// Nil where only the original's protocol is spoken.
    public let node: MeshNode?
    public let name: String
    private let listening: Listening
    private let discovering: Listening?

    public init(_ configuration: Configuration, on loops: EventLoops) async throws {
        name = configuration.name
        try configuration.mode.allow([
            ("an identity file", configuration.identityFile != nil),
            ("a group's secret", configuration.node.groupSecret != nil),
            ("a list of members", configuration.node.listsMembers),
            ("discovery", configuration.network != nil),
        ])
        let home = loops.loops[0]
        let acceptor = StreamAcceptor(configuration.address, limits: ConnectionLimits())
        guard configuration.mode == .auto else {
            let kind: ConnectionKind = configuration.mode == .long ? .long : .short
            let peer = await MeshPeer(name, kind, on: home, configuration.mesh)
            (self.peer, node) = (peer, nil)
            listening = try await peer.serve(acceptor, announcing: configuration.announced)
            discovering = nil
            for address in configuration.join { try await peer.add(address, at: address) }
            return
        }
        var settings = configuration.node
        if let file = configuration.identityFile { settings.identity = try file.loadOrMake() }
        let isClosed = settings.groupSecret != nil
        peer = isClosed ? nil : await MeshPeer(name, .long, on: home, configuration.mesh)
        let answers = PeerAnswers()
        let node = await MeshNode(name, on: home, settings, fallback: peer) { answers.answer($0) }
        answers.belong(to: node)
        self.node = node
        listening = try await node.serve(acceptor, announcing: configuration.announced)
        if let network = configuration.network {
            discovering = try await node.discover(on: network)
        } else {
            discovering = nil
        }
        Task.detached { await Self.log(node) }
        let addresses = configuration.join
        Task.detached { await Self.join(addresses, node) }
    }

    /// Whoever is not there yet is asked again, so two that name each other may start in any order.
    @concurrent private static func join(_ addresses: [String], _ node: MeshNode) async {
        for address in addresses {
            do throws(MeshError) { try await node.join(address) } catch {
                Log.shared.warning("mesh peer not there yet", ["address": address, "why": "\(error)"])
            }
        }
    }

    /// Nobody else listens to it. Ends with the node.
    @concurrent private static func log(_ node: MeshNode) async {
        for await event in node.events {
            switch event {
            case .joined(let id): Log.shared.info("mesh member joined", ["id": "\(id)"])
            case .left(let id): Log.shared.info("mesh member left", ["id": "\(id)"])
            case .missed(let count, let id):
                Log.shared.warning("mesh messages missed", ["id": "\(id)", "count": "\(count)"])
            case .neighborUp, .neighborDown, .broadcast, .message, .abandoned: break
            }
        }
    }

    public var ports: [Node.Port] { [Node.Port("mesh \(name)", at: listening.address)] }

    public func stop(within limit: Duration) async -> Int {
        await listening.stop()
        await discovering?.stop()
        await node?.close()
        await peer?.close()
        return 0
    }
}

/// Something was asked for that the original's protocol has not.
public enum MeshModeError: Error, Equatable, CustomStringConvertible {
    case onlyAuto(String, MeshPart.Mode)

    public var description: String {
        switch self {
        case .onlyAuto(let name, let mode):
            "\(name) does nothing in mode \(mode), which speaks as the original does; take mode auto, or leave it out"
        }
    }
}
