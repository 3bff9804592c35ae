import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayMesh

/// Short connections: as caller and as listener, with peers of ours and with what the original does.
@Suite(.timeLimit(.minutes(2))) struct ShortPeerTests {
    /// The loop of the original's document.
    private static func drive(
        _ peer: MeshPeer, to name: String, _ first: PheromoneMessage, _ notes: Notes<String>
    ) async throws {
        var next: PheromoneMessage? = first
        while let message = next {
            notes.add(message.text)
            guard let answer = try await peer.dispatch(message, to: name) else { return }
            notes.add(answer.text)
            next = try await peer.handle(answer)
        }
    }

    private struct Session: Decodable {
        struct Message: Decodable { let utf8: String }
        let messages: [Message]
    }

    @Test func `a session with the original is the eight recorded messages over four connections`() async throws {
        let recorded = try Vectors.decode(Session.self, from: "mesh-messages").messages.map(\.utf8)
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .short, at: "127.0.0.1:23005")
        let luda = try await mesh.peer("luda", .short, at: "127.0.0.1:23004")
        let notes = Notes<String>()
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "127.0.0.1:23005")
            try await Self.drive(luda, to: "yoghurt", await luda.greeting(), notes)
        }
        #expect(notes.all == recorded)
        let expected = recorded.enumerated().map { "\($0 / 2)\($0.isMultiple(of: 2) ? ">" : "<") \($1)" }
        #expect(await yoghurt.run { _, node in node.transcript } == expected)
    }

    @Test func `a session between two peers of ours is the same, and makes the caller known`() async throws {
        let recorded = try Vectors.decode(Session.self, from: "mesh-messages").messages.map(\.utf8)
        let mesh = MeshWorld()
        let yoghurt = try await mesh.peer("yoghurt", .short, at: "127.0.0.1:23005")
        let luda = try await mesh.peer("luda", .short, at: "127.0.0.1:23004")
        let notes = Notes<String>()
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "127.0.0.1:23005")
            try await Self.drive(luda, to: "yoghurt", await luda.greeting(), notes)
            #expect(await yoghurt.peers() == [MeshRoute(name: "luda", address: "127.0.0.1:23004")])
            // And the other way round, by what the greeting told.
            try await Self.drive(yoghurt, to: "luda", await yoghurt.greeting(), notes)
        }
        #expect(notes.all.prefix(8) == recorded[...])
        #expect(notes.all.count == 16)
        #expect(notes.all.last == #"{"name":"luda","operation":"noticeresp","data":null}"#)
        mesh.world.advance(by: .seconds(1))
        #expect(await mesh.world.first.run { $0.linkCount } == 0, "every connection has ended")
    }

    @Test func `a broadcast gives the answers of those who answered`() async throws {
        let mesh = MeshWorld()
        let luda = try await mesh.peer("luda", .short, at: "1:1")
        _ = try await mesh.original("diudiu", .short, at: "1:2")
        let silent = try await mesh.original("silent", .short, at: "1:3")
        await silent.run { _, node in node.hangs = true }
        let yoghurt = try await mesh.peer("yoghurt", .short, at: "1:4")
        try await mesh.world.play {
            try await yoghurt.add("luda", at: "1:1")
            try await yoghurt.add("diudiu", at: "1:2")
            try await yoghurt.add("silent", at: "1:3")
            try await yoghurt.add("nowhere", at: "1:9")
            let answers = try await yoghurt.dispatchToAll(await yoghurt.greeting())
            #expect(answers.map(\.route.name) == ["diudiu", "luda"])
            #expect(answers.map(\.message.operation) == [.connectResponse, .connectResponse])
            #expect(await luda.peers() == [MeshRoute(name: "yoghurt", address: "1:4")])
            #expect(try await yoghurt.dispatchToAll(PheromoneMessage("yoghurt", .getRequest), named: "luda").count == 1)
        }
    }

    @Test func `a broadcast to many who are nowhere comes to an end`() async throws {
        let mesh = MeshWorld()
        let luda = try await mesh.peer("luda", .short) { $0.dialer = { _ in nil } }
        try await mesh.world.play {
            for number in 0..<2000 { try await luda.add("p\(number)", at: "x") }
            #expect(try await luda.dispatchToAll(PheromoneMessage("luda", .getRequest)).isEmpty)
        }
    }

    @Test func `who does not answer is given up after three times the timeout, and asked once`() async throws {
        let mesh = MeshWorld()
        let stuck = try await mesh.original("stuck", .short, at: "1:1")
        await stuck.run { _, node in node.hangs = true }
        let luda = try await mesh.peer("luda", .short)
        let clock = mesh.world.clock
        try await mesh.world.play {
            try await luda.add("stuck", at: "1:1")
            let start = clock.now
            do throws(MeshError) {
                try await luda.dispatch(PheromoneMessage("luda", .getRequest), to: "stuck")
                Issue.record("it was answered")
            } catch { #expect(error.number == 1001) }
            #expect(clock.now - start == .milliseconds(300))
        }
        #expect(await stuck.run { _, node in node.accepted } == 1)
        #expect(await mesh.meter("omniway_mesh_sent_total") == 1)
    }

    @Test func `an answer after the first timeout, which the original loses, is the answer`() async throws {
        let mesh = MeshWorld()
        let intake = await mesh.world.first.own { _ in RecordingIntake() }
        _ = try await mesh.net.listen(at: "1:1").open(into: [intake])
        let luda = try await mesh.peer("luda", .short)
        let reply = PheromoneMessage("slow", .connectResponse)
        await intake.run { _, intake in
            intake.prepare = { recorder, _ in
                recorder.then = { event, link in
                    if case .opened = event { link.loop.after(.milliseconds(150), Later(link, reply.bytes)) }
                }
            }
        }
        try await mesh.world.play {
            try await luda.add("slow", at: "1:1")
            #expect(try await luda.dispatch(PheromoneMessage("luda", .connectRequest), to: "slow") == reply)
        }
        let said = await intake.run { _, intake in intake.recorders.map { $0.bytes.count } }
        #expect(said == [PheromoneMessage("luda", .connectRequest).bytes.count], "the request was written once")
    }

    private final class Later: TimerTarget {
        private let link: Link
        private let bytes: [UInt8]
        init(_ link: Link, _ bytes: [UInt8]) { (self.link, self.bytes) = (link, bytes) }
        func timerFired(_ token: UInt64, on loop: Loop) { link.write(bytes) }
    }

    @Test func `nobody there is 2004, nobody known is 4001, and neither stops what follows`() async throws {
        let mesh = MeshWorld()
        let luda = try await mesh.peer("luda", .short)
        let yoghurt = try await mesh.peer("yoghurt", .short, at: "1:2")
        try await mesh.world.play {
            let message = PheromoneMessage("luda", .getRequest)
            try await luda.add("c", at: "not an address")
            for (name, number) in [("nobody", 4001), ("c", 2004), ("nobody", 4001)] {
                do throws(MeshError) {
                    try await luda.dispatch(message, to: name)
                    Issue.record("\(name) was reached")
                } catch { #expect(error.number == number) }
            }
            #expect(await luda.peers().map(\.name) == ["c"], "the route stays")
            try await luda.add("yoghurt", at: "1:2")
            #expect(try await luda.dispatch(message, to: "yoghurt")?.operation == .getResponse)
        }
        _ = yoghurt
    }

    @Test func `a peer that closes without a word has given no answer`() async throws {
        let mesh = MeshWorld()
        let intake = await mesh.world.first.own { _ in RecordingIntake() }
        _ = try await mesh.net.listen(at: "1:1").open(into: [intake])
        await intake.run { _, intake in
            intake.prepare = { recorder, _ in
                recorder.then = { event, link in if case .opened = event { link.close(.done) } }
            }
        }
        let luda = try await mesh.peer("luda", .short)
        try await mesh.world.play {
            try await luda.add("mute", at: "1:1")
            #expect(try await luda.dispatch(PheromoneMessage("luda", .getRequest), to: "mute") == nil)
        }
    }

    @Test func `10,240 bytes arrive and 10,241 are refused before anything is sent`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.original("yoghurt", .short, at: "1:1")
        let luda = try await mesh.peer("luda", .short)
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "1:1")
            var message = PheromoneMessage(name: "", operation: .getRequest, data: [UInt8](repeating: 1, count: 7_500))
            message.name = String(repeating: "a", count: 10_240 - message.bytes.count)
            #expect(try await luda.dispatch(message, to: "yoghurt")?.operation == .getResponse)
            message.name += "a"
            await #expect(throws: MeshError.messageTooLarge(bytes: 10_241)) {
                try await luda.dispatch(message, to: "yoghurt")
            }
        }
        #expect(await yoghurt.run { _, node in node.accepted } == 1)
    }

    @Test func `a message that comes byte by byte is answered`() async throws {
        let mesh = MeshWorld()
        _ = try await mesh.peer("yoghurt", .short, at: "1:1")
        let probe = await mesh.probe("1:1")
        for byte in #"{"name":"luda","operation":"getreq","data":null}"#.map(String.init) {
            #expect(await probe.text == "")
            await probe.send(byte)
            mesh.world.advance(by: .milliseconds(20))
        }
        #expect(await probe.text == #"{"name":"yoghurt","operation":"getresp","data":null}"#)
        #expect(await probe.hasEnded)
    }

    @Test func `a message repeated by a caller who waits is answered once`() async throws {
        let mesh = MeshWorld()
        _ = try await mesh.peer("yoghurt", .short, at: "1:1")
        let probe = await mesh.probe("1:1")
        let request = #"{"name":"luda","operation":"getreq","data":null}"#
        await probe.send(request + request + request)
        #expect(await probe.text == #"{"name":"yoghurt","operation":"getresp","data":null}"#)
    }

    @Test func `a connection that says nothing, or never ends its message, is closed`() async throws {
        let mesh = MeshWorld()
        _ = try await mesh.peer("yoghurt", .short, at: "1:1")
        let (silent, slow) = (await mesh.probe("1:1"), await mesh.probe("1:1"))
        for _ in 0..<49 {
            await slow.send("{")
            mesh.world.advance(by: .milliseconds(100))
        }
        #expect(await !slow.hasEnded)
        mesh.world.advance(by: .milliseconds(200))
        #expect(await slow.hasEnded)
        #expect(await !silent.hasEnded)
        mesh.world.advance(by: .seconds(5))
        #expect(await silent.hasEnded)
    }

    @Test func `no bytes of a peer do more than end its connection`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.peer("yoghurt", .short, at: "1:1") { $0.maxMessageSize = 1000 }
        var random = SeededRandom(seed: 7)
        for _ in 0..<200 {
            let probe = await mesh.probe("1:1")
            let alphabet = Array(#"{}[]":,\ aen0"#)
            let text = String((0..<40).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] })
            await probe.send(text)
            await probe.finish()
        }
        let large = await mesh.probe("1:1")
        await large.send("{\"name\":\"" + String(repeating: "a", count: 1200))
        #expect(await large.hasEnded)
        await large.finish()
        mesh.world.advance(by: .seconds(20))
        try await mesh.world.play { #expect(await yoghurt.peers().isEmpty) }
        #expect(await mesh.world.first.run { $0.linkCount } == 0)
    }

    @Test func `a peer is reached over any dialer, and over links that keep messages`() async throws {
        let mesh = MeshWorld()
        let yoghurt = try await mesh.peer("yoghurt", .short)
        let framed = InProcess(traits: LinkTraits(keepsMessages: true))
        try await yoghurt.serve(framed)
        let luda = try await mesh.peer("luda", .short)
        try await mesh.world.play {
            try await luda.add("yoghurt", at: "by pipe", over: MessageJoining().over(framed))
            #expect(try await luda.dispatch(await luda.greeting(), to: "yoghurt")?.operation == .connectResponse)
            #expect(await yoghurt.peers().isEmpty, "it listens nowhere, so nobody can answer it later")
        }
    }
}
