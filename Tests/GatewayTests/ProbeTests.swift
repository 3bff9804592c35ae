import OmniwayGateway
import OmniwayTesting
import OmniwayWire
import Testing

/// Replays what hand-made peers said to the original gateways, and compares every answer.
@Suite struct ProbeTests {
    /// One run against the original gateways, and the cases where ours answers otherwise on purpose.
    struct Probe: Sendable, CustomTestStringConvertible {
        let file: String
        let dialect: GatewayDialect
        let differences: Set<String>
        var testDescription: String { file }
    }

    static let probes = [
        Probe(file: "gateway-v2-probe", dialect: .v2, differences: v2Differences),
        Probe(file: "gateway-uniway-probe", dialect: .v2, differences: v2Differences),
        Probe(
            file: "gateway-v1-probe", dialect: .v1,
            differences: [
                "close-by-stranger",  // Only an end may close.
                "dial-self-chosen-id",  // An id must have been opened by its dialler.
                "dial-self-chosen-id-cleanup", "dial-id-in-use", "dial-id-in-use-cleanup",
                "data-unknown-conn",  // Answered by a close; the sender did nothing wrong.
                "client-disconnect-survivor-not-told",  // It is told.
                "data-after-peer-gone", "server-disconnect",
            ]),
    ]
    private static let v2Differences: Set = [
        "close-by-stranger", "close-by-owner-after-stranger",  // Only an end may close.
        "duplicate-server-id-newer-leaves",  // The older server gets new dials again.
    ]

    /// Cases that began with a fresh gateway, and how it was started.
    private static func settings(of name: String) -> ((inout GatewaySettings) -> Void)? {
        switch name {
        case "refuse-unknown-server": { $0.maxPacketSize = 1024 }
        case "new-open": { ($0.maxPacketSize, $0.clients.pingInterval, $0.servers.pingInterval) = (1024, .zero, .zero) }
        case "client-max-conn": { ($0.connectionsPerClient, $0.clients.idleLimit) = (2, .seconds(1)) }
        case "gateway-ping-answered": { $0.clients.pingInterval = .seconds(2) }
        default: nil
        }
    }

    /// Without the case that depends on the buffers of a kernel; and where one end's going closes several connections,
    /// the order of the closes means nothing.
    private static func recorded(_ file: String) throws -> [Vector] {
        var vectors = try Vector.load(file).filter { $0.name != "send-queue-overflow" }
        let closes = vectors.indices.filter { vectors[$0].name == "idle-timeout" && !vectors[$0].bytes.isEmpty }
        let sorted = closes.map { vectors[$0] }.sorted { $0.hex < $1.hex }
        for (index, vector) in zip(closes, sorted) { vectors[index] = vector }
        return vectors
    }

    @Test(arguments: probes, [1, 3])
    func `answers as the original does, but for what is better`(_ probe: Probe, _ loops: Int) async throws {
        var replay: Replay?
        var differing: Set<String> = []
        for vector in try Self.recorded(probe.file) {
            if replay?.name != vector.name {
                let isFirst = replay == nil
                if let change = Self.settings(of: vector.name),
                    probe.dialect == .v2 || vector.name != "client-max-conn",
                    isFirst || vector.name != "refuse-unknown-server"
                {
                    let world = try await GatewayWorld(loops: loops, client: probe.dialect, server: probe.dialect) {
                        change(&$0)
                        if probe.dialect == .v1 { $0.connectionsPerClient = 2 }
                    }
                    replay = Replay(world)
                }
                replay?.name = vector.name
                replay?.peers["clientX"] = nil
            }
            if let reason = await replay?.step(vector) {
                if !probe.differences.contains(vector.name) {
                    Issue.record("\(vector.name): \(vector.direction) \(vector.meaning): \(reason)")
                }
                differing.insert(vector.name)
            }
        }
        #expect(differing == probe.differences)
    }
}

/// Plays one recording, step by step.
private struct Replay {
    let world: GatewayWorld
    var name = ""
    var peers: [String: TestPeer] = [:]
    private var challenges: [String: [UInt8]] = [:]

    init(_ world: GatewayWorld) { self.world = world }

    /// What was not as recorded, if anything.
    mutating func step(_ vector: Vector) async -> String? {
        let ends = vector.direction.split(separator: "->").map(String.init)
        return ends[0] == "gateway" ? await hear(vector, ends[1]) : await say(vector, ends[0])
    }

    private mutating func say(_ vector: Vector, _ label: String) async -> String? {
        if peers[label] == nil { peers[label] = await world.client() }
        guard let peer = peers[label] else { return nil }
        if vector.meaning.hasPrefix("MD5") {
            let id = EndpointID(rawValue: vector.bytes.suffix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) })
            let key = label == "serverBad" ? "wrong" : "gateway-key"
            await peer.send(GatewayLogin.answer(to: challenges[label] ?? [], key: Array(key.utf8), as: id))
        } else if vector.bytes.isEmpty {
            await peer.close()
        } else {
            await peer.send(vector.bytes)
        }
        return nil
    }

    private mutating func hear(_ vector: Vector, _ label: String) async -> String? {
        if vector.meaning == "challenge" {
            let server = await TestPeer(dials: world.servers, in: world.world, .v2)
            peers[label] = server
            challenges[label] = await server.read(8)
            return challenges[label]?.count == 8 ? nil : "no challenge"
        }
        if vector.meaning.hasPrefix("(") { return nil }  // A remark about time.
        if peers[label] == nil { peers[label] = await world.client() }
        guard let peer = peers[label] else { return nil }
        if vector.meaning.hasPrefix("nothing") {
            if let frame = await peer.next() { return "said \(frame)" }
            return await peer.isOpen ? nil : "closed"
        }
        if vector.bytes.isEmpty {
            if await peer.isOpen { world.world.advance(by: .seconds(5)) }
            return await peer.isOpen ? "not closed" : nil
        }
        var frame = await peer.next()
        if frame == nil {  // A ping, or the end of somebody who was silent.
            world.world.advance(by: .seconds(3))
            frame = await peer.next()
        }
        return frame == vector.bytes ? nil : "said \(frame.map { "\($0)" } ?? "nothing")"
    }
}
