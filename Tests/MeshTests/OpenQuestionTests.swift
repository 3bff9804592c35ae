import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayMesh

/// The four questions that the original's document leaves open, in its words, and our answers.
@Suite(.timeLimit(.minutes(2))) struct OpenQuestionTests {
    @Test func `1 how to keep the route table: names may repeat, the key is ip and server port`() async throws {
        let mesh = MeshWorld()
        let (first, second) = (
            try await mesh.peer("twin", .short, at: "1:1"), try await mesh.peer("twin", .short, at: "1:2")
        )
        let luda = try await mesh.peer("luda", .short, at: "1:3")
        try await mesh.world.play {
            for twin in [second, first] {
                try await twin.add("luda", at: "1:3")
                try await twin.dispatch(await twin.greeting(), to: "luda")
            }
            #expect(await luda.peers().map(\.address) == ["1:1", "1:2"])
            try await luda.dispatch(await luda.greeting(), to: "twin")
            #expect(await first.peers().count == 1, "the lowest address is the one that a name means")
            try await luda.dispatch(.greeting("luda", at: "1:4"), to: "twin", at: "1:2")
            #expect(await second.peers().map(\.address) == ["1:3", "1:4"])
            #expect(try await luda.dispatchToAll(PheromoneMessage("luda", .getRequest), named: "twin").count == 2)
        }
    }

    /// The original's locks leak, race and hang. Here one loop owns the table, and hundreds of tasks on other threads
    /// only ask it.
    @Test func `2 safer operations on the route table: one owner, and no lock`() async throws {
        let loops = EventLoops(count: 2)
        let peer = await MeshPeer("luda", .short, on: loops.loops[0])
        await withTaskGroup { group in
            for number in 0..<200 {
                group.addTask {
                    for _ in 0..<5 {
                        try? await peer.add("p\(number % 20)", at: "127.0.0.1:\(number)")
                        _ = try? await peer.dispatch(PheromoneMessage("luda", .getRequest), to: "nobody")
                        _ = await peer.peers()
                        if number % 3 == 0 { try? await peer.delete("p\(number % 20)") }
                    }
                }
            }
        }
        let names = await peer.peers().map(\.name)
        #expect(names == names.sorted() && names.count <= 20)
        await loops.shutdown()
    }

    @Test func `3 a connection replaced in a session: the session goes on where it began`() async throws {
        let mesh = MeshWorld()
        let luda = try await mesh.peer("luda", .long, at: "1:1")
        let old = await mesh.probe("1:1")
        await old.send(PheromoneMessage.greeting("yoghurt", at: "1:2").text)
        let new = await mesh.probe("1:1")
        await new.send(PheromoneMessage.greeting("yoghurt", at: "1:2").text)
        #expect(await !old.hasEnded, "a connection is not closed because there is another")
        await old.send(PheromoneMessage("yoghurt", .getRequest).text)
        #expect(await old.text.hasSuffix(PheromoneMessage("luda", .getResponse).text))
        // The session on the new connection ends; that on the old one goes on, so what is dispatched goes there.
        await new.send(PheromoneMessage("yoghurt", .noticeResponse).text)
        try await mesh.world.play { try await luda.dispatch(PheromoneMessage("luda", .noticeRequest), to: "yoghurt") }
        mesh.world.advance(by: .milliseconds(150))
        #expect(await old.text.hasSuffix(PheromoneMessage("luda", .noticeRequest).text))
        // Two seconds later it counts as given up, and the connection that was heard from last takes over.
        await new.send(PheromoneMessage("yoghurt", .getRequest).text)
        mesh.world.advance(by: .seconds(3))
        try await mesh.world.play { try await luda.dispatch(PheromoneMessage("luda", .noticeRequest), to: "yoghurt") }
        mesh.world.advance(by: .milliseconds(150))
        #expect(await new.text.hasSuffix(PheromoneMessage("luda", .noticeRequest).text))
    }

    @Test func `3 a connection lost in a session: ours begins again on the one that is left`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .long, at: "1:1")
        await yoghurt.run { _, node in node.hangs = true }
        let luda = try await mesh.peer("luda", .long, at: "1:2")
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "1:1")
            try await luda.dispatch(await luda.greeting(), to: "yoghurt")
        }
        mesh.world.advance(by: .milliseconds(10))
        // The other side connects as well, and then gives up the connection on which our session was.
        let other = await mesh.probe("1:2")
        await other.send(PheromoneMessage.greeting("yoghurt", at: "1:1").text)
        mesh.world.advance(by: .milliseconds(10))
        await yoghurt.run { _, node in node.closeAll() }
        mesh.world.advance(by: .milliseconds(300))
        #expect(await other.text.hasSuffix(PheromoneMessage.greeting("luda", at: "1:2").text))
        #expect(await mesh.meter("omniway_mesh_failed_sessions_total") == 1)
    }

    /// The original loses both connections in 20 of 20 recorded runs.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `4 both add and greet each other at the same moment: one of ours and one original keep a connection`(
        _ seed: UInt64
    ) async throws {
        let mesh = MeshWorld()
        var faults = SeededNetwork.Faults()
        faults.piece = 10_240...10_240  // The original would lose what is split.
        faults.joining = 0
        faults.delay = .milliseconds(1)...(.milliseconds(3))
        let network = SeededNetwork(seed: seed, faults: faults)
        let yoghurt = try await mesh.original("yoghurt", .long, at: "1:1")
        let luda = try await mesh.peer("luda", .long, at: "1:2")
        let (toLuda, toYoghurt) = (mesh.net["1:2"]!, mesh.net["1:1"]!)
        await yoghurt.run { _, node in node.open("luda", over: toLuda) }
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "1:1", over: network.over(toYoghurt))
            try await luda.dispatch(await luda.greeting(), to: "yoghurt")
        }
        mesh.world.advance(by: .seconds(3))
        #expect(await yoghurt.run { _, node in node.dispatch(PheromoneMessage("yoghurt", .noticeRequest), to: "luda") })
        try await mesh.world.play {
            try await luda.dispatch(PheromoneMessage("luda", .noticeRequest, "x"), to: "yoghurt")
        }
        mesh.world.advance(by: .seconds(1))
        let transcript = await yoghurt.run { _, node in node.transcript.map { $0.dropFirst(2) } }
        #expect(transcript.contains { $0.contains(#""name":"luda","operation":"noticeresp""#) }, "seed \(seed)")
        #expect(transcript.contains { $0.contains(#""operation":"noticereq","data":"eA==""#) }, "seed \(seed)")
        #expect(await yoghurt.run { _, node in node.lost } == 0, "seed \(seed)")
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `4 both add and greet each other at the same moment: two of ours keep a connection`(_ seed: UInt64)
        async throws
    {
        let mesh = MeshWorld()
        let network = SeededNetwork(seed: seed)
        let notes = Notes<String>()
        let luda = try await mesh.peer("luda", .long, at: "1:2", handler: Noting(notes))
        let yoghurt = try await mesh.peer("yoghurt", .long, at: "1:1", handler: Noting(notes))
        let (toLuda, toYoghurt) = (mesh.net["1:2"]!, mesh.net["1:1"]!)
        try await mesh.world.play {
            async let one: Void = luda.add("yoghurt", at: "1:1", over: network.over(toYoghurt))
            async let other: Void = yoghurt.add("luda", at: "1:2", over: network.over(toLuda))
            _ = try await (one, other)
            try await luda.dispatch(await luda.greeting(), to: "yoghurt")
            try await yoghurt.dispatch(await yoghurt.greeting(), to: "luda")
        }
        mesh.world.advance(by: .seconds(3))
        try await mesh.world.play {
            try await luda.dispatch(PheromoneMessage("luda", .noticeRequest, "from luda"), to: "yoghurt")
            try await yoghurt.dispatch(PheromoneMessage("yoghurt", .noticeRequest, "from yoghurt"), to: "luda")
        }
        mesh.world.advance(by: .seconds(1))
        #expect(notes.all.filter { $0.hasPrefix("from") }.sorted() == ["from luda", "from yoghurt"], "seed \(seed)")
    }

    private struct Noting: MessageHandler {
        let notes: Notes<String>
        init(_ notes: Notes<String>) { self.notes = notes }

        func handle(_ incoming: IncomingMessage) throws -> PheromoneMessage? {
            if incoming.message.operation == .noticeRequest {
                notes.add(String(decoding: incoming.message.data, as: UTF8.self))
            }
            return try StandardHandler().handle(incoming)
        }
    }
}
