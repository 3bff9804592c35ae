import OmniwayCluster
import OmniwayCrypto
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// The way to other nodes: a carrier to each, made when it is needed first.
final class NodeLinks {
    private unowned let node: TunnelNode
    private var links: [String: NodeLink] = [:]
    private lazy var name = node.loop.name(self)

    init(at node: TunnelNode) { self.node = node }

    var count: Int { links.count }

    /// Asks the node where a client is to tell it something, or to take something of it.
    func send(
        _ path: String, _ headers: InvokeHeaders, _ body: String, to client: String, at other: String,
        _ done: @escaping (Result<InvokeResponse, InvokeFailure>) -> Void
    ) {
        guard let link = link(to: other) else {
            return done(.failure(.refused(.offline, "there is no way to node \(other)")))
        }
        let headers = headers
        let members: [(String, JSON)] = headers.map { ($0.name, .string($0.value)) }
        var object = JSON.Object()
        for (name, value) in members { object[name] = value }
        let message: JSON = [
            "TerminalId": .string(client), "Path": .string(path), "Header": .object(object), "JsonBody": .string(body),
        ]
        link.whenReady { carrier in
            guard let invoker = carrier?.peer.invoker else {
                return done(.failure(.refused(.offline, "node \(other) cannot be reached")))
            }
            invoker.invoke(TunnelNode.Path.nodeInvoke, body: message.text, within: .seconds(5), then: done)
        }
    }

    /// A target's stream goes on to the node where its visitor waits; one that has come by a connection of its own, by
    /// another.
    func relay(_ stream: Link, isBulk: Bool, of transfer: String, from client: String, to other: String) {
        guard let link = link(to: other) else { return stream.close(.unwanted.with("no such node")) }
        stream.pauseReading()
        stream.handler = Waiting()
        link.whenReady { [loop = node.loop] carrier in
            guard !stream.hasEnded, stream.state != .closed else { return }
            guard let carrier else { return stream.close(.connectFailed.with("node \(other) cannot be reached")) }
            let headers: InvokeHeaders = ["TransferId": transfer, "TerminalId": client]
            carrier.join(stream, isBulk: isBulk, handler: Waiting()) {
                StreamGreeting.bytes(TunnelNode.Path.relayOpen, headers: headers, on: loop)
            }
        }
    }

    private func link(to other: String) -> NodeLink? {
        if let link = links[other] { return link }
        guard other != node.id, !node.settings.clusterKey.isEmpty, place(of: other) != nil else { return nil }
        let link = NodeLink(to: other, by: NodeDialer(links: name, other: other), of: node)
        links[other] = link
        link.connect()
        return link
    }

    /// As the registry knows it now.
    fileprivate func place(of other: String) -> TunnelNodePlace? {
        guard let entry = node.nodes?[TunnelKey.node(other)], let reader = try? MemberReader(entry.value.text),
            let at = (try? reader.text("serviceAddr")).flatMap({ HostPort($0) }),
            let certificate = try? reader.text("certificate")
        else { return nil }
        return TunnelNodePlace(at: at, certificate: TLSFingerprint(certificate))
    }

    fileprivate func dial(_ other: String, deadline: Duration, _ handler: any LinkHandler) -> Link? {
        guard let place = place(of: other) else { return nil }
        return node.settings.dialNode(place).dial(on: node.loop, deadline: deadline, handler: handler)
    }

    func lost(_ link: NodeLink) { if links[link.other] === link { links[link.other] = nil } }

    func drop(_ other: String) { links.removeValue(forKey: other)?.close() }

    func closeAll() {
        for other in links.keys.sorted() { drop(other) }
        name.release(on: node.loop)
    }

    /// The handler of a stream that nobody reads yet.
    private final class Waiting: LinkHandler {
        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
            link.traits.keepsMessages ? bytes.byteCount : 0
        }
        func finished(_ link: Link) {}
    }
}

/// The carrier to one other node. When it is lost, the next who needs it makes another.
final class NodeLink: CarrierOwner {
    let other: String
    private weak var node: TunnelNode?
    private var client: CarrierClient?
    private var isReady = false
    private var isOver = false
    private var waiting: [(CarrierClient?) -> Void] = []
    private static let mostWaiting = 4096
    private static let keepAlive = Duration.seconds(5)

    init(to other: String, by dialer: NodeDialer, of node: TunnelNode) {
        (self.other, self.node) = (other, node)
        client = CarrierClient(
            on: node.loop, dialer: dialer, terminal: node.id, settings: node.settings.carrier, owner: self)
    }

    func connect() { client?.connect { [weak self] reason in self?.end(reason) } }

    /// Nil when it cannot be reached.
    func whenReady(_ then: @escaping (CarrierClient?) -> Void) {
        if isReady || isOver || waiting.count >= Self.mostWaiting {
            then(isReady ? client : nil)
        } else {
            waiting.append(then)
        }
    }

    func opened(_ peer: CarrierPeer) {
        guard let node, let invoker = peer.invoker else { return }
        let nonce = Secret.hex(SecretBytes.random(16))
        let proof = NodeProof(key: node.settings.clusterKey, from: node.id, connection: invoker.id, nonce: nonce)
        let headers: InvokeHeaders = ["NodeId": node.id, "Nonce": nonce, "Mac": proof.question]
        invoker.invoke(TunnelNode.Path.nodeHello, headers: headers) { [weak self] result in
            guard let self else { return }
            guard case .success(let response) = result,
                Secret.isEqual(response.headers["Mac"] ?? "", proof.answer(of: other))
            else {
                Log.shared.warning("another node does not know the cluster's key", ["node": other])
                return end(.refused)
            }
            peer.authorize(proof.session)
            client?.attach()
            isReady = true
            peer.loop.after(Self.keepAlive, self)
            for then in exchange(&waiting, with: []) { then(client) }
        }
    }

    func lost(_ peer: CarrierPeer, _ reason: CloseReason) { end(reason) }
    /// Other nodes open their streams over their own link.
    func accept(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)? { nil }

    func close() { end(.shutdown) }

    private func end(_ reason: CloseReason) {
        guard !isOver else { return }
        (isOver, isReady) = (true, false)
        node?.links.lost(self)
        for then in exchange(&waiting, with: []) { then(nil) }
        client?.close(reason)
    }
}

extension NodeLink: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard isReady, let invoker = client?.peer.invoker else { return }
        invoker.invoke(TunnelNode.Path.heartbeat) { [weak self] result in
            guard let self else { return }
            if case .failure = result { return end(.peerLost) }
            loop.after(Self.keepAlive, self)
        }
    }
}

/// Connections to another node, wherever it is when they are dialled, and whatever it shows then.
struct NodeDialer: Dialer {
    let links: LoopLocal<NodeLinks>
    let other: String

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        links.on(loop)?.dial(other, deadline: deadline, handler)
    }
}

/// A dialer of any kind where one kind is asked for.
struct AnyDialer: Dialer {
    private let dialer: any Dialer
    init(_ dialer: any Dialer) { self.dialer = dialer }
    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        dialer.dial(on: loop, deadline: deadline, handler: handler)
    }
}

/// What two nodes show each other. The connection's id is new each time, so what was overheard is worth nothing.
struct NodeProof {
    let key: [UInt8]
    let from: String
    let connection: String
    let nonce: String

    var question: String { Secret.hex(mac("question", "")) }
    func answer(of node: String) -> String { Secret.hex(mac("answer", node)) }
    /// What both know afterwards.
    var session: [UInt8] { mac("session", "") }

    private func mac(_ use: String, _ by: String) -> [UInt8] {
        HMAC.sha256(Array("\(use)\n\(from)\n\(connection)\n\(nonce)\n\(by)".utf8), key: key)
    }
}

extension TunnelNode {
    func addNodeRoutes() {
        routes.twoWay(Path.nodeHello) { [weak self] request, invoker, answer in
            self?.greet(request, invoker, answer)
        }
        routes.twoWay(Path.nodeInvoke) { [weak self] request, invoker, answer in
            guard let self else { return }
            let reader = try MemberReader(request.body)
            let (client, path) = (try reader.text("TerminalId"), InvokeRequest.key(of: try reader.text("Path")))
            let headers = try reader.headers("Header")
            switch path {
            case Path.fail:
                let code = InvokeCode(ofFailure: headers["Code"] ?? "")
                transfers.fail(headers["TransferId"] ?? "", from: client, code, headers["Message"] ?? "")
            case Path.targetOut:
                guard let target = sessions[client]?.peer.invoker else {
                    return answer.fail(.offline, "the client is not here")
                }
                try target.send(path, headers: headers, body: try reader.text("JsonBody"))
            case Path.probe:
                guard let target = sessions[client]?.peer.invoker else {
                    return answer.fail(.offline, "the client is not here")
                }
                let body = try reader.text("JsonBody")
                return target.invoke(path, body: body, within: TargetProbe.patience * 2) { result in
                    switch result {
                    case .success: answer.succeed()
                    case .failure(.refused(let code, let words)): answer.fail(code, words)
                    case .failure(let failure): answer.fail(.offline, failure.description)
                    }
                }
            case Path.kick:
                guard let session = sessions[client] else { return answer.fail(.offline, "the client is not here") }
                letGo(session, headers["Message"] ?? "")
            default: return answer.fail(.forbidden, "nodes do not pass on \(path)")
            }
            answer.succeed()
        }
    }

    private func greet(_ request: InvokeRequest, _ invoker: Invoker, _ answer: InvokeAnswer) {
        guard let caller = invoker.attachment as? NodeCaller else { return }
        let other = request.headers["NodeId"] ?? ""
        let proof = NodeProof(
            key: settings.clusterKey, from: other, connection: invoker.id, nonce: request.headers["Nonce"] ?? "")
        guard case .stranger(false) = caller.standing, !settings.clusterKey.isEmpty, other.isTunnelID, other != id,
            Secret.isEqual(request.headers["Mac"] ?? "", proof.question)
        else {
            answer.fail(.notAuthenticated, "it does not know the cluster's key")
            return invoker.close(.refused)
        }
        caller.peer.authorize(proof.session)
        caller.standing = .node(other)
        answer.succeed(headers: ["Mac": proof.answer(of: id)])
    }

    func nodeChanged(_ change: RegistryChange) {
        guard let other = change.key.after(TunnelKey.nodes)?.text else { return }
        // Started again: what leads to it leads nowhere. A new certificate changes nothing that is open, and a record
        // that is gone may be so because the registry was away; whether the node lives, its link knows.
        let (old, new) = (change.previous.map(Self.start), change.entry.map(Self.start))
        if let old, let new, old != new { links.drop(other) }
    }
}

extension TunnelNode {
    /// Which start of a node wrote that, and where it was then.
    private static func start(_ entry: RegistryEntry) -> [String] {
        guard let reader = try? MemberReader(entry.value.text) else { return [] }
        return ["connectionId", "serviceAddr"].map { (try? reader.text($0)) ?? "" }
    }
}

extension MemberReader {
    func headers(_ name: String) throws(TunnelRefusal) -> InvokeHeaders {
        guard let value = member(name) else { return InvokeHeaders() }
        guard case .object(let members) = value else { throw bad(name) }
        do throws(InvokeError) { return try InvokeCodec.headers(members) } catch { throw bad(name) }
    }
}
