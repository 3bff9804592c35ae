import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire

@testable import OmniwayMesh

/// Peers on virtual time that reach one another by addresses, as they would on a network.
struct MeshWorld {
    let world = SimulatedWorld()
    let net = Net()

    /// Who listens where.
    final class Net: Sendable {
        private let listeners = Lock<[String: InProcess]>([:])

        func listen(at address: String) -> InProcess {
            let transport = InProcess()
            listeners.withLock { $0[address] = transport }
            return transport
        }

        subscript(address: String) -> InProcess? { listeners.withLock { $0[address] } }
    }

    /// A peer that listens at an address, if it is given one.
    func peer(
        _ name: String, _ kind: ConnectionKind, at address: String? = nil,
        handler: some MessageHandler = StandardHandler(),
        _ change: (inout MeshSettings) -> Void = { _ in }
    ) async throws -> MeshPeer {
        var settings = MeshSettings()
        let net = net
        settings.dialer = { net[$0] }
        change(&settings)
        let peer = await MeshPeer(name, kind, on: world.first, settings, handler: handler)
        if let address { try await peer.serve(net.listen(at: address), announcing: address) }
        return peer
    }

    func original(_ name: String, _ kind: ConnectionKind, at address: String) async throws -> LoopBound<OriginalNode> {
        let node = await world.first.own { loop in OriginalNode(name, kind, address, on: loop) }
        _ = try await net.listen(at: address).open(into: [node])
        return node
    }

    func probe(_ address: String) async -> Probe { await Probe(net[address], in: world) }

    func meter(_ name: String) async -> Double { await world.first.snapshot().number(name, labels: []) ?? 0 }
}

/// A bare connection to a peer.
struct Probe {
    private let world: SimulatedWorld
    let recorder: LoopBound<Recorder>

    init(_ transport: InProcess?, in world: SimulatedWorld) async {
        self.world = world
        recorder = await world.first.own { _ in Recorder() }
        await recorder.run { loop, recorder in
            _ = transport?.dial(on: loop, deadline: .seconds(1), handler: recorder)
        }
        world.settle()
    }

    func send(_ text: String) async {
        await recorder.run { _, recorder in recorder.link?.write(Array(text.utf8)) }
        world.settle()
    }

    func finish() async {
        await recorder.run { _, recorder in recorder.link?.finish() }
        world.settle()
    }

    /// Everything that the peer has sent.
    var text: String {
        get async { await recorder.run { _, recorder in String(decoding: recorder.bytes, as: UTF8.self) } }
    }

    /// The peer has ended the connection, or its half of it.
    var hasEnded: Bool {
        get async {
            await recorder.run { _, recorder in recorder.events.contains(.finished) || recorder.closeReason != nil }
        }
    }
}

extension PheromoneMessage {
    init(_ name: String, _ operation: PheromoneOperation, _ data: String = "") {
        self.init(name: name, operation: operation, data: Array(data.utf8))
    }

    static func greeting(_ name: String, at address: String) -> PheromoneMessage {
        .greeting(from: name, PheromoneGreeting(address: address, account: 11900))
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }
}
