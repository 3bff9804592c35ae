import Omniway

/// The shell of a node of the second version. Peers of the original are left to a peer beside it.
final class NodeShell: PeerShell {
    let address: String
    private let node: MeshNode
    private let screen: Screen

    private static let mostInGraph = 256

    init(
        _ name: String, _ place: Place, _ settings: NodeSettings, _ network: MulticastGroup?, on loop: EventLoop,
        _ screen: Screen
    ) async throws {
        // In a closed group there is nobody without its secret.
        let isClosed = settings.groupSecret != nil
        let fallback = isClosed ? nil : await MeshPeer(name, .long, on: loop, handler: Saying(screen))
        let answers = PeerAnswers()
        let node = await MeshNode(name, on: loop, settings, fallback: fallback) { answers.answer($0) }
        answers.belong(to: node)
        address = "\(try await node.serve(place.acceptor, announcing: place.announced).address)"
        if let network { try await node.discover(on: network) }
        (self.node, self.screen) = (node, screen)
        Task.detached { await Self.show(node.events, on: screen) }
    }

    func join(_ address: String) async throws {
        if try await node.join(address) == nil { screen.say("\(address) is a peer of the original") }
    }

    @concurrent private static func show(_ events: AsyncStream<MeshEvent>, on screen: Screen) async {
        for await event in events {
            let text =
                switch event {
                case .broadcast(let message): "\(short(message.source)) to all: \(words(message.bytes))"
                case .message(let bytes, let source): "\(short(source)): \(words(bytes))"
                case .neighborUp(let node): "neighbor \(short(node))"
                case .neighborDown(let node): "neighbor \(short(node)) is gone"
                case .joined(let node): "\(short(node)) is there"
                case .left(let node): "\(short(node)) is gone"
                case .abandoned(_, let source): "\(short(source)) does not wait for an answer any more"
                case .missed(let count, let source): "\(count) messages of \(short(source)) are lost"
                }
            screen.say(text)
        }
    }

    private static func short(_ node: NodeID) -> String { String("\(node)".prefix(8)) }
    private static func words(_ bytes: [UInt8]) -> String { BodyText.harmless(String(decoding: bytes, as: UTF8.self)) }

    func run(_ line: PeerLine) async throws {
        switch line {
        case .join(let address): try await join(address)
        case .send(let name, let text): try await send(Array(text.utf8), to: name)
        case .broadcast(let text): try await node.broadcast(Array(text.utf8))
        case .request(let name, let method, let text):
            screen.say(Self.words(try await request(method, Array(text.utf8), of: name)))
        case .ping(let name):
            let clock = ContinuousClock()
            let start = clock.now
            _ = try await request("ping", [], of: name)
            screen.say("\(name) answers after \((clock.now - start) / .milliseconds(1)) ms")
        case .peers:
            for peer in await node.neighbors() {
                screen.say(BodyText.harmless("\(peer.id) \(peer.name) \(peer.address)"))
            }
        case .members:
            for member in await node.report().members {
                screen.say(BodyText.harmless("\(member.id) \(member.name) \(member.address)"))
            }
        case .graph: try await graph()
        case .help: screen.say(PeerLine.helpText)
        case .exit: break
        }
    }

    private func send(_ bytes: [UInt8], to name: String) async throws(MeshFailure) {
        if let id = NodeID(name) { try await node.send(bytes, to: id) } else { try await node.send(bytes, to: name) }
    }

    private func request(_ method: String, _ bytes: [UInt8], of name: String) async throws(MeshFailure) -> [UInt8] {
        if let id = NodeID(name) { return try await node.request(method, bytes, to: id) }
        return try await node.request(method, bytes, to: name)
    }

    /// Asks everybody for their neighbours, from neighbour to neighbour.
    private func graph() async throws {
        var names: [NodeID: String] = [node.id: node.name]
        var links: Set<String> = []
        var waiting = [node.id]
        var next = 0
        while next < waiting.count, next < Self.mostInGraph {
            let one = waiting[next]
            next += 1
            let text: [UInt8]
            if one == node.id {
                text = await PeerAnswers.neighbors(of: node)
            } else {
                do throws(MeshFailure) {
                    text = try await node.request("neighbors", to: one, within: .seconds(2))
                } catch {
                    screen.say("\(names[one] ?? Self.short(one)) does not answer: \(error)")
                    continue
                }
            }
            for line in Self.words(text).split(separator: "\n") {
                let parts = line.split(separator: " ", maxSplits: 1)
                guard let first = parts.first, let other = NodeID(String(first)) else { continue }
                if names[other] == nil { waiting.append(other) }
                names[other] = parts.count > 1 ? String(parts[1]) : Self.short(other)
                links.insert([names[one] ?? Self.short(one), names[other] ?? ""].sorted().joined(separator: " -- "))
            }
        }
        for link in links.sorted() { screen.say(link) }
        screen.say("\(waiting.count) peers, \(links.count) links")
    }
}

/// Says what peers of the original send, and answers as the original does.
struct Saying: MessageHandler {
    private let screen: Screen
    init(_ screen: Screen) { self.screen = screen }

    func handle(_ incoming: IncomingMessage) throws -> PheromoneMessage? {
        let message = incoming.message
        let data = message.operation == .connectRequest ? "" : String(decoding: message.data, as: UTF8.self)
        screen.say(BodyText.harmless("\(message.name): \(message.operation) \(data)"))
        return try StandardHandler().handle(incoming)
    }
}

/// The shell of a peer that speaks as the original does.
final class PheromoneShell: PeerShell {
    let address: String
    private let peer: MeshPeer
    private let screen: Screen

    init(_ name: String, _ kind: ConnectionKind, _ place: Place, on loop: EventLoop, _ screen: Screen) async throws {
        peer = await MeshPeer(name, kind, on: loop, handler: Saying(screen))
        address = "\(try await peer.serve(place.acceptor, announcing: place.announced).address)"
        self.screen = screen
    }

    /// Until it has said its name it is called by its address.
    func join(_ address: String) async throws {
        try await peer.add(address, at: address)
        try await dispatch(await peer.greeting(), to: address)
    }

    func run(_ line: PeerLine) async throws {
        switch line {
        case .join(let address): try await join(address)
        case .send(let name, let text): try await dispatch(message(.noticeRequest, text), to: name)
        case .broadcast(let text):
            for answer in try await peer.dispatchToAll(message(.noticeRequest, text)) {
                show(answer.message)
            }
        case .request(let name, _, let text): try await dispatch(message(.getRequest, text), to: name)
        case .ping(let name): try await dispatch(await peer.greeting(), to: name)
        case .peers, .members, .graph: for route in await peer.peers() { screen.say("\(route.name) \(route.address)") }
        case .help: screen.say(PeerLine.helpText)
        case .exit: break
        }
    }

    private func message(_ operation: PheromoneOperation, _ text: String) -> PheromoneMessage {
        PheromoneMessage(name: peer.name, operation: operation, data: Array(text.utf8))
    }

    private func dispatch(_ message: PheromoneMessage, to name: String) async throws(MeshError) {
        if let answer = try await peer.dispatch(message, to: name) { show(answer) }
    }

    private func show(_ answer: PheromoneMessage) {
        let data = String(decoding: answer.data, as: UTF8.self)
        screen.say(BodyText.harmless("\(answer.name): \(answer.operation) \(data)"))
    }
}
