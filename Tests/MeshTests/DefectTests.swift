import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayMesh

/// What hangs, floods or robs the original.
@Suite(.timeLimit(.minutes(2))) struct DefectTests {
    @Test func `an unknown operation is answered once on a long connection, and the storm does not begin`() async throws
    {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.peer("yoghurt", .long, at: "1:1")
        let probe = await mesh.probe("1:1")
        for _ in 0..<20 {
            await probe.send(PheromoneMessage("luda", PheromoneOperation(rawValue: "bogus")).text)
            await probe.send(PheromoneMessage("luda", .unknown).text)
            mesh.world.advance(by: .milliseconds(200))
        }
        #expect(await probe.text == PheromoneMessage("yoghurt", .unknown).text)
        _ = yoghurt
    }

    /// 892 messages in 200 ms between two originals.
    @Test func `the original answers unknownop with unknownop, and gets no answer to that`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .long, at: "1:1")
        let luda = try await mesh.peer("luda", .long, at: "1:2")
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "1:1")
            try await luda.dispatch(await luda.greeting(), to: "yoghurt")
            try await luda.dispatch(PheromoneMessage("luda", PheromoneOperation(rawValue: "bogus")), to: "yoghurt")
        }
        mesh.world.advance(by: .seconds(10))
        let words = await yoghurt.run { _, node in node.transcript.filter { $0.contains("unknownop") } }
        #expect(words == [#"0< {"name":"yoghurt","operation":"unknownop","data":null}"#])
    }

    @Test func `an unknown operation ends the loop of a short session`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .short, at: "1:1")
        let luda = try await mesh.peer("luda", .short, at: "1:2")
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "1:1")
            var next: PheromoneMessage? = PheromoneMessage("luda", PheromoneOperation(rawValue: "bogus"))
            while let message = next, let answer = try await luda.dispatch(message, to: "yoghurt") {
                next = try await luda.handle(answer)
            }
        }
        #expect(await yoghurt.run { _, node in node.accepted } == 1)
    }

    @Test func `who takes a name over does not close its holder, and gets nothing that is for it`() async throws {
        let mesh = MeshWorld()
        let luda = try await mesh.peer("luda", .long, at: "1:1")
        let holder = await mesh.probe("1:1")
        await holder.send(PheromoneMessage.greeting("twin", at: "127.0.0.1:1").text)
        let thief = await mesh.probe("1:1")
        await thief.send(PheromoneMessage.greeting("twin", at: "127.0.0.1:2").text)
        await thief.send(PheromoneMessage("twin", .noticeResponse).text)
        mesh.world.advance(by: .seconds(3))
        try await mesh.world.play { try await luda.dispatch(PheromoneMessage("luda", .noticeRequest), to: "twin") }
        mesh.world.advance(by: .seconds(1))
        #expect(await holder.text.contains("noticereq"))
        #expect(await !thief.text.contains("noticereq"))
        #expect(await !holder.hasEnded)
    }

    @Test func `nobody takes over a name that the application gave an address, even with a lower one`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .short, at: "9:9")
        let thief = try await mesh.original("thief", .short, at: "0:0")
        let luda = try await mesh.peer("luda", .short, at: "1:1")
        try await mesh.world.play { try await luda.add("yoghurt", at: "9:9") }
        await mesh.probe("1:1").send(PheromoneMessage.greeting("yoghurt", at: "0:0").text)
        try await mesh.world.play { try await luda.dispatch(PheromoneMessage("luda", .getRequest), to: "yoghurt") }
        #expect(await yoghurt.run { _, node in node.accepted } == 1)
        #expect(await thief.run { _, node in node.accepted } == 0)
    }

    /// The next addition hangs the original for ever.
    @Test func `the lock that leaks on a route added twice: the next addition returns`() async throws {
        let mesh = MeshWorld()
        let luda = try await mesh.peer("luda", .short)
        try await mesh.world.play(within: .seconds(1)) {
            try await luda.add("a", at: "127.0.0.1:1")
            for _ in 0..<2 {
                await #expect(throws: MeshError.self) { try await luda.add("a", at: "127.0.0.1:1") }
            }
            await #expect(throws: MeshError.unknownPeer("nobody")) {
                try await luda.dispatch(PheromoneMessage("luda", .getRequest), to: "nobody")
            }
            try await luda.add("b", at: "127.0.0.1:2")
            await #expect(throws: MeshError.unknownPeer("nobody")) {
                try await luda.dispatch(PheromoneMessage("luda", .getRequest), to: "nobody")
            }
            #expect(await luda.peers().map(\.name) == ["a", "b"])
        }
    }

    @Test func `the lock that leaks on a message to nobody: the next addition returns`() async throws {
        let mesh = MeshWorld()
        _ = try await mesh.original("a", .long, at: "1:1")
        let luda = try await mesh.peer("luda", .long)
        try await mesh.world.play(within: .seconds(1)) {
            await #expect(throws: MeshError.unknownPeer("nobody")) {
                try await luda.dispatch(PheromoneMessage("luda", .getRequest), to: "nobody")
            }
            try await luda.add("a", at: "1:1")
            #expect(await luda.peers().map(\.name) == ["a"])
        }
    }
}
