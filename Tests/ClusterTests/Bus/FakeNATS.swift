import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayWire

/// The server's end of NATS in a simulated world, to do what a real server cannot be made to do at a given moment.
final class FakeNATS: LinkIntake {
    var info = NATSServerInfo()
    /// Links are turned away.
    var isDown = false
    /// What a login is answered with instead of being let in.
    var refusal: String?
    /// It takes everything and says nothing.
    var isSilent = false
    /// It delivers nothing for now; what is published waits.
    var holdsBack = false
    /// It stops reading at the first subscription.
    var readsOnlyLogins = false
    /// It has not come to what clients unsubscribe from.
    var isKeepingUnsubscribed = false
    /// Where others of its cluster are: what is published here is delivered there too.
    var others: [FakeNATS] = []
    private(set) var connections: [FakeNATSClient] = []
    private(set) var greeted: [Moment] = []
    private(set) var published: [String] = []
    private var held: [() -> Void] = []

    func accept(_ link: Link) -> (any LinkHandler)? {
        greeted.append(link.loop.now)
        if isDown { return nil }
        let client = FakeNATSClient(of: self)
        connections.append(client)
        return client
    }

    var subjects: [String] { connections.flatMap { $0.subscriptions.map(\.subject) }.sorted() }
    var commands: [String] { connections.flatMap(\.commands) }

    func left(_ client: FakeNATSClient) { connections.removeAll { $0 === client } }

    func cutAll() { for client in connections { client.link?.close(.reset) } }

    /// Tells all clients something new about the server.
    func tell(_ change: (inout NATSServerInfo) -> Void) {
        change(&info)
        for client in connections { client.greet() }
    }

    func say(_ text: String) { for client in connections { client.link?.write(Array(text.utf8)) } }

    func publish(_ subject: String, reply: String, _ payload: [UInt8], from client: FakeNATSClient) {
        published.append(subject)
        let deliver = { [self] in
            let all = others.reduce(connections) { $0 + $1.connections }
            let count = all.reduce(0) { $0 + $1.deliver(subject, reply: reply, payload) }
            if count == 0, !reply.isEmpty {
                _ = client.deliver(reply, reply: "", [], headers: NATSHeaderBlock.noResponders)
            }
        }
        if holdsBack { held.append(deliver) } else { deliver() }
    }

    func letGo() {
        holdsBack = false
        for deliver in held { deliver() }
        held = []
    }
}

/// One client of it.
final class FakeNATSClient: LinkHandler {
    private let server: FakeNATS
    private(set) var link: Link?
    private(set) var subscriptions: [(subject: String, sid: UInt64)] = []
    private(set) var commands: [String] = []

    init(of server: FakeNATS) { self.server = server }

    func opened(_ link: Link) {
        self.link = link
        greet()
    }

    func greet() {
        guard !server.isSilent else { return }
        var writer = NATSWriter()
        writer.info(server.info.json)
        link?.write(writer.bytes)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var offset = 0
        let codec = NATSCodec(maxPayload: 1 << 20)
        while let operation = try? codec.next(in: bytes, at: &offset) { take(operation, bytes, link) }
        return offset
    }

    private func take(_ operation: NATSOperation, _ bytes: RawSpan, _ link: Link) {
        if server.isSilent { return }
        switch operation {
        case .connect(let json):
            commands.append("CONNECT \(bytes.text(json))")
            guard let refusal = server.refusal else { return }
            var writer = NATSWriter()
            writer.error(refusal)
            link.write(writer.bytes)
            link.close(.done)
        case .ping: link.write(NATSWriter.pong)
        case .subscribe(let subject, _, let sid):
            commands.append("SUB")
            if server.readsOnlyLogins { link.pauseReading() }
            subscriptions.append((bytes.text(subject), sid))
        case .unsubscribe(let sid, _):
            commands.append("UNSUB")
            if !server.isKeepingUnsubscribed { subscriptions.removeAll { $0.sid == sid } }
        case .publish(let message):
            server.publish(
                bytes.text(message.subject), reply: bytes.text(message.reply), bytes.array(message.payload), from: self)
        case .info, .message, .pong, .ok, .error: break
        }
    }

    /// How many subscriptions of this client it went to.
    func deliver(_ subject: String, reply: String, _ payload: [UInt8], headers: [UInt8] = []) -> Int {
        var count = 0
        for subscription in subscriptions where covers(subscription.subject, subject) {
            var writer = NATSWriter()
            writer.message(
                Array(subject.utf8).span.raw, sid: subscription.sid, reply: Array(reply.utf8).span.raw,
                headers: headers.span.raw, payload: payload.span.raw)
            link?.write(writer.bytes)
            count += 1
        }
        return count
    }

    private func covers(_ pattern: String, _ subject: String) -> Bool {
        pattern == subject || pattern.hasSuffix("*") && subject.hasPrefix(pattern.dropLast())
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        self.link = nil
        server.left(self)
    }
}

/// Fake servers on one loop of a simulated world, and ports of a bus on the others.
struct FakeCluster {
    let world: SimulatedWorld
    let bus: NATSBus
    let servers: [LoopBound<FakeNATS>]

    /// Servers stand on ports 1, 2 and so on; clients know the first `known` of them.
    init(
        servers count: Int = 1, known: Int? = nil, clients: Int = 1, seed: UInt64 = 1,
        faults: SeededNetwork.Faults? = nil,
        _ change: (inout NATSSettings) -> Void = { _ in }
    ) async throws {
        world = SimulatedWorld(loops: clients + 1, seed: seed)
        let transports = (0..<count).map { _ in InProcess() }
        var servers: [LoopBound<FakeNATS>] = []
        for transport in transports {
            let server = await world.loops[clients].own { _ in FakeNATS() }
            _ = try await transport.open(into: [server])
            servers.append(server)
        }
        self.servers = servers
        var settings = try NATSSettings((1...(known ?? count)).map { "nats://fake:\($0)" })
        let network = faults.map { SeededNetwork(seed: seed, faults: $0) }
        settings.dialer = { server in
            let transport = transports[Int(server.address.port) - 1]
            return network.map { $0.over(transport) } ?? transport
        }
        change(&settings)
        bus = try NATSBus(settings)
    }

    var server: LoopBound<FakeNATS> { servers[0] }

    /// Something with a client's port, and what follows from it at once.
    @discardableResult
    func with<R: Sendable>(_ client: Int = 0, _ body: @Sendable (BusPort) throws -> R) async rethrows -> R {
        let bus = bus
        let result = try await world.loops[client].run { loop in try body(bus.port(on: loop)) }
        world.settle()
        return result
    }

    func state(_ client: Int = 0) async -> BusState { await with(client) { $0.state } }

    @discardableResult
    func serve<R: Sendable>(_ index: Int = 0, _ body: @Sendable (FakeNATS) -> R) async -> R {
        let result = await servers[index].run { _, server in body(server) }
        world.settle()
        return result
    }

    /// Sends a request, and puts what becomes of it into the list.
    func request(_ subject: String, _ text: String = "", from client: Int = 0, into heard: Heard) async {
        await with(client) { port in
            port.request(subject, Array(text.utf8), deadline: .seconds(5)) { answer in
                switch answer {
                case .success(let message): heard.add(message.text)
                case .failure(let error): heard.add(error.code)
                }
            }
        }
    }
}
