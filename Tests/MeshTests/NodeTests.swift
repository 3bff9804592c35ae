import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayMesh

/// Nodes on virtual time that reach one another by addresses.
@Suite(.timeLimit(.minutes(2))) struct NodeTests {
    private let mesh = MeshWorld()

    /// Its identity and its start are told, so that a run can be repeated.
    private func node(
        _ name: String, at address: String? = nil, secret: UInt8, fallback: MeshPeer? = nil,
        answering: @escaping @Sendable (MeshRequest) -> MeshReply = { _ in .unknownMethod },
        change: (inout NodeSettings) -> Void = { _ in }
    ) async throws -> MeshNode {
        let identity = try #require(NodeIdentity(secret: [UInt8](repeating: secret, count: 32)))
        var settings = NodeSettings(identity: identity)
        settings.epoch = 1
        let net = mesh.net
        settings.dialer = { net[$0] }
        change(&settings)
        let node = await MeshNode(name, on: mesh.world.first, settings, fallback: fallback, answering: answering)
        if let address { try await node.serve(net.listen(at: address), announcing: address) }
        return node
    }

    /// What nodes have told so far.
    private func told(_ node: MeshNode) async -> [MeshEvent] {
        await node.close()
        var events: [MeshEvent] = []
        for await event in node.events { events.append(event) }
        return events
    }

    @Test func `who joins becomes a neighbour, and both can send, ask and tell everybody`() async throws {
        let luda = try await node("luda", at: "1:1", secret: 1) { request in
            request.method == "echo" ? .bytes(request.bytes + [9]) : .unknownMethod
        }
        let yoghurt = try await node("yoghurt", at: "1:2", secret: 2)
        let answers = Notes<[UInt8]>()
        try await mesh.world.play {
            let joined = try await yoghurt.join("1:1")
            #expect(joined == luda.id)
            try await yoghurt.send([1], to: "luda")
            try await luda.send([2], to: yoghurt.id)
            answers.add(try await yoghurt.request("echo", [3], to: "luda"))
            try await luda.broadcast([4], topic: "news")
            await #expect(throws: MeshFailure.refused(.unknownMethod, "")) {
                try await yoghurt.request("what", to: luda.id)
            }
        }
        mesh.world.advance(by: .seconds(1))
        #expect(answers.all == [[3, 9]])
        #expect(await yoghurt.neighbors().map(\.name) == ["luda"])
        let events = await told(yoghurt)
        #expect(events.contains(.message([2], from: luda.id)))
        #expect(events.contains(.broadcast(MeshBroadcast(source: luda.id, topic: "news", bytes: [4]))))
        #expect(await told(luda).contains(.message([1], from: yoghurt.id)))
    }

    @Test func `a name nobody has is not found, and an address without a listener is unreachable`() async throws {
        let luda = try await node("luda", at: "1:1", secret: 1)
        let yoghurt = try await node("yoghurt", at: "1:2", secret: 2)
        try await mesh.world.play {
            try await yoghurt.join("1:1")
            await #expect(throws: MeshFailure.notFound("nobody")) { try await yoghurt.send([1], to: "nobody") }
            await #expect(throws: MeshError.self) { try await yoghurt.join("1:9") }
        }
        #expect(await luda.neighbors().count == 1)
    }

    @Test func `a node that knows only a name finds it through others`() async throws {
        var nodes: [MeshNode] = []
        for index in 1...12 {
            nodes.append(
                try await node("node\(index)", at: "1:\(index)", secret: UInt8(index)) { request in
                    .bytes(request.bytes + [UInt8(index)])
                })
        }
        let all = nodes
        let answers = Notes<[UInt8]>()
        try await mesh.world.play {
            for index in 1..<12 { try await all[index].join("1:\(index)") }
        }
        mesh.world.advance(by: .seconds(10))
        try await mesh.world.play {
            answers.add(try await all[0].request("who", [0], to: "node12"))
            answers.add(try await all[11].request("who", [0], to: "node3"))
        }
        #expect(answers.all == [[0, 12], [0, 3]])
    }

    @Test func `when both dial each other one link is left, and nothing is lost`() async throws {
        let a = try await node("a", at: "1:1", secret: 1)
        let b = try await node("b", at: "1:2", secret: 2)
        try await mesh.world.play {
            async let one = a.join("1:2")
            async let other = b.join("1:1")
            _ = try await (one, other)
            for number in 0..<20 {
                try await a.broadcast([UInt8(number)])
                try await b.broadcast([UInt8(number)])
            }
        }
        mesh.world.advance(by: .seconds(10))
        #expect(await a.host.run { _, host in host.linkCount } == 1)
        #expect(await b.host.run { _, host in host.linkCount } == 1)
        for (node, other) in [(a, b), (b, a)] {
            let numbers = await told(node).compactMap { event -> UInt8? in
                if case .broadcast(let message) = event, message.source == other.id { message.bytes[0] } else { nil }
            }
            #expect(numbers.sorted() == Array(0..<20))
        }
    }

    @Test func `a peer of the original is left to the fallback, from both sides`() async throws {
        let original = try await mesh.original("old", .long, at: "1:1")
        let peer = try await mesh.peer("luda", .long)
        let luda = try await node("luda", at: "1:2", secret: 1, fallback: peer)
        try await mesh.world.play {
            let joined = try await luda.join("1:1")
            #expect(joined == nil)
        }
        mesh.world.advance(by: .seconds(3))
        #expect(await original.run { _, node in node.transcript.count } == 8, "a whole session")
        #expect(await peer.peers().map(\.name).contains("old"))

        let caller = try await mesh.peer("caller", .long, at: "1:3")
        try await mesh.world.play {
            try await caller.add("luda", at: "1:2")
            try await caller.dispatch(await caller.greeting(), to: "luda")
        }
        mesh.world.advance(by: .seconds(3))
        #expect(await peer.peers().map(\.name).contains("caller"))
    }

    @Test func `a peer of the original is refused without a fallback`() async throws {
        _ = try await mesh.original("old", .long, at: "1:1")
        let luda = try await node("luda", at: "1:2", secret: 1)
        try await mesh.world.play {
            await #expect(throws: MeshError.self) { try await luda.join("1:1") }
        }
        let probe = await mesh.probe("1:2")
        await probe.send(#"{"name":"x","operation":"getreq","data":null}"#)
        #expect(await probe.hasEnded)
    }

    @Test func `another group cannot connect`() async throws {
        let luda = try await node(
            "luda", at: "1:1", secret: 1, change: { $0.groupSecret = [UInt8](repeating: 1, count: 32) })
        let thief = try await node("thief", secret: 2, change: { $0.groupSecret = [UInt8](repeating: 2, count: 32) })
        let member = try await node(
            "member", at: "1:3", secret: 3, change: { $0.groupSecret = [UInt8](repeating: 1, count: 32) })
        try await mesh.world.play {
            await #expect(throws: MeshError.self) { try await thief.join("1:1") }
            try await member.join("1:1")
            try await member.send([1], to: "luda")
        }
        #expect(await luda.neighbors().map(\.name) == ["member"])
    }

    @Test func `garbage, silence and half a handshake cost a link and nothing else`() async throws {
        let luda = try await node("luda", at: "1:1", secret: 1)
        let offer = PheromoneMessage("x", .connectRequest).bytes(
            offering: MeshUpgrade(id: NodeIdentity.random().id, nonce: [UInt8](repeating: 1, count: 16)))
        let half = String(decoding: offer, as: UTF8.self) + "\u{0}\u{20}" + String(repeating: "a", count: 32)
        for text in ["\u{1}\u{2}", "{", half] {
            let probe = await mesh.probe("1:1")
            await probe.send(text)
            mesh.world.advance(by: .seconds(11))
            #expect(await probe.hasEnded, "\(text)")
        }
        #expect(await luda.host.run { _, host in host.linkCount } == 0)
        let yoghurt = try await node("yoghurt", at: "1:2", secret: 2)
        try await mesh.world.play { try await yoghurt.join("1:1") }
    }

    @Test func `an answer may come later, and the request is not done again meanwhile`() async throws {
        let requests = Notes<MeshRequest>()
        let luda = try await node("luda", at: "1:1", secret: 1) { request in
            requests.add(request)
            return .later
        }
        let yoghurt = try await node("yoghurt", at: "1:2", secret: 2)
        let world = mesh.world
        let answers = Notes<[UInt8]>()
        try await world.play {
            try await yoghurt.join("1:1")
            async let answer = yoghurt.request("slow", to: luda.id, within: .seconds(30))
            async let answering: Void = { 
                while requests.all.isEmpty { await Task.yield() }
                await luda.answer(requests.all[0], with: .bytes([5]))
            }()
            answers.add(try await answer)
            await answering
        }
        #expect(answers.all == [[5]])
        #expect(requests.all.count == 1)
    }

    @Test func `a request whose task is cancelled is given up on both sides`() async throws {
        let requests = Notes<MeshRequest>()
        let luda = try await node("luda", at: "1:1", secret: 1) { request in
            requests.add(request)
            return .later
        }
        let yoghurt = try await node("yoghurt", at: "1:2", secret: 2)
        let failures = Notes<MeshFailure>()
        try await mesh.world.play {
            try await yoghurt.join("1:1")
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    do throws(MeshFailure) {
                        _ = try await yoghurt.request("slow", to: luda.id, within: .seconds(300))
                    } catch { failures.add(error) }
                }
                while requests.all.isEmpty { await Task.yield() }
                group.cancelAll()
            }
        }
        mesh.world.advance(by: .seconds(1))
        #expect(failures.all == [.cancelled])
        #expect(await told(luda).contains(.abandoned(requests.all[0].number, from: yoghurt.id)))
    }

    @Test func `a report has links, members, whose messages were heard, and routes`() async throws {
        let luda = try await node("luda", at: "1:1", secret: 1)
        let yoghurt = try await node("yoghurt", at: "1:2", secret: 2)
        try await mesh.world.play {
            try await yoghurt.join("1:1")
            for _ in 0..<3 { try await luda.broadcast([1]) }
        }
        mesh.world.advance(by: .seconds(2))
        let report = await yoghurt.report()
        #expect(report.links.map(\.contact.name) == ["luda"])
        #expect(report.links.allSatisfy { $0.isNeighbor && $0.isOurs && $0.queued == 0 })
        #expect(report.members.map(\.address) == ["1:1"])
        #expect(report.origins.map(\.contact.id) == [luda.id])
        #expect(report.origins.map(\.last) == [3])
        #expect(report.origins.map(\.missing) == [0])
        #expect(report.routes.map(\.contact.address) == ["1:1"])
        #expect(report.routes.map(\.via) == [luda.id])
    }

    @Test func `neighbours notice that one is gone without a word`() async throws {
        let luda = try await node("luda", at: "1:1", secret: 1)
        let yoghurt = try await node("yoghurt", at: "1:2", secret: 2)
        try await mesh.world.play { try await yoghurt.join("1:1") }
        mesh.world.advance(by: .seconds(1))
        await yoghurt.host.run { _, host in host.fallSilent() }
        mesh.world.advance(by: .seconds(8))
        #expect(await luda.neighbors().isEmpty)
        #expect(await told(luda).contains(.neighborDown(yoghurt.id)))
    }
}
