import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Synchronization
import Testing

/// Addresses that lead to pipes, as a network's do to sockets.
final class FakeNetwork: Sendable {
    private let pipes = Lock<[String: InProcess]>([:])
    let visitor = SocketAddress("10.1.2.3:4000") ?? .none

    func pipe(_ address: String) -> InProcess { pipe(address, LinkTraits(peer: visitor)) }

    /// Where datagrams go; ports of UDP are others than those of TCP.
    func datagrams(_ address: String) -> InProcess {
        pipe(
            "udp " + address,
            LinkTraits(keepsMessages: true, isReliable: false, halfCloses: false, pausing: .buffers, peer: visitor))
    }

    private func pipe(_ name: String, _ traits: LinkTraits) -> InProcess {
        pipes.withLock { pipes in
            if let pipe = pipes[name] { return pipe }
            let pipe = InProcess(
                traits: traits, queue: traits.keepsMessages ? DatagramLimits.tunnel.queue : QueueLimits())
            pipes[name] = pipe
            return pipe
        }
    }
}

/// What a client was told.
final class Told: Sendable {
    private let events = Lock<[TunnelClientEvent]>([])
    func add(_ event: TunnelClientEvent) { events.withLock { $0.append(event) } }
    var all: [TunnelClientEvent] { events.withLock { $0 } }
    var logins: Int { all.count { if case .loggedIn = $0 { true } else { false } } }
    var registrations: Int { all.count { if case .registered = $0 { true } else { false } } }
    var kicks: Int { all.count { if case .kicked = $0 { true } else { false } } }
    var refusals: [InvokeCode] { all.compactMap { if case .refused(let why) = $0 { why.code } else { nil } } }
}

/// What somebody on another loop has heard.
final class Heard<Value: Sendable>: Sendable {
    private let values = Lock<[Value]>([])
    func add(_ value: Value) { values.withLock { $0.append(value) } }
    var all: [Value] { values.withLock { $0 } }
}

struct Somebody {
    let client: LoopBound<TunnelClient>
    let told: Told
    var identity: TunnelIdentity? { get async { await client.run { _, client in client.identity } } }
    var isLoggedIn: Bool { get async { await client.run { _, client in client.isLoggedIn } } }
    var listening: [String] { get async { await client.run { _, client in client.listening } } }
    func close() async { await client.run { _, client in client.close() } }
}

final class EchoIntake: LinkIntake {
    var count = 0
    func accept(_ link: Link) -> (any LinkHandler)? {
        count += 1
        return Echo()
    }
}

/// Nodes that share a registry in memory, clients, targets and visitors, all on virtual time.
final class TunnelWorld {
    let world: SimulatedWorld
    let network = FakeNetwork()
    private(set) var registries: [Registry] = []
    private(set) var nodes: [LoopBound<TunnelNode>] = []
    static let ids = ["0a000000-0000-4000-8000-000000000001", "0b000000-0000-4000-8000-000000000002"]

    init(
        nodes count: Int = 1, seed: UInt64 = 1,
        prepare: @escaping @Sendable (inout TunnelNodeSettings) -> Void = { _ in }
    ) async throws {
        world = SimulatedWorld(loops: 4, seed: seed)
        let store = await world.first.own { MemoryStore(on: $0) }
        for index in 0..<count {
            registries.append(try await Registry.open(.memory(store), on: world.first))
            nodes.append(await start(index, prepare: prepare))
            let node = nodes[index]
            let door = network.pipe("node-\(index):1")
            _ = try await world.run { try await door.open(into: [node]) }
        }
        world.advance(by: .seconds(1))
        for node in nodes { #expect(await node.run { _, node in node.isReady }) }
    }

    private func start(
        _ index: Int, prepare: @escaping @Sendable (inout TunnelNodeSettings) -> Void
    ) async -> LoopBound<TunnelNode> {
        var settings = TunnelNodeSettings()
        settings.id = Self.ids[index]
        settings.advertise = "node-\(index):1"
        settings.clusterKey = [UInt8](repeating: 3, count: 32)
        settings.allowPorts = [8000...8010]
        settings.registrations = RateLimit(100, in: .seconds(60))
        let network = network
        settings.dialNode = { network.pipe($0.description) }
        settings.listen = { network.pipe("public-\(index):\($0.port)") }
        settings.listenDatagrams = { network.datagrams("public-\(index):\($0.port)") }
        prepare(&settings)
        return await TunnelNode.start(on: world.loops[index], registry: registries[index], settings: settings)
    }

    /// A client that has had time to log in, if it may.
    func client(
        at node: Int = 0, _ identity: TunnelIdentity? = nil,
        prepare: @escaping @Sendable (inout TunnelClientSettings) -> Void = { _ in },
        over layer: (InProcess) -> any Dialer = { $0 }
    ) async -> Somebody {
        var settings = TunnelClientSettings()
        let network = network
        settings.dial = { network.pipe($0.description) }
        settings.dialUnix = { network.pipe("unix:\($0)") }
        settings.listen = { network.pipe($0.description) }
        settings.dialDatagrams = { network.datagrams($0.description) }
        settings.listenDatagrams = { network.datagrams($0.description) }
        prepare(&settings)
        let told = Told()
        let client = await TunnelClient.start(
            on: world.loops[2], nodes: [layer(network.pipe("node-\(node):1"))], identity: identity, settings: settings
        ) { event, _ in told.add(event) }
        world.advance(by: .seconds(1))
        return Somebody(client: client, told: told)
    }

    /// An echo at an address.
    func target(_ address: String, datagrams: Bool = false) async throws -> LoopBound<EchoIntake> {
        let intake = await world.loops[3].own { _ in EchoIntake() }
        let pipe = datagrams ? network.datagrams(address) : network.pipe(address)
        _ = try await world.run { try await pipe.open(into: [intake]) }
        return intake
    }

    /// What a call of a client came to: its code, or 200.
    func add(_ request: TunnelRuleRequest, by somebody: Somebody) async -> (code: Int, rule: TunnelRule?) {
        let result = Lock<(Int, TunnelRule?)>((0, nil))
        await somebody.client.run { _, client in
            client.add(request) { answer in
                switch answer {
                case .success(let rule): result.withLock { $0 = (200, rule) }
                case .failure(.refused(let code, _)): result.withLock { $0 = (code.number, nil) }
                case .failure: result.withLock { $0 = (-1, nil) }
                }
            }
        }
        world.advance(by: .milliseconds(100))
        return result.withLock { $0 }
    }

    func remove(_ address: String, by somebody: Somebody) async -> Bool {
        let isDone = Lock(false)
        await somebody.client.run { _, client in
            client.remove(address) { answer in if case .success = answer { isDone.withLock { $0 = true } } }
        }
        world.advance(by: .milliseconds(100))
        return isDone.withLock { $0 }
    }

    /// Somebody who comes to an address and says something.
    func visitor(to address: String, _ text: String = "", finishes: Bool = false) async -> LoopBound<Recorder> {
        await visitor(to: address, bytes: Array(text.utf8), finishes: finishes)
    }

    func visitor(to address: String, bytes: [UInt8], finishes: Bool = false) async -> LoopBound<Recorder> {
        let pipe = network.pipe(address)
        let recorder = await world.loops[3].own { loop in
            let recorder = Recorder()
            // It keeps its end open when the other has said all.
            let link = pipe.dial(on: loop, deadline: .seconds(5), handler: recorder)
            if !bytes.isEmpty { link?.write(bytes) }
            if finishes { link?.finish() }
            return recorder
        }
        world.advance(by: .milliseconds(200))
        return recorder
    }

    func keys(_ prefix: String) async throws -> [String] {
        let registry = registries[0]
        return try await world.run { try await registry.list(RegistryBytes(prefix)).entries.map(\.key.text) }
    }

    func value(_ key: String) async throws -> String? {
        let registry = registries[0]
        return try await world.run { try await registry.get(RegistryBytes(key))?.value.text }
    }
}

extension LoopBound where Value == Recorder {
    var text: String { get async { await run { _, recorder in recorder.text } } }
    var bytes: [UInt8] { get async { await run { _, recorder in recorder.bytes } } }
    func write(_ bytes: [UInt8]) async { await run { _, recorder in recorder.link?.write(bytes) } }
    var events: [Recorder.Event] { get async { await run { _, recorder in recorder.events } } }
    var closeReason: CloseReason? { get async { await run { _, recorder in recorder.closeReason } } }
    func write(_ text: String) async { await run { _, recorder in recorder.link?.write(Array(text.utf8)) } }
}

extension SimulatedWorld {
    /// A call while the simulated loops run.
    func run<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
        let isDone = Atomic<Bool>(false)
        async let result = {
            defer { isDone.store(true, ordering: .releasing) }
            return try await body()
        }()
        while !isDone.load(ordering: .acquiring) {
            settle()
            await Task.yield()
        }
        return try await result
    }
}

/// Somebody who speaks the protocol, and says what he likes.
final class Attacker: CarrierOwner {
    private(set) var client: CarrierClient?
    private(set) var codes: [Int] = []
    private(set) var bodies: [String] = []
    private(set) var lost: [CloseReason] = []
    private(set) var recorders: [Recorder] = []
    var heard: [String] = []

    init(on loop: Loop, _ dialer: InProcess, terminal: String) {
        client = CarrierClient(on: loop, dialer: dialer, terminal: terminal, owner: self)
        client?.connect { self.lost.append($0) }
    }

    func opened(_ peer: CarrierPeer) {}
    func lost(_ peer: CarrierPeer, _ reason: CloseReason) { lost.append(reason) }
    func accept(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)? { nil }

    func say(_ path: String, headers: InvokeHeaders = InvokeHeaders(), _ body: String = "") {
        client?.peer.invoker?.invoke(path, headers: headers, body: body) { result in
            switch result {
            case .success(let response):
                self.codes.append(200)
                self.bodies.append(response.body)
                if path == "/client/login" { self.useKey(response.body) }
            case .failure(.refused(let code, _)): self.codes.append(code.number)
            case .failure: self.codes.append(-1)
            }
        }
    }

    func login(_ identity: TunnelIdentity) {
        say("/client/login", #"{"clientId":"\#(identity.client)","token":"\#(identity.token)"}"#)
    }

    private func useKey(_ body: String) {
        guard let json = try? JSON.Reader.go.read(body), case .string(let key)? = json["sessionKey"] else { return }
        client?.peer.authorize(Base64.decode(key) ?? [])
        client?.attach()
    }

    /// A stream that begins with this frame, and this text.
    func stream(_ path: String, headers: InvokeHeaders = InvokeHeaders(), body: String = "", _ text: String) {
        let recorder = Recorder()
        recorders.append(recorder)
        guard let link = client?.peer.dial(handler: recorder) else { return }
        link.write(Self.greeting(path, headers, body) + Array(text.utf8))
    }

    /// The same for datagrams, the first of which is the frame.
    func flow(_ path: String, headers: InvokeHeaders) {
        let recorder = Recorder()
        recorders.append(recorder)
        client?.peer.dialDatagrams(handler: recorder)?.write(Self.greeting(path, headers))
    }

    private static func greeting(_ path: String, _ headers: InvokeHeaders, _ body: String = "") -> [UInt8] {
        var bytes: [UInt8] = []
        let request = InvokeRequest(id: "1", path: path, headers: headers, body: body)
        try? InvokeCodec().write(.request(request), to: &bytes)
        return bytes
    }
}

extension TunnelWorld {
    func attacker(at node: Int = 0, terminal: String = "") async -> LoopBound<Attacker> {
        let pipe = network.pipe("node-\(node):1")
        let attacker = await world.loops[3].own { Attacker(on: $0, pipe, terminal: terminal) }
        world.advance(by: .milliseconds(100))
        return attacker
    }
}

extension LoopBound where Value == Attacker {
    var codes: [Int] { get async { await run { _, attacker in attacker.codes } } }
    var lost: [CloseReason] { get async { await run { _, attacker in attacker.lost } } }
}
