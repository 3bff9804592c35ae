public import OmniwayTransport
import OmniwayWire

/// The accepting side of carriers on one loop: it tells command connections from those that carry streams, and to whom
/// the latter belong. It takes links of any acceptor: TCP, TLS, WebSocket with `MessageJoining`.
public final class CarrierServer: LinkIntake {
    public let loop: Loop
    let settings: CarrierSettings
    let codec = InvokeCodec()
    /// What the peers may call. The paths of connections are taken.
    public let routes: InvokeRoutes
    /// How long streams outlive their command connection.
    var keep: Duration
    private let budget: MuxBudget
    private weak var owner: (any CarrierOwner)?
    private var peers: [String: CarrierPeer] = [:]

    public init(
        on loop: Loop, settings: CarrierSettings = CarrierSettings(), routes: InvokeRoutes, owner: any CarrierOwner
    ) {
        (self.loop, self.settings, self.routes, self.owner) = (loop, settings, routes, owner)
        budget = MuxBudget(settings.loopBudget)
        keep = settings.keep
        routes.twoWay(CarrierHello.Path.resume) { [weak self] request, invoker, answer in
            self?.resume(request, invoker, answer)
        }
    }

    /// Those with a command connection, and those who lost theirs a moment ago.
    public var peerCount: Int { peers.count }

    public func accept(_ link: Link) -> (any LinkHandler)? { CarrierGreeting(at: self, on: loop) }

    func peer(_ id: String) -> CarrierPeer? { peers[id] }

    // MARK: Command connections

    func open(_ hello: CarrierHello, id: String, over link: Link) {
        guard let owner else { return link.close(.shutdown) }
        let peer = CarrierPeer(on: loop, id: id, settings: settings, budget: budget, owner: owner)
        peers[id] = peer
        peer.onEnd = { [weak self, weak peer] in if let peer { self?.lost(peer) } }
        peer.open(Invoker(over: link, id: id, terminal: hello.terminal, routes: routes, codec: codec))
    }

    /// Its connections wait for the next command connection of the same peer.
    private func lost(_ peer: CarrierPeer) {
        if peer.hasNothing { return forget(peer) }
        loop.after(keep, Forgetting(peer, at: self))
    }

    fileprivate func forget(_ peer: CarrierPeer) {
        guard peers.removeValue(forKey: peer.id) != nil else { return }
        peer.closeConnections(.peerLost.with("its command connection did not come back"))
    }

    /// A peer has connected again, and has logged in.
    private func resume(_ request: InvokeRequest, _ invoker: Invoker, _ answer: InvokeAnswer) {
        let old = request.headers[CarrierHello.Header.session] ?? ""
        let proof = request.headers[CarrierHello.Header.proof] ?? ""
        guard let peer = peers[invoker.id], !peer.key.isEmpty else {
            return answer.fail(.notAuthenticated, "log in first")
        }
        guard let before = peers[old], before !== peer,
            CarrierHello.isProof(proof, "Resume", connection: invoker.id, session: old, key: before.key)
        else { return answer.fail(.notFound, "there is nothing to go on with") }
        peer.takeOver(before)
        before.close(.carrierReplaced)
        peers[old] = nil
        answer.succeed()
    }

    /// Lets go of all peers.
    public func close(_ reason: CloseReason = .shutdown) {
        for id in peers.keys.sorted() { peers.removeValue(forKey: id)?.close(reason) }
    }
}

/// The time of a peer that has lost its command connection is over, if it is still without one.
private final class Forgetting: TimerTarget {
    private weak var peer: CarrierPeer?
    private weak var server: CarrierServer?
    init(_ peer: CarrierPeer, at server: CarrierServer) { (self.peer, self.server) = (peer, server) }

    func timerFired(_ token: UInt64, on loop: Loop) {
        if let peer, peer.invoker == nil { server?.forget(peer) }
    }
}

/// The handler of a new connection until it has said what it is for, and that it may.
final class CarrierGreeting: LinkHandler {
    private enum State { case hello, proof(CarrierHello, id: String), over }
    private let server: CarrierServer
    private var state = State.hello
    private var link: LinkID?
    private var deadline: TimerID?

    init(at server: CarrierServer, on loop: Loop) { self.server = server }

    func opened(_ link: Link) {
        self.link = link.id
        link.limits.unread = max(link.limits.unread, server.codec.maxFrameSize + InvokeCodec.headerSize + 1)
        deadline = link.loop.after(server.settings.greeting, self)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        do throws(InvokeError) {
            switch state {
            case .hello:
                guard let (hello, end) = try CarrierHello.read(bytes, server.codec) else { return 0 }
                try greet(hello, link)
                return end
            case .proof(let hello, let id):
                guard let range = try server.codec.frame(in: bytes) else { return 0 }
                guard case .request(let request) = try server.codec.message(bytes.extracting(range)),
                    request.key == CarrierHello.Path.proof
                else { throw .malformed("a connection must prove first whose it is") }
                try check(request, hello, id, link)
                return range.upperBound
            case .over: return bytes.byteCount
            }
        } catch {
            end(link.loop)
            link.close(.protocolError.with(error.description))
            return bytes.byteCount
        }
    }

    private func greet(_ hello: CarrierHello, _ link: Link) throws(InvokeError) {
        let id = UUIDText.random(using: &link.loop.random)
        let headers: InvokeHeaders = ["InvokerId": id, "TerminalId": hello.terminal]
        let requestID = UUIDText.random(using: &link.loop.random)
        var bytes: [UInt8] = []
        let greeting = InvokeRequest(id: requestID, path: CarrierHello.Path.id, headers: headers)
        try server.codec.write(.request(greeting), to: &bytes)
        link.write(bytes)
        if hello.kind == .command {
            end(link.loop)
            server.open(hello, id: id, over: link)
        } else {
            state = .proof(hello, id: id)
        }
    }

    /// Who cannot prove it learns nothing of who is known here.
    private func check(
        _ request: InvokeRequest, _ hello: CarrierHello, _ id: String, _ link: Link
    ) throws(InvokeError) {
        end(link.loop)
        let proof = request.headers[CarrierHello.Header.proof] ?? ""
        let peer = server.peer(hello.session)
        let isProof = CarrierHello.isProof(
            proof, hello.kind.rawValue, connection: id, session: hello.session, key: peer?.key ?? [])
        guard let peer, isProof else {
            try answer(request, .notAuthenticated, "this connection belongs to no session", link)
            return link.close(.done)
        }
        let isBulk = hello.kind == .bulk
        let most = isBulk ? server.settings.bulkWaiting : server.settings.connections.upperBound
        guard (isBulk ? peer.idle.count : peer.connections.count) < most else {
            try answer(request, .tooMany, "as many connections are open as there may be", link)
            return link.close(.done)
        }
        try answer(request, .success, "", link)
        if isBulk { peer.addIdle(over: link) } else { peer.add(.accepted, over: link) }
    }

    private func answer(
        _ request: InvokeRequest, _ code: InvokeCode, _ message: String, _ link: Link
    ) throws(InvokeError) {
        var bytes: [UInt8] = []
        try server.codec.write(.response(InvokeResponse(to: request.id, code, message: message)), to: &bytes)
        link.write(bytes)
    }

    private func end(_ loop: Loop) {
        state = .over
        if let deadline = exchange(&deadline, with: nil) { loop.cancel(deadline) }
    }

    func closed(_ link: Link, _ reason: CloseReason) { end(link.loop) }
}

extension CarrierGreeting: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        deadline = nil
        if let link { loop.link(link)?.close(.handshakeTimeout.with("it did not say in time what it is for")) }
    }
}
