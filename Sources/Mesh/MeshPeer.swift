public import OmniwayTransport
public import OmniwayWire

/// Whether connections are kept.
public enum ConnectionKind: Int, Sendable {
    /// One for each peer, both ways, for as long as it lasts.
    case long = 0
    /// One for each message and its answer.
    case short = 1
}

/// One of the peers that a peer knows: a name, which others may have too, and an address.
public struct MeshRoute: Hashable, Sendable {
    public let name: String
    public let address: String
}

/// What a peer has answered to a message that went to all.
public struct MeshAnswer: Equatable, Sendable {
    public let route: MeshRoute
    public let message: PheromoneMessage
}

/// A peer that speaks the protocol of pheromones, with others of its kind and with those of the original.
///
/// ```swift
/// let luda = await MeshPeer("luda", .short, on: loop)
/// try await luda.listenAndServe("127.0.0.1:12345")
/// try await luda.add("yoghurt", at: "127.0.0.1:12346")
/// var next: PheromoneMessage? = await luda.greeting()
/// while let message = next, let answer = try await luda.dispatch(message, to: "yoghurt") {
///     next = try await luda.handle(answer)
/// }
/// ```
public final class MeshPeer: Sendable {
    /// What it calls itself.
    public let name: String
    public let kind: ConnectionKind
    public let settings: MeshSettings
    let node: LoopBound<PeerNode>

    /// A peer that lives on one loop. The handler answers what others send; `StandardHandler` does as the original.
    public init(
        _ name: String, _ kind: ConnectionKind, on home: EventLoop, _ settings: MeshSettings = MeshSettings(),
        handler: some MessageHandler = StandardHandler()
    ) async {
        (self.name, self.kind, self.settings) = (name, kind, settings)
        node = await home.own { loop in PeerNode(name, kind, settings, handler, on: loop) }
    }

    // MARK: Serving

    /// Serves those who connect to an address of this machine, which is also what greetings tell. Returns when it
    /// listens; port 0 is any free one.
    @discardableResult
    public func listenAndServe(_ address: String) async throws(ListenError) -> Listening {
        guard let address = SocketAddress(address) else {
            throw .misconfigured("'\(address)' is no address with a port")
        }
        return try await serve(StreamAcceptor(address, limits: ConnectionLimits()))
    }

    /// Serves the links of any acceptor. Greetings tell `announced`, or where it listens.
    @discardableResult
    public func serve(
        _ acceptor: some Acceptor, announcing announced: String? = nil
    ) async throws(ListenError) -> Listening {
        let listening = try await acceptor.open(into: [node])
        let address = announced ?? (listening.address == .none ? "" : "\(listening.address)")
        await node.run { _, node in node.announced = address }
        return listening
    }

    /// The message by which this peer makes itself known. Sent first, it makes others able to send to it.
    public func greeting() async -> PheromoneMessage { await node.run { _, node in node.greeting } }

    // MARK: Routes

    /// Makes a peer known. With kept connections it is connected to, and greeted unless something is dispatched to it
    /// at once. An address that was added before gives way, unless its connection is kept.
    public func add(_ peer: String, at address: String) async throws(MeshError) {
        try await add(peer, at: address, by: nil)
    }

    /// Makes a peer known that is reached by any dialer of streams. Others see the address, which is only a text here.
    public func add(_ peer: String, at address: String, over dialer: some Dialer) async throws(MeshError) {
        try await add(peer, at: address, by: dialer)
    }

    private func add(_ peer: String, at address: String, by dialer: (any Dialer)?) async throws(MeshError) {
        let answer = Answer<Void>()
        let route = MeshRoute(name: peer, address: address)
        await node.run { _, node in node.add(route, by: dialer, Promise(answer)) }
        try await answer.value()
    }

    /// Forgets a peer, and closes its connections. With kept connections it must be there.
    public func delete(_ peer: String) async throws(MeshError) {
        try await node.run { _, node throws(MeshError) in try node.delete(peer) }
    }

    /// Everybody it can send to, by name and address.
    public func peers() async -> [MeshRoute] { await node.run { _, node in node.peers } }

    // MARK: Messages

    /// Sends a message to a peer. Over short connections it returns the answer, or nil when the peer closes without
    /// one. Over kept ones it returns nil when the message waits for its turn; answers go to the handler.
    ///
    /// A name that several have is the one that was added here, or that with the lowest address; an address chooses.
    @discardableResult
    public func dispatch(
        _ message: PheromoneMessage, to peer: String, at address: String? = nil
    ) async throws(MeshError) -> PheromoneMessage? {
        let answer = Answer<PheromoneMessage?>()
        await node.run { _, node in
            let promise = Promise(answer)
            node.dispatch(message, to: peer, at: address) { promise.fulfil($0) }
        }
        return try await answer.value()
    }

    /// Sends a message to everybody, or to all of one name. Over short connections it returns the answers of those who
    /// gave one, in the order of `peers()`; over kept ones nothing.
    @discardableResult
    public func dispatchToAll(_ message: PheromoneMessage, named name: String? = nil) async throws(MeshError)
        -> [MeshAnswer]
    {
        let answer = Answer<[MeshAnswer]>()
        await node.run { _, node in node.dispatchToAll(message, named: name, Promise(answer)) }
        return try await answer.value()
    }

    /// What the handler makes of a message: the next one of the session, or nil at its end.
    public func handle(_ message: PheromoneMessage) async throws -> PheromoneMessage? {
        try await node.run { _, node in try node.handle(message, from: nil) }
    }

    /// Closes all connections. What was sent before still goes out; listeners are stopped by whoever has them.
    public func close() async { await node.run { _, node in node.close() } }
}
