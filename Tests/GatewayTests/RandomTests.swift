import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayGateway

/// Clients and servers that do what they like, over a network that cuts and delays, checked against what must hold:
/// every message arrives once, in order, at the right end, or its connection is closed for both.
@Suite(.timeLimit(.minutes(5))) struct RandomTests {
    @Test(arguments: [1, 2, 3], 1...4 as ClosedRange<UInt64>)
    func `whatever peers do, messages arrive in order or both ends hear of the close`(
        _ loops: Int, _ seed: UInt64
    ) async throws {
        let gateway = try await GatewayWorld(
            loops: loops, client: seed % 3 == 0 ? .v1 : .v2, server: seed % 4 == 1 ? .v1 : .v2, seed: seed
        ) {
            ($0.clients.idleLimit, $0.servers.idleLimit) = (.zero, .zero)
            ($0.clients.pingInterval, $0.servers.pingInterval) = (.zero, .zero)
            $0.connectionsPerClient = seed % 2 == 0 ? 0 : 5
            $0.servers.most = 1 << 20  // So that servers become full now and then.
            $0.clients.most = 64 << 20
        }
        var play = await Play(gateway, seed)
        await play.run(steps: 400)
        await play.end()
    }
}

/// One end of the gateway, and what it knows.
private final class Actor: LinkHandler {
    let side: GatewaySide
    let dialect: GatewayDialect
    /// What it puts into its messages; for a server also what the gateway calls it.
    let name: EndpointID
    private(set) var link: Link?
    private(set) var hasLeft = false
    /// Every connection that it has heard of.
    private(set) var ends: [ConnectionID: End] = [:]
    private var openedIDs: [ConnectionID] = []
    private(set) var faults: [String] = []
    private let codec: GatewayCodec

    struct End {
        /// What the gateway calls the other end.
        let remote: EndpointID
        /// What that calls itself in its messages.
        var sender: EndpointID?
        var sent = 0
        var got = 0
        var hasClosed = false
        var heardClose = false
        var closes = 0
        var isOpen: Bool { !hasClosed && !heardClose }
    }

    init(_ side: GatewaySide, _ dialect: GatewayDialect, _ name: EndpointID) {
        (self.side, self.dialect, self.name) = (side, dialect, name)
        codec = GatewayCodec(dialect, maxPacketSize: 1 << 20)
    }

    private var hasLoggedIn = false
    var isThere: Bool { !hasLeft && link != nil && (side == .client || hasLoggedIn) }
    func opened(_ link: Link) { self.link = link }
    func closed(_ link: Link, _ reason: CloseReason) {
        self.link = nil
        if !hasLeft { faults.append("\(side) \(name) was closed: \(reason)") }
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var offset = 0
        if side == .server, !hasLoggedIn {
            guard bytes.byteCount >= 8 else { return 0 }
            let challenge = unsafe bytes.extracting(first: 8).withUnsafeBytes { unsafe Array($0) }
            hasLoggedIn = true
            offset = 8
            link.write(GatewayLogin.answer(to: challenge, key: Array("gateway-key".utf8), as: name))
        }
        while let frame = try? codec.frame(in: bytes, at: offset) {
            offset = frame.end
            if !frame.isCommand {
                got(unsafe bytes.extracting(frame.payload).withUnsafeBytes { unsafe Array($0) }, frame.connection)
            } else if let command = try? codec.command(bytes.extracting(frame.payload)) {
                heard(command)
            } else {
                faults.append("\(side) \(name) got what is no command")
            }
        }
        return offset
    }

    /// A payload says who sent it, on what, as which of its messages.
    private func got(_ payload: [UInt8], _ id: ConnectionID) {
        guard let end = ends[id], !end.heardClose else {
            return faults.append("\(side) \(name) got a message on \(id), which is not open")
        }
        let sender = EndpointID(rawValue: payload[1..<5].reversed().reduce(0) { $0 << 8 | UInt32($1) })
        ends[id]?.sender = sender
        let expected = Self.payload(side.other, end.sender ?? sender, id, end.got)
        if !payload.starts(with: expected) {
            faults.append("\(side) \(name) got \(payload.prefix(13)) on \(id) in place of \(expected)")
        }
        ends[id]?.got += 1
    }

    static func payload(_ side: GatewaySide, _ name: EndpointID, _ id: ConnectionID, _ number: Int) -> [UInt8] {
        [side == .client ? 1 : 2]
            + [name.rawValue, id.rawValue, UInt32(number)].flatMap { word in
                (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) }
            }
    }

    private func heard(_ command: GatewayCommand) {
        switch command {
        case .open(let id): openedIDs.append(id)
        case .accept(let id, let remote), .connect(let id, let remote):
            if ends[id] != nil { faults.append("\(side) \(name) got the id \(id) twice") }
            ends[id] = End(remote: remote)
        case .close(let id):
            guard let end = ends[id] else { return faults.append("\(side) \(name) heard of \(id) by its close") }
            // Every message that crosses the close is answered by another.
            if end.closes > end.sent { faults.append("\(side) \(name) heard the close of \(id) too often") }
            ends[id]?.closes += 1
            ends[id]?.heardClose = true
        case .refuse: break
        case .ping, .new, .dial: faults.append("\(side) \(name) heard \(command)")
        }
    }

    // MARK: What it does

    func dial(_ remote: EndpointID) {
        guard dialect == .v1 else { return say(.dial(remote, as: 0)) }
        say(.new)
        if !openedIDs.isEmpty { say(.dial(remote, as: openedIDs.removeFirst())) }
    }

    func send(_ count: Int, padding: Int, on id: ConnectionID) {
        guard let end = ends[id], !end.hasClosed else { return }
        for number in end.sent..<(end.sent + count) {
            let payload = Self.payload(side, name, id, number) + [UInt8](repeating: 0x55, count: padding)
            link?.write(TestPeer.frame(id, payload))
        }
        ends[id]?.sent += count
    }

    func close(_ id: ConnectionID) {
        say(.close(id))
        ends[id]?.hasClosed = true
    }

    func leave() {
        hasLeft = true
        link?.close(.done)
    }

    private func say(_ command: GatewayCommand) {
        let bytes = codec.bytes(of: command)
        link?.write(bytes.span)
    }

    /// In the order of their ids, so that a seed repeats a run.
    var open: [ConnectionID] { ends.filter(\.value.isOpen).keys.sorted { $0.rawValue < $1.rawValue } }
}

/// Everybody who plays, on the loop where their ends of the connections are.
private final class Cast {
    private(set) var actors: [Actor] = []
    private var clients: UInt32 = 0

    func enter(_ side: GatewaySide, _ dialect: GatewayDialect, on loop: Loop, by dialer: some Dialer) {
        // Servers have names of their own, so that it is clear who is meant.
        if side == .client { clients += 1 }
        let name = side == .client ? clients : 1000 + UInt32(actors.count)
        let actor = Actor(side, dialect, EndpointID(rawValue: name))
        actors.append(actor)
        _ = dialer.dial(on: loop, deadline: .seconds(10), handler: actor)
    }

    private func present(_ side: GatewaySide? = nil) -> [Actor] {
        actors.filter { $0.isThere && (side == nil || $0.side == side) }
    }

    func act(_ random: inout SeededRandom) {
        guard let actor = present().randomElement(using: &random) else { return }
        let open = actor.open
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25:
            let others = actors.filter { $0.side != actor.side && $0.link != nil || $0.hasLeft }
            guard let other = others.randomElement(using: &random) else { return }
            actor.dial(
                other.side == .server ? other.name : EndpointID(rawValue: .random(in: 1...clients, using: &random)))
        case 25..<80:
            guard let id = open.randomElement(using: &random) else { return }
            let count = Int.random(in: 1...20, using: &random)
            actor.send(count, padding: Int.random(in: 0...5, using: &random) == 0 ? 20_000 : 3, on: id)
        case 80..<92: if let id = open.randomElement(using: &random) { actor.close(id) }
        case 92..<94: if present(actor.side).count > 2 { actor.leave() }
        case 94..<97: actor.link?.pauseReading()
        default: for actor in present() { actor.link?.resumeReading() }
        }
    }

    func resumeAll() { for actor in present() { actor.link?.resumeReading() } }
    func leaveAll() { for actor in present() { actor.leave() } }

    /// What is not as it must be, now that nothing is under way.
    var faults: [String] {
        var faults = actors.flatMap(\.faults)
        for actor in actors {
            for id in actor.ends.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
                guard let end = actor.ends[id] else { continue }
                let other = actors.first { $0.side != actor.side && $0.ends[id] != nil }
                if let fault = fault(id, actor, end, other) { faults.append(fault) }
            }
        }
        return faults
    }

    private func fault(_ id: ConnectionID, _ actor: Actor, _ end: Actor.End, _ other: Actor?) -> String? {
        let who = "connection \(id) from \(actor.side) \(actor.name)"
        guard let other, let far = other.ends[id] else {
            return end.heardClose || actor.hasLeft ? nil : "\(who): nobody is at the other end"
        }
        if let sender = end.sender, sender != other.name { return "\(who): \(other.name) is there, not \(sender)" }
        if actor.side == .client, end.remote != other.name { return "\(who): \(end.remote) was dialled, not this" }
        if far.got > end.sent { return "\(who): \(far.got) of \(end.sent) messages arrived" }
        let isOver = !end.isOpen || !far.isOpen || actor.hasLeft || other.hasLeft
        if !isOver { return far.got == end.sent ? nil : "\(who): \(far.got) of \(end.sent) messages arrived" }
        if !actor.hasLeft, !end.heardClose { return "\(who): is over, and that was not told" }
        // Who closes behind its last message, and is not crossed by another close, has all delivered.
        let isCrossed = other.hasLeft || far.hasClosed || actor.hasLeft
        return isCrossed || far.got == end.sent ? nil : "\(who): closed behind \(end.sent), \(far.got) arrived"
    }

    var summary: (connections: Int, messages: Int) {
        let ends = actors.flatMap { $0.ends.values }
        return (ends.count / 2, ends.reduce(0) { $0 + $1.got })
    }
}

private struct Play {
    private let gateway: GatewayWorld
    private let cast: LoopBound<Cast>
    private let seed: UInt64
    private var random: SeededRandom
    private let network: SeededNetwork

    init(_ gateway: GatewayWorld, _ seed: UInt64) async {
        (self.gateway, self.seed) = (gateway, seed)
        random = SeededRandom(seed: seed)
        var faults = SeededNetwork.Faults()
        faults.delay = .zero ... .milliseconds(5)
        faults.piece = 1...3000
        network = SeededNetwork(seed: seed, faults: faults)
        cast = await gateway.world.first.own { _ in Cast() }
    }

    private func enter(_ side: GatewaySide) async {
        let dialect = side == .client ? gateway.dialects.client : gateway.dialects.server
        let dialer = network.over(side == .client ? gateway.clients : gateway.servers)
        await cast.run { loop, cast in cast.enter(side, dialect, on: loop, by: dialer) }
    }

    mutating func run(steps: Int) async {
        for _ in 0..<4 { await enter(.server) }
        for _ in 0..<6 { await enter(.client) }
        gateway.world.advance(by: .seconds(1))
        for step in 0..<steps {
            if step % 60 == 59 { await enter(Bool.random(using: &random) ? .client : .server) }
            let actions = Int.random(in: 1...8, using: &random)
            random = await cast.run { [random] _, cast in
                var random = random
                for _ in 0..<actions { cast.act(&random) }
                return random
            }
            gateway.world.advance(by: .microseconds(Int.random(in: 0...3000, using: &random)))
        }
    }

    func end() async {
        await cast.run { _, cast in cast.resumeAll() }
        gateway.world.advance(by: .seconds(60))
        let (faults, summary) = await cast.run { _, cast in (cast.faults, cast.summary) }
        #expect(faults.isEmpty, "seed \(seed): \(faults.prefix(5).joined(separator: "; "))")
        #expect(summary.connections > 50 && summary.messages > 1000, "too little happened: \(summary)")
        await cast.run { _, cast in cast.leaveAll() }
        gateway.world.advance(by: .seconds(60))
        #expect(await gateway.memories() == 0, "seed \(seed)")
        #expect(await gateway.meter("omniway_gateway_connections") == 0)
        #expect(await gateway.meter("omniway_gateway_peers", ("side", "client")) == 0)
        #expect(await gateway.meter("omniway_gateway_peers", ("side", "server")) == 0)
    }
}
