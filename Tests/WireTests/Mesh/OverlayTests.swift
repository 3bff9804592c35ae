import OmniwayTesting
import Testing

@testable import OmniwayWire

/// What the parts of a node do together, in meshes on virtual time.
@Suite(.timeLimit(.minutes(2))) struct OverlayTests {
    private func mesh(_ nodes: Int, signs: Bool = true, _ change: (inout Overlay.Settings) -> Void = { _ in })
        -> SimulatedMesh
    {
        var settings = SimulatedMesh.unsigned
        settings.signs = signs
        change(&settings)
        let mesh = SimulatedMesh(seed: 3, settings)
        mesh.join(nodes)
        mesh.run(for: .seconds(10))
        return mesh
    }

    /// Two that have no link to each other.
    private func strangers(_ mesh: SimulatedMesh) throws -> (Int, Int) {
        let other = try #require(mesh.alive.first { $0 != 0 && !mesh.neighbors(0).contains($0) })
        return (0, other)
    }

    private func packet(_ mesh: SimulatedMesh, from source: Int, to node: Int, _ bytes: [UInt8]) -> MeshPacket {
        MeshPacket(
            source: mesh.id(source), epoch: 1, sequence: 77, destination: mesh.id(node), destinationEpoch: 1, hops: 3,
            kind: .message(bytes))
    }

    @Test func `a request finds its way through others, by id and by name`() throws {
        let mesh = mesh(30)
        mesh.answering = { node, request in .bytes(request.bytes + [UInt8(node)]) }
        let (one, other) = try strangers(mesh)
        var answers: [Result<[UInt8], MeshFailure>] = []
        mesh.request(from: one, to: other, "who", [1]) { answers.append($0) }
        mesh.send(from: other, toName: "node\(one)", [2]) { answers.append($0) }
        mesh.run(for: .seconds(3))
        #expect(answers.contains(.success([1, UInt8(other)])))
        #expect(answers.contains(.success([])))
    }

    @Test func `a message that somebody passes on in another's name is not delivered`() throws {
        let mesh = mesh(30)
        var heard: [MeshEvent] = []
        mesh.told = { _, event in if case .message = event { heard.append(event) } }
        let victim = 5
        let liar = try #require(mesh.neighbors(victim).first)
        let source = try #require(mesh.alive.first { $0 != victim && $0 != liar })
        var forged = packet(mesh, from: source, to: victim, [1])
        mesh.happen(victim, .received(.packet(forged), from: mesh.id(liar)))
        forged.signature = [UInt8](repeating: 1, count: 64)
        mesh.happen(victim, .received(.packet(forged), from: mesh.id(liar)))
        #expect(heard.isEmpty)
        #expect(mesh.node(victim).overlay.counts.invalidSignatures == 2)
        mesh.happen(victim, .received(.packet(packet(mesh, from: liar, to: victim, [1])), from: mesh.id(liar)))
        #expect(heard == [.message([1], from: mesh.id(liar))], "a link proves by itself who speaks")
    }

    @Test func `who passes on three forged messages is barred, and the link dropped`() throws {
        let mesh = mesh(10)
        let victim = 5
        let liar = try #require(mesh.neighbors(victim).first)
        for number in 1...3 as ClosedRange<UInt64> {
            let id = GossipID(origin: mesh.id(0), epoch: 1, sequence: 900 + number)
            let forged = GossipMessage.payload(id, hops: 1, [UInt8](repeating: 0, count: 90))
            mesh.happen(victim, .received(.gossip(forged), from: mesh.id(liar)))
        }
        #expect(!mesh.neighbors(victim).contains(liar))
        let (now, later) = (mesh.now, mesh.now + .seconds(600))
        let isBarred = mesh.node(victim).overlay.isBarred(mesh.id(liar), at: now)
        let isBarredLater = mesh.node(victim).overlay.isBarred(mesh.id(liar), at: later)
        #expect(isBarred && !isBarredLater)
    }

    @Test func `what a node was asked before it started again is not done by the new start`() {
        let mesh = mesh(10)
        var effects = 0
        mesh.answering = { _, _ in
            effects += 1
            return .later
        }
        var answers: [Result<[UInt8], MeshFailure>] = []
        mesh.request(from: 1, to: 7, "pay", within: .seconds(30)) { answers.append($0) }
        mesh.run(for: .seconds(1))
        mesh.crash([7])
        mesh.restart(7, contact: 0)
        mesh.run(for: .seconds(30))
        #expect(effects == 1)
        #expect(answers == [.failure(.restarted)])
    }

    @Test func `a request that is still under way is not done again, however often it is sent`() {
        let mesh = mesh(10)
        var requests: [(Int, MeshRequest)] = []
        mesh.answering = { node, request in
            requests.append((node, request))
            return .later
        }
        mesh.network.duplication = 1
        var answers: [Result<[UInt8], MeshFailure>] = []
        mesh.request(from: 1, to: 7, "slow", within: .seconds(60)) { answers.append($0) }
        mesh.run(for: .seconds(20))
        #expect(requests.count == 1)
        #expect(mesh.node(7).overlay.counts.repeated > 3)
        mesh.answer(requests[0].1, at: requests[0].0, with: .bytes([9]))
        mesh.run(for: .seconds(5))
        #expect(answers == [.success([9])])
    }

    @Test func `as much is under way as may be, and more is refused at once`() {
        let mesh = mesh(3, signs: false) { $0.mostUnderWay = 4 }
        mesh.answering = { _, _ in .later }
        var answers: [Result<[UInt8], MeshFailure>] = []
        for _ in 0..<6 { mesh.request(from: 0, to: 1, "x", within: .seconds(3)) { answers.append($0) } }
        #expect(answers == [.failure(.overloaded(4)), .failure(.overloaded(4))])
        mesh.run(for: .seconds(10))
        #expect(answers.count == 6)
    }

    @Test func `a message that is too large is refused where it is sent`() {
        let mesh = mesh(2, signs: false)
        var answer: Result<[UInt8], MeshFailure>?
        mesh.send(from: 0, to: 1, [UInt8](repeating: 0, count: Overlay.largest + 1)) { answer = $0 }
        #expect(answer == .failure(.tooLarge(bytes: Overlay.largest + 1, limit: Overlay.largest)))
    }

    @Test func `a partition of one direction heals`() {
        let mesh = mesh(20, signs: false)
        mesh.blocks = { from, to in from < 10 && to >= 10 }
        mesh.run(for: .seconds(20))
        #expect(mesh.graph().asymmetric > 0, "links that only one of the two has")
        mesh.blocks = nil
        mesh.run(for: .seconds(60))
        #expect(mesh.graph().reachable == 20)
        #expect(mesh.graph().asymmetric == 0)
    }
}
