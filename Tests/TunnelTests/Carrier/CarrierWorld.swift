import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire

/// A node that lets everybody log in, and gives each stream a recorder or an echo.
final class NodeSide: CarrierOwner {
    static let key = [UInt8](repeating: 7, count: 32)

    private(set) var server: CarrierServer?
    private(set) var peers: [CarrierPeer] = []
    private(set) var lost: [CloseReason] = []
    var recorders: [Recorder] = []
    var echoes = false
    var refuses = false
    /// Recorders of new streams stop reading at once.
    var stalls = false
    /// Reads new streams instead of a recorder.
    var reader: (any LinkHandler)?

    init(on loop: Loop, _ settings: CarrierSettings) {
        let routes = InvokeRoutes()
        server = CarrierServer(on: loop, settings: settings, routes: routes, owner: self)
        routes.twoWay("/client/login") { _, invoker, answer in
            (invoker.attachment as? CarrierPeer)?.authorize(Self.key)
            answer.succeed()
        }
    }

    func opened(_ peer: CarrierPeer) {
        peers.append(peer)
        peer.invoker?.attachment = peer
    }
    func lost(_ peer: CarrierPeer, _ reason: CloseReason) { lost.append(reason) }

    func accept(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)? {
        if refuses { return nil }
        if echoes { return Echo() }
        if let reader { return reader }
        let recorder = Recorder()
        recorder.then = { event, link in if event == .finished { link.close(.finished) } }
        recorders.append(recorder)
        if stalls { stream.pauseReading() }
        return recorder
    }
}

/// Gives back what it gets.
final class Echo: LinkHandler {
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.write(bytes, endOfMessage: endOfMessage)
        if link.traits.isReliable { link.holdBack(link) }
        return bytes.byteCount
    }
    func finished(_ link: Link) { link.finish() }
}

/// A client that logs in whenever its command connection is open.
final class ClientSide: CarrierOwner {
    private(set) var client: CarrierClient?
    private(set) var lost: [CloseReason] = []
    private(set) var failures: [CloseReason] = []
    private(set) var opened = 0
    var key = NodeSide.key
    var refuses = true
    /// Called when it is not said yet whether the connections of before go on.
    var attaching: () -> Void = {}

    init(on loop: Loop, _ dialer: some Dialer, _ settings: CarrierSettings) {
        client = CarrierClient(on: loop, dialer: dialer, terminal: "c-1", settings: settings, owner: self)
    }

    var peer: CarrierPeer? { client?.peer }
    private(set) var recorders: [Recorder] = []
    private(set) var links: [Link] = []

    func dial(_ text: String, bulk: Bool = false) {
        let recorder = Recorder()
        recorders.append(recorder)
        let link = bulk ? peer?.dialBulk(handler: recorder) : peer?.dial(handler: recorder)
        guard let link else { return }
        links.append(link)
        link.write(Array(text.utf8))
    }

    func dialFlow(_ datagrams: [[UInt8]]) {
        let recorder = Recorder()
        recorders.append(recorder)
        guard let link = peer?.dialDatagrams(handler: recorder) else { return }
        links.append(link)
        for datagram in datagrams { link.write(datagram) }
    }

    func connect() { client?.connect { self.failures.append($0) } }

    func opened(_ peer: CarrierPeer) {
        opened += 1
        peer.invoker?.invoke("/client/login") { result in
            guard case .success = result else { return }
            peer.authorize(self.key)
            self.client?.attach()
            self.attaching()
        }
    }
    func lost(_ peer: CarrierPeer, _ reason: CloseReason) { lost.append(reason) }
    func accept(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)? { refuses ? nil : Echo() }
}

/// A node and a client on loops of their own, over memory.
struct CarrierWorld {
    let world: SimulatedWorld
    let transport = InProcess()
    let node: LoopBound<NodeSide>
    let client: LoopBound<ClientSide>

    init(
        seed: UInt64 = 1, settings: CarrierSettings = CarrierSettings(), network: SeededNetwork? = nil,
        prepare: @escaping @Sendable (NodeSide) -> Void = { _ in }
    ) async throws {
        world = SimulatedWorld(loops: 2, seed: seed)
        node = await world.loops[1].own { loop in
            let node = NodeSide(on: loop, settings)
            prepare(node)
            return node
        }
        let intake = await node.map { _, node in ServerIntake(node.server) }
        _ = try await transport.open(into: [intake])
        let transport = transport
        client = await world.loops[0].own { loop in
            if let network { return ClientSide(on: loop, network.over(transport), settings) }
            return ClientSide(on: loop, transport, settings)
        }
        await client.run { _, client in client.connect() }
        world.advance(by: .seconds(1))
    }

    /// Opens streams from the client, each of which writes the text.
    func dial(_ text: String, count: Int = 1, bulk: Bool = false) async {
        await client.run { _, client in
            for _ in 0..<count { client.dial(text, bulk: bulk) }
        }
        world.settle()
    }

    /// What the client's streams have received.
    var answers: [String] { get async { await client.run { _, client in client.recorders.map(\.text) } } }
    /// What the node's have.
    var texts: [String] { get async { await node.run { _, node in node.recorders.map(\.text) } } }
}

extension Recorder {
    var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// Hands links to a server that was made elsewhere.
final class ServerIntake: LinkIntake {
    private let server: CarrierServer?
    init(_ server: CarrierServer?) { self.server = server }
    func accept(_ link: Link) -> (any LinkHandler)? { server?.accept(link) }
}
