public import OmniwayTransport
public import OmniwayWire
import OmniwayTelemetry

/// A node of the mesh: it knows a few neighbours, and reaches everybody through them.
///
/// ```swift
/// let luda = await MeshNode("luda", on: loop) { request in
///     request.method == "title" ? .bytes(Array("Moby-Dick".utf8)) : .unknownMethod
/// }
/// try await luda.listenAndServe("127.0.0.1:12345")
/// try await luda.join("127.0.0.1:12346")
/// try await luda.broadcast(Array("hello, everybody".utf8))
/// try await luda.send(Array("hello".utf8), to: "yoghurt")
/// let title = try await luda.request("title", to: "yoghurt")
/// for await event in luda.events { print(event) }
/// ```
///
/// A node is its key: nobody else can prove to be it. A name is what it calls itself, and others may have the same.
public final class MeshNode: Sendable {
    public let name: String
    public let id: NodeID
    /// What happens: neighbours, messages, gaps. For one reader.
    public let events: AsyncStream<MeshEvent>
    let host: LoopBound<NodeHost>
    private let cancellations: Mailbox<Answer<NodeHost.Outcome>>?
    private let settings: NodeSettings

    /// A node that lives on one loop. `answering` says what becomes of requests; it is called on that loop, so it must
    /// not block: `.later` leaves the answer to `answer(_:with:)`.
    ///
    /// Peers of the original are spoken to by `fallback`, which keeps connections, and on whose loop the node lives
    /// then; without one they are refused.
    public init(
        _ name: String, on home: EventLoop, _ settings: NodeSettings = NodeSettings(), fallback: MeshPeer? = nil,
        answering: @escaping @Sendable (MeshRequest) -> MeshReply = { _ in .unknownMethod }
    ) async {
        (self.name, id, self.settings) = (name, settings.identity.id, settings)
        let (events, out) = AsyncStream.makeStream(
            of: MeshEvent.self, bufferingPolicy: .bufferingOldest(settings.maxEvents))
        self.events = events
        if let peer = fallback {
            precondition(peer.kind == .long, "the fallback keeps connections: MeshPeer(name, .long, on: loop)")
            host = await peer.node.map { loop, peer in
                NodeHost(name, settings, fallback: peer, answering: answering, events: out, on: loop)
            }
        } else {
            host = await home.own { loop in
                NodeHost(name, settings, fallback: nil, answering: answering, events: out, on: loop)
            }
        }
        cancellations = await host.run { _, host in host.cancellations }
    }

    // MARK: Links

    /// Takes links at an address of this machine, which is also what others are told. Port 0 is any free one.
    @discardableResult
    public func listenAndServe(_ address: String) async throws(ListenError) -> Listening {
        guard let address = SocketAddress(address) else {
            throw .misconfigured("'\(address)' is no address with a port")
        }
        return try await serve(StreamAcceptor(address, limits: ConnectionLimits()))
    }

    /// Takes the links of any acceptor. Others are told `announced`, or where it listens.
    @discardableResult
    public func serve(
        _ acceptor: some Acceptor, announcing announced: String? = nil
    ) async throws(ListenError) -> Listening {
        let listening = try await acceptor.open(into: [host])
        let address = announced ?? (listening.address == .none ? "" : "\(listening.address)")
        await host.run { _, host in host.announce(address) }
        return listening
    }

    /// Connects to a node that is there already, and becomes a member through it. It is asked again when everybody else
    /// is lost. Nil says that a peer of the original is there: the fallback has it.
    @discardableResult
    public func join(_ address: String) async throws(MeshError) -> NodeID? { try await join(address, by: nil) }

    /// The same by any dialer of streams: through a gateway, a tunnel, TLS. The address is only a text here.
    @discardableResult
    public func join(_ address: String, over dialer: some Dialer) async throws(MeshError) -> NodeID? {
        try await join(address, by: dialer)
    }

    private func join(_ address: String, by dialer: (any Dialer)?) async throws(MeshError) -> NodeID? {
        let answer = Answer<NodeID?>()
        await host.run { _, host in host.join(address, by: dialer, Promise(answer)) }
        return try await answer.value()
    }

    /// Finds nodes of the local network, and is found there once it listens: by datagrams that anybody there can read.
    /// In a closed group only those of its members count. Nobody is believed by a datagram: a link proves who is there.
    /// Until what is returned is stopped, or the node is closed.
    @discardableResult
    public func discover(on network: MulticastGroup = .localMesh) async throws(ListenError) -> Listening {
        try await discover(hearing: network.acceptor, speaking: network.dialer)
    }

    /// The same by any datagrams: each that is sent comes to all others.
    @discardableResult
    public func discover(hearing acceptor: some Acceptor, speaking dialer: some Dialer) async throws(ListenError)
        -> Listening
    {
        let discovery = await host.map { _, host in NodeDiscovery(of: host, by: dialer) }
        let listening = try await acceptor.open(into: [discovery])
        await discovery.run { _, discovery in discovery.start() }
        return Listening(address: listening.address) {
            await listening.stop()
            await discovery.run { _, discovery in discovery.stop() }
        }
    }

    /// Those it has links to, and keeps them.
    public func neighbors() async -> [MeshContact] { await host.run { _, host in host.neighbors } }

    /// Everybody it knows to be there: all, with `listsMembers`; otherwise its neighbours.
    public func members() async -> [NodeID] { await host.run { _, host in host.members } }

    /// What it has and knows now, for somebody who looks.
    public func report() async -> NodeReport { await host.run { _, host in host.report } }

    // MARK: Messages

    /// A message to everybody. Each node gets it once; `topic` is for the application.
    public func broadcast(_ bytes: [UInt8], topic: String = "") async throws(MeshFailure) {
        try await host.run { _, host throws(MeshFailure) in try host.broadcast(bytes, topic: topic) }
    }

    /// A message to one node. Returns when the node has it; it is sent again until then, and delivered once.
    public func send(_ bytes: [UInt8], to node: NodeID) async throws(MeshFailure) {
        _ = try await finish { host, promise in host.send(bytes, to: .node(node), promise) }
    }

    /// To whoever is called that; of several, whose id is the lowest.
    public func send(_ bytes: [UInt8], to name: String) async throws(MeshFailure) {
        _ = try await finish { host, promise in host.send(bytes, to: .name(name), promise) }
    }

    /// A request to one node, and its answer. It may be sent several times, and is done once. When the task is
    /// cancelled or the time is over, the other node's application is told `.abandoned`, if it has not answered yet.
    public func request(
        _ method: String, _ bytes: [UInt8] = [], to node: NodeID, within limit: Duration = .seconds(10)
    ) async throws(MeshFailure) -> [UInt8] {
        try await finish { host, promise in host.request(method, bytes, to: .node(node), within: limit, promise) }
    }

    /// A request to whoever is called that.
    public func request(
        _ method: String, _ bytes: [UInt8] = [], to name: String, within limit: Duration = .seconds(10)
    ) async throws(MeshFailure) -> [UInt8] {
        try await finish { host, promise in host.request(method, bytes, to: .name(name), within: limit, promise) }
    }

    /// The answer to a request that was to come later. One that is nobody's any more is dropped.
    public func answer(_ request: MeshRequest, with reply: MeshReply) async {
        await host.run { _, host in host.answer(request, with: reply) }
    }

    private func finish(
        _ start: @Sendable (NodeHost, Promise<NodeHost.Outcome>) -> Void
    ) async throws(MeshFailure) -> [UInt8] {
        let answer = Answer<NodeHost.Outcome>()
        let result = await withTaskCancellationHandler {
            await host.run { _, host in start(host, Promise(answer)) }
            return await answer.result()
        } onCancel: {
            answer.fulfil(.success(.failure(.cancelled)))
            cancellations?.post(answer)
        }
        switch result {
        case .success(let outcome): return try outcome.get()
        case .failure: throw .closed
        }
    }

    /// Closes all links. Others know at once that it is gone; listeners are stopped by whoever has them.
    public func close() async { await host.run { _, host in host.close() } }
}
