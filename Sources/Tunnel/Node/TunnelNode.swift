public import OmniwayCluster
import OmniwayTelemetry
public import OmniwayTransport
import OmniwayWire

/// A server of the tunnel: clients log in here, and streams from those who listen meet streams from those who reach the
/// target. It lives on one loop; several nodes that share a registry are one for their clients.
///
/// ```swift
/// let node = await TunnelNode.start(on: loop, registry: registry)
/// let entrance = try await StreamAcceptor(.loopback(port: 8001)).open(into: [node])
/// ```
public final class TunnelNode: LinkIntake {
    public let id: String
    public let loop: Loop
    let home: EventLoop
    let settings: TunnelNodeSettings
    let registry: LocalRegistry
    let book: TunnelBook
    let routes = InvokeRoutes()
    private(set) lazy var server = CarrierServer(on: loop, settings: settings.carrier, routes: routes, owner: self)

    var callers: [ObjectIdentifier: NodeCaller] = [:]
    /// Clients that are here.
    var sessions: [String: NodeSession] = [:]
    var registrations: RateTable
    var wrongCodes: RateTable
    /// By owner and address, as the registry has them.
    var rules: [String: OwnedRules] = [:]
    private(set) lazy var transfers = Transfers(at: self)
    private(set) lazy var ports = PublicPorts(at: self)
    private(set) lazy var links = NodeLinks(at: self)
    private(set) lazy var names = WebNames(at: self)
    private(set) lazy var groups = RuleGroups(at: self)
    private(set) lazy var ledger = TrafficLedger(at: self)

    var lease: RegistryLease? { health.lease }
    /// What other threads may know of it.
    public let health = TunnelNodeHealth()
    private var certificate: TLSFingerprint?
    private let connection: String
    private(set) var isDraining = false
    /// Copies of the registry, so that nothing waits for it while bytes flow.
    private(set) var online: RegistryMirror?
    private(set) var nodes: RegistryMirror?
    private(set) var ruleCopy: RegistryMirror?
    private var waiting: [() -> Void] = []
    private enum Token { static let lease: UInt64 = 0, drained: UInt64 = 1, record: UInt64 = 2, ports: UInt64 = 3 }

    public static func start(
        on loop: EventLoop, registry: Registry, settings: TunnelNodeSettings = TunnelNodeSettings()
    ) async -> LoopBound<TunnelNode> {
        await loop.own { TunnelNode(on: $0, home: loop, registry, settings) }
    }

    private init(on loop: Loop, home: EventLoop, _ registry: Registry, _ settings: TunnelNodeSettings) {
        (self.loop, self.home, self.settings) = (loop, home, settings)
        id = settings.id ?? UUIDText.random(using: &loop.random)
        precondition(id.isTunnelID, "a node's id is a UUID in lower case")
        connection = UUIDText.random(using: &loop.random)
        certificate = settings.certificate
        self.registry = registry.on(loop)
        book = TunnelBook(self.registry)
        (registrations, wrongCodes) = (RateTable(settings.registrations), RateTable(settings.wrongCodes))
        addRoutes()
        nodes = RegistryMirror(self.registry, prefix: TunnelKey.nodes) { [weak self] in self?.nodeChanged($0) }
        ruleCopy = RegistryMirror(self.registry, prefix: TunnelKey.rules) { [weak self] in self?.ruleChanged($0) }
        online = RegistryMirror(self.registry, prefix: TunnelKey.online) { [weak self] in self?.onlineChanged($0) }
        for mirror in [nodes, ruleCopy, online] { mirror?.whenReady { [weak self] in self?.tellReady() } }
        readMeters()
        takeLease()
    }

    private func readMeters() {
        loop.meters.read(.gauge, "omniway_tunnel_clients", "Clients that are logged in.") { [weak self] in
            Double(self?.sessions.count ?? 0)
        }
        loop.meters.read(.gauge, "omniway_tunnel_ports", "Ports that are open for rules.") { [weak self] in
            Double(self?.ports.open.count ?? 0)
        }
        loop.meters.read(.gauge, "omniway_tunnel_visitors", "Visitors of rules that are here.") { [weak self] in
            Double(self?.transfers.count ?? 0)
        }
    }

    public func accept(_ link: Link) -> (any LinkHandler)? { isDraining ? nil : server.accept(link) }

    /// Whether the registry has been read, and has a place for this node.
    public var isReady: Bool {
        lease != nil && online?.isReady == true && ruleCopy?.isReady == true && nodes?.isReady == true
    }

    /// Calls `then` once, when it is.
    public func whenReady(_ then: @escaping () -> Void) { if isReady { then() } else { waiting.append(then) } }

    private func tellReady() {
        guard isReady else { return }
        for then in exchange(&waiting, with: []) { then() }
    }

    /// Clients that are logged in here.
    public var clients: [String] { sessions.keys.sorted() }

    private func takeLease() {
        registry.lease(ttl: settings.lease) { [weak self] event in
            Log.shared.info("the lease of a node", ["node": self?.id ?? "", "event": "\(event)"])
        } _: { [weak self] result in
            guard let self else { return }
            guard case .success(let lease) = result else {
                loop.after(.seconds(1), self, token: Token.lease)
                return
            }
            health.lease = lease
            tellReady()
            writeRecord()
        }
    }

    /// Where the others reach this node, and what it shows them.
    private func writeRecord() {
        guard let lease, !isDraining else { return }
        let record: JSON = [
            "nodeId": .string(id), "connectionId": .string(connection),
            "connectionTime": .string(Timestamp.now().text), "serviceAddr": .string(settings.advertise),
            "certificate": .string(certificate?.description ?? ""),
        ]
        registry.put(TunnelKey.node(id), RegistryBytes(record.text), lease: lease) { [weak self] result in
            guard let self, case .failure = result else { return }
            loop.after(.seconds(1), self, token: Token.record)
        }
    }

    /// The node shows another certificate from now on: those who know it by that are to hear of it.
    public func renewed(_ certificate: TLSFingerprint) {
        guard self.certificate != certificate else { return }
        self.certificate = certificate
        writeRecord()
    }

    func changePortsSoon() { loop.after(.zero, self, token: Token.ports) }

    private func addRoutes() {
        routes.refusal = { [weak self] request, invoker in
            guard let self, let caller = invoker.attachment as? NodeCaller else {
                return (.offline, "the node is going away")
            }
            return refusal(of: request.key, caller)
        }
        addLoginRoutes()
        addRuleRoutes()
        addCodeRoute()
        addTransferRoutes()
        addNodeRoutes()
    }

    private func refusal(of path: String, _ caller: NodeCaller) -> (InvokeCode, String)? {
        guard isReady else { return (.offline, "the node is not ready; try again, or another one") }
        let isForNodes = path.hasPrefix("/node/") && path != Path.nodeHello
        switch caller.standing {
        case .client: return isForNodes ? (.forbidden, "this is for nodes") : nil
        case .node: return isForNodes || path == Path.heartbeat ? nil : (.forbidden, "this is for clients")
        case .stranger, .gone:
            let isFree = [Path.register, Path.login, Path.heartbeat, Path.nodeHello].contains(path)
            return isFree ? nil : (.notAuthenticated, "log in first")
        }
    }

    enum Path {
        static let register = "/client/register"
        static let login = "/client/login"
        static let heartbeat = "/client/heartbeat"
        static let kick = "/client/kick"
        static let list = "/client/transfer/list"
        static let ruleAdd = "/client/listen/add"
        static let ruleDelete = "/client/listen/del"
        static let newCode = "/client/code/new"
        static let listenAdd = "/transfer/listen/add"
        static let listenDelete = "/transfer/listen/del"
        static let listenIn = "/transfer/listen/in"
        static let targetOut = "/transfer/target/out"
        static let go = "/transfer/go"
        static let fail = "/transfer/fail"
        static let probe = "/transfer/probe"
        static let nodeHello = "/node/hello"
        static let nodeInvoke = "/node/invoke"
        static let relayOpen = "/node/relay/open"
    }

    // MARK: The end

    /// Takes no more clients, and sends those who are here elsewhere; streams that are open may go on for so long.
    public func drain(keep: Duration = .seconds(60)) {
        guard !isDraining else { return }
        isDraining = true
        ports.closeAll()
        ledger.flush()
        server.keep = max(server.keep, keep)
        sendAway(until: loop.now + min(keep, Self.meeting))
        health.lease = nil  // With it go this node's records.
        loop.after(keep, self, token: Token.drained)
    }

    /// A client whose target a visitor waits for goes when they have met, or their time is over.
    private func sendAway(until end: Moment) {
        for client in sessions.keys.sorted() where loop.now >= end || !transfers.isAwaited(client) {
            guard let session = sessions[client] else { continue }
            kick(session, .reconnect, "the node is going away", by: "")
        }
        if !sessions.isEmpty { loop.after(.milliseconds(5), Sending(self, until: end)) }
    }
    private static let meeting = Duration.seconds(1)

    private final class Sending: TimerTarget {
        private weak var node: TunnelNode?
        private let end: Moment
        init(_ node: TunnelNode, until end: Moment) { (self.node, self.end) = (node, end) }
        func timerFired(_ token: UInt64, on loop: Loop) { node?.sendAway(until: end) }
    }

    /// Ends all connections at once.
    public func close(_ reason: CloseReason = .shutdown) {
        drain(keep: .zero)
        links.closeAll()
        server.close(reason)
        for mirror in [online, nodes, ruleCopy] { mirror?.end() }
        names.close()
    }
}

extension TunnelNode: CarrierOwner {
    public func opened(_ peer: CarrierPeer) {
        let caller = NodeCaller(peer, settings)
        callers[ObjectIdentifier(peer)] = caller
        peer.invoker?.attachment = caller
    }

    public func lost(_ peer: CarrierPeer, _ reason: CloseReason) {
        guard let caller = callers.removeValue(forKey: ObjectIdentifier(peer)) else { return }
        let session = caller.session
        caller.standing = .gone
        if let session { loggedOut(session) }
    }

    public func accept(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)? { greet(peer, isBulk: false) }

    public func acceptBulk(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)? { greet(peer, isBulk: true) }

    private func greet(_ peer: CarrierPeer, isBulk: Bool) -> StreamGreeting? {
        guard let caller = callers[ObjectIdentifier(peer)] else { return nil }
        switch caller.standing {
        case .client, .node: return StreamGreeting(from: caller, isBulk: isBulk, at: self)
        case .stranger, .gone: return nil
        }
    }
}

extension TunnelNode: TimerTarget {
    public func timerFired(_ token: UInt64, on loop: Loop) {
        if token == Token.lease, lease == nil, !isDraining { takeLease() }
        if token == Token.ports { ports.change() }
        if token == Token.record { writeRecord() }
        if token == Token.drained { server.close(.shutdown) }
    }
}
