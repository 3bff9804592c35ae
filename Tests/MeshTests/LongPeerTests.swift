import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayMesh

/// Kept connections: as who dials and as who listens, with peers of ours and with what the original does.
@Suite(.timeLimit(.minutes(2))) struct LongPeerTests {
    private struct Session: Decodable {
        struct Message: Decodable { let utf8: String }
        let messages: [Message]
    }

    @Test func `a session with the original is the eight recorded messages on one connection`() async throws {
        let recorded = try Vectors.decode(Session.self, from: "mesh-messages").messages.map(\.utf8)
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .long, at: "127.0.0.1:23005")
        let luda = try await mesh.peer("luda", .long, at: "127.0.0.1:23004")
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "127.0.0.1:23005")
            try await luda.dispatch(await luda.greeting(), to: "yoghurt")
        }
        mesh.world.advance(by: .seconds(1))
        let expected = recorded.enumerated().map { "0\($0.isMultiple(of: 2) ? ">" : "<") \($1)" }
        #expect(await yoghurt.run { _, node in node.transcript } == expected)
        #expect(await yoghurt.run { _, node in node.lost } == 0)
    }

    @Test func `whoever has dialled greets by itself, before the original stops listening`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .long, at: "1:1")
        let luda = try await mesh.peer("luda", .long, at: "1:2")
        try await mesh.world.play { try await luda.add("yoghurt", at: "1:1") }
        mesh.world.advance(by: .seconds(3))
        #expect(await yoghurt.run { _, node in node.transcript.count } == 8)
        #expect(await yoghurt.run { _, node in node.routes.keys.sorted() } == ["luda"])
    }

    @Test func `another first message goes behind the greeting`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .long, at: "1:1")
        let luda = try await mesh.peer("luda", .long, at: "1:2")
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "1:1")
            try await luda.dispatch(PheromoneMessage("luda", .noticeRequest, "news"), to: "yoghurt")
        }
        mesh.world.advance(by: .seconds(1))
        let transcript = await yoghurt.run { _, node in node.transcript.filter { $0.hasPrefix("0>") } }
        #expect(transcript.first?.contains("connectreq") == true)
        #expect(transcript.contains { $0.contains("noticereq") && $0.contains("bmV3cw==") })
        #expect(await yoghurt.run { _, node in node.lost } == 0)
    }

    @Test func `the other side greets on the same connection, and sends on it`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .long, at: "1:1")
        let luda = try await mesh.peer("luda", .long, at: "1:2")
        try await mesh.world.play { try await luda.add("yoghurt", at: "1:1") }
        mesh.world.advance(by: .seconds(1))
        let greeting = PheromoneMessage.greeting("yoghurt", at: "1:1")
        #expect(await yoghurt.run { _, node in node.dispatch(greeting, to: "luda") })
        mesh.world.advance(by: .seconds(1))
        let transcript = await yoghurt.run { _, node in node.transcript }
        #expect(transcript.suffix(4).contains { $0.hasPrefix("0> ") && $0.contains("noticeresp") })
        try await mesh.world.play {
            #expect(await luda.peers() == [MeshRoute(name: "yoghurt", address: "1:1")])
        }
    }

    @Test func `however many are sent at once, the original never finds two messages in one read`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .long, at: "1:1")
        let luda = try await mesh.peer("luda", .long, at: "1:2")
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "1:1")
            for number in 0..<50 {
                try await luda.dispatch(PheromoneMessage("luda", .noticeRequest, "\(number)"), to: "yoghurt")
            }
        }
        mesh.world.advance(by: .seconds(30))
        let notices = await yoghurt.run { _, node in node.transcript.filter { $0.contains("noticereq") }.count }
        #expect(notices >= 50)
        #expect(await yoghurt.run { _, node in node.lost } == 0)
    }

    @Test func `only so many messages wait for their turn`() async throws {
        let mesh = MeshWorld()
        let stuck = try await mesh.original("stuck", .long, at: "1:1")
        await stuck.run { _, node in node.hangs = true }
        let luda = try await mesh.peer("luda", .long) { $0.maxWaiting = 10 }
        try await mesh.world.play {
            try await luda.add("stuck", at: "1:1")
            await #expect(throws: MeshError.queueFull(10)) {
                for _ in 0..<20 { try await luda.dispatch(PheromoneMessage("luda", .noticeRequest), to: "stuck") }
            }
        }
    }

    @Test func `a broadcast goes to everybody, and the answers to the handler`() async throws {
        let mesh = MeshWorld()
        let luda = try await mesh.original("luda", .long, at: "1:1")
        let diudiu = try await mesh.original("diudiu", .long, at: "1:2")
        let yoghurt = try await mesh.peer("yoghurt", .long, at: "1:3")
        try await mesh.world.play {
            try await yoghurt.add("luda", at: "1:1")
            try await yoghurt.add("diudiu", at: "1:2")
            #expect(try await yoghurt.dispatchToAll(await yoghurt.greeting()).isEmpty)
        }
        mesh.world.advance(by: .seconds(1))
        for node in [luda, diudiu] { #expect(await node.run { _, node in node.transcript.count } == 8) }
    }

    @Test func `a greeting twice is answered twice and known once`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.peer("yoghurt", .long, at: "1:1")
        let probe = await mesh.probe("1:1")
        let greeting = PheromoneMessage.greeting("luda", at: "1:2").text
        await probe.send(greeting)
        mesh.world.advance(by: .milliseconds(150))
        await probe.send(greeting)
        mesh.world.advance(by: .milliseconds(150))
        #expect(await probe.text == String(repeating: PheromoneMessage("yoghurt", .connectResponse).text, count: 2))
        try await mesh.world.play { #expect(await yoghurt.peers() == [MeshRoute(name: "luda", address: "1:2")]) }
    }

    @Test func `10,240 bytes arrive on a kept connection too, and 10,241 are refused before anything is sent`()
        async throws
    {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .long, at: "1:1")
        let luda = try await mesh.peer("luda", .long, at: "1:2")
        var message = PheromoneMessage(name: "", operation: .getRequest, data: [UInt8](repeating: 1, count: 7_500))
        message.name = String(repeating: "a", count: 10_240 - message.bytes.count)
        let largest = message
        message.name += "a"
        let tooLarge = message
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "1:1")
            try await luda.dispatch(largest, to: "yoghurt")
            await #expect(throws: MeshError.messageTooLarge(bytes: 10_241)) {
                try await luda.dispatch(tooLarge, to: "yoghurt")
            }
        }
        mesh.world.advance(by: .seconds(3))
        let transcript = await yoghurt.run { _, node in node.transcript.filter { $0.hasPrefix("0> ") } }
        #expect(transcript.contains("0> \(largest.text)"))
        #expect(!transcript.contains { $0.contains(tooLarge.name) })
        #expect(await yoghurt.run { _, node in node.lost } == 0)
    }

    @Test func `a late greeting is answered, and a connection that says nothing is closed`() async throws {
        let mesh = MeshWorld()
        _ = try await mesh.peer("yoghurt", .long, at: "1:1")
        let (late, silent) = (await mesh.probe("1:1"), await mesh.probe("1:1"))
        mesh.world.advance(by: .milliseconds(400))
        await late.send(PheromoneMessage.greeting("luda", at: "1:2").text)
        #expect(await late.text == PheromoneMessage("yoghurt", .connectResponse).text)
        mesh.world.advance(by: .seconds(10))
        #expect(await silent.hasEnded)
        #expect(await !late.hasEnded)
    }

    @Test func `a peer that goes away is forgotten, and one that is not there is 2004`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .long, at: "1:1")
        let luda = try await mesh.peer("luda", .long, at: "1:2")
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "1:1")
            do throws(MeshError) {
                try await luda.add("nobody", at: "1:9")
                Issue.record("nobody was connected to")
            } catch { #expect(error.number == 2004) }
            #expect(await luda.peers().map(\.name) == ["yoghurt"])
        }
        mesh.world.advance(by: .seconds(1))
        await yoghurt.run { _, node in node.close("luda") }
        mesh.world.settle()
        try await mesh.world.play {
            #expect(await luda.peers().isEmpty)
            do throws(MeshError) {
                try await luda.dispatch(PheromoneMessage("luda", .getRequest), to: "yoghurt")
                Issue.record("a message to nobody was taken")
            } catch { #expect(error.number == 4001) }
        }
    }

    @Test func `the same route again is 2002, an empty one 2001, and what is not there cannot be deleted`() async throws
    {
        let mesh = MeshWorld()
        _ = try await mesh.original("yoghurt", .long, at: "1:1")
        let luda = try await mesh.peer("luda", .long, at: "1:2")
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "1:1")
            for (address, number) in [("1:1", 2002), ("", 2001)] {
                do throws(MeshError) {
                    try await luda.add("yoghurt", at: address)
                    Issue.record("\(address) was added")
                } catch { #expect(error.number == number) }
            }
            try await luda.delete("yoghurt")
            do throws(MeshError) {
                try await luda.delete("yoghurt")
                Issue.record("it was deleted twice")
            } catch { #expect(error.number == 2001) }
        }
        mesh.world.settle()
        #expect(await mesh.world.first.run { $0.linkCount } == 0)
    }

    @Test func `a message that the application has handled itself makes nobody known without a connection`()
        async throws
    {
        let mesh = MeshWorld()
        let luda = try await mesh.peer("luda", .long)
        try await mesh.world.play {
            let answer = try await luda.handle(.greeting("yoghurt", at: "1:1"))
            #expect(answer?.operation == .connectResponse)
            #expect(await luda.peers().isEmpty)
        }
    }

    @Test func `closing a peer ends its connections`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.peer("yoghurt", .long, at: "1:1")
        let probe = await mesh.probe("1:1")
        await probe.send(PheromoneMessage.greeting("luda", at: "1:2").text)
        try await mesh.world.play { await yoghurt.close() }
        mesh.world.settle()
        #expect(await probe.hasEnded)
        try await mesh.world.play { #expect(await yoghurt.peers().isEmpty) }
    }
}
