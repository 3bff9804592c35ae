import Omniway
import OmniwayCrypto
import OmniwayTesting
import OmniwayWire
import Testing

@testable import OmniwayApp

/// What a client says, byte by byte, to a server that says what a test tells it to.
@Suite(.timeLimit(.minutes(2))) struct AppClientWireTests {
    private static let forever = Duration.seconds(100_000)

    @Test(arguments: [false, true]) func `a client says who it is, and that it has understood`(
        _ keepsMessages: Bool
    ) async throws {
        let server = try await ScriptedServer(keepsMessages: keepsMessages)
        let settings = AppClientSettings.with {
            $0.handshake = Handshake(
                platform: "p", libraryVersion: "l", clientBuild: "b", clientVersion: "v", user: ["token": "t"])
        }
        let scene = await server.begin(settings) { client in try await client.notify("a.b", Array("body".utf8)) }
        #expect(scene.isOver && scene.error == nil)
        let packets = await server.packets()
        #expect(packets.map(\.kind) == [.handshake, .handshakeAck, .data])
        let said = packets[0].body
        let handshake = try PomeloHandshake(unsafe said.span.bytes, limits: .messages)
        #expect(
            handshake
                == PomeloHandshake(
                    platform: "p", libVersion: "l", clientBuildNumber: "b", clientVersion: "v", user: ["token": "t"]))
        #expect(packets[2].body == [0x02, 3] + Array("a.bbody".utf8))
    }

    @Test func `routes of the dictionary go as codes, both ways`() async throws {
        let server = try await ScriptedServer()
        let heard = Notes<String>()
        let welcome = ScriptedServer.welcome(#"{"code":200,"sys":{"dict":{"a.b":258,"onPush":3}}}"#)
        _ = await server.begin(welcome: welcome) { client in
            client.on("onPush") { (body: [UInt8]) in heard.add(String(decoding: body, as: UTF8.self)) }
            try await client.notify("a.b", [UInt8]([7]))
            for await _ in client.states {}
        }
        #expect(await server.packets().last?.body == [0x03, 1, 2, 7])
        await server.say(.push(.code(3)), "by code")
        await server.say(.push(.text("onPush")), "by name")
        #expect(heard.all == ["by code", "by name"])
    }

    @Test func `long bodies are compressed, as long as that helps and is wanted`() async throws {
        let long = [UInt8](repeating: 97, count: 1000)
        for (compression, isSmall) in [(AppSettings.Compression.on, true), (.above(1001), false), (.off, false)] {
            let server = try await ScriptedServer()
            _ = await server.begin(.with { $0.compression = compression }) { client in
                try await client.notify("a.b", long)
            }
            let message = try #require(try await server.messages().first)
            #expect(message.head.isCompressed == isSmall)
            var body = Array(message.bytes[message.head.body])
            if isSmall {
                body = try PomeloCompression.inflated(unsafe body.span.bytes, atMost: 1000, by: DeflatePool())
            }
            #expect(body == long)
        }
    }

    @Test func `an answer inflates up to a limit, and no further`() async throws {
        for (count, isGood) in [(1000, true), (1001, false)] {
            let server = try await ScriptedServer()
            let settings = AppClientSettings.with { $0.maxInflatedSize = 1000 }
            let scene = await server.begin(settings) { client in
                let body: [UInt8] = try await client.request("a.b")
                #expect(body.count == count)
            }
            let body = [UInt8](repeating: 97, count: count)
            let short = try #require(
                PomeloCompression(threshold: 0).compressed(
                    unsafe body.span.bytes, by: DeflatePool()))
            var packet: [UInt8] = []
            try PomeloMessageHead.response(id: 1).append(to: &packet, body: short.count, isCompressed: true)
            await server.say(packet + short)
            #expect(scene.isOver)
            #expect((scene.error == nil) == isGood)
            if !isGood { #expect(scene.error as? AppClientError == .lost(.badPacket)) }
        }
    }

    @Test func `a heartbeat goes out each interval, and a silent server is lost at the third`() async throws {
        let server = try await ScriptedServer()
        let scene = await server.begin(.with { $0.reconnect = nil }) { client in
            var states: [AppClient.State] = []
            for await state in client.states { states.append(state) }
            #expect(states == [.connected, .ended(.lost(.heartbeatTimeout))])
        }
        for second in 1..<30 {
            server.world.advance(by: .seconds(1))
            #expect(await server.kinds().count { $0 == .heartbeat } == second / 10)
        }
        #expect(!scene.isOver)
        server.world.advance(by: .seconds(1))
        #expect(scene.isOver)
    }

    @Test func `a server that beats is kept, and without an interval nobody beats`() async throws {
        let server = try await ScriptedServer()
        let scene = await server.begin { client in for await _ in client.states {} }
        for _ in 0..<10 {
            server.world.advance(by: .seconds(9))
            await server.say([3, 0, 0, 0])
        }
        #expect(await server.isOpen() && !scene.isOver)
        let quiet = try await ScriptedServer()
        _ = await quiet.begin(welcome: ScriptedServer.welcome(#"{"code":200}"#)) { client in
            for await _ in client.states {}
        }
        quiet.world.advance(by: Self.forever)
        #expect(await quiet.kinds() == [.handshake, .handshakeAck])
        #expect(await quiet.isOpen())
    }

    @Test func `a server that does not answer the handshake is given up in time`() async throws {
        let server = try await ScriptedServer()
        let scene = await server.begin(.with { $0.connectLimit = .seconds(3) }, welcome: [3, 0, 0, 0])
        server.world.advance(by: .milliseconds(2999))
        #expect(!scene.isOver)
        server.world.advance(by: .milliseconds(1))
        #expect(scene.error as? AppClientError == .lost(.handshakeTimeout))
    }

    @Test func `several packets in one message are taken, and a cut one ends the connection`() async throws {
        let answer = TestClient.message(.response(id: 1), "one")
        for (message, isGood) in [(answer + answer + [3, 0, 0, 0], true), (answer + [3, 0, 0], false)] {
            let server = try await ScriptedServer(keepsMessages: true)
            let heard = Notes<String>()
            _ = await server.begin { client in
                let body: [UInt8] = try await client.request("a.b")
                heard.add(String(decoding: body, as: UTF8.self))
                for await _ in client.states {}
            }
            await server.say(message)
            #expect(heard.all == ["one"])
            #expect(await server.isOpen() == isGood)
        }
    }

    @Test func `pauses before coming back grow, and a connection that lasts begins anew`() async throws {
        let server = try await ScriptedServer()
        let settings = AppClientSettings.with {
            $0.reconnect = Reconnecting(first: .seconds(1), longest: .seconds(8))
        }
        _ = await server.begin(settings) { client in for await _ in client.states {} }
        var pauses: [Duration] = []
        for round in 0..<6 {
            if round > 0 { await server.say(ScriptedServer.welcome(), round) }
            if round == 5 { server.world.advance(by: .seconds(8)) }
            await server.hangUp(round)
            let begin = server.world.clock.now
            while await server.connections == round + 1 { server.world.advance(by: .milliseconds(10)) }
            pauses.append(server.world.clock.now - begin)
        }
        for (pause, whole) in zip(pauses, [1, 2, 4, 8, 8, 1]) {
            #expect(pause >= .seconds(whole) / 2 && pause <= .seconds(whole) + .milliseconds(10), "\(pauses)")
        }
    }

    @Test func `a refusal or a kick while it comes back ends it, and it tries no more`() async throws {
        for (bytes, end) in [
            (ScriptedServer.welcome(#"{"code":400}"#), AppClientError.refused(code: 400)), ([5, 0, 0, 0], .kicked),
        ] {
            let server = try await ScriptedServer()
            let scene = await server.begin { client in
                var last = AppClient.State.connected
                for await state in client.states { last = state }
                #expect(last == .ended(end))
            }
            await server.hangUp()
            server.world.advance(by: .seconds(1))
            await server.say(bytes, 1)
            #expect(scene.isOver)
            server.world.advance(by: .seconds(1000))
            #expect(await server.connections == 2)
        }
    }

    @Test func `messages wait while the server does not read, up to a limit, and none is lost`() async throws {
        let server = try await ScriptedServer(queue: QueueLimits(low: 1 << 10, high: 4 << 10, unread: 64 << 20))
        let body = [UInt8](repeating: 1, count: 100_000)
        let (sent, failed) = (Notes<Int>(), Notes<String>())
        let settings = AppClientSettings.with {
            $0.compression = .off
            $0.mostWaiting = 5
            $0.requestLimit = Self.forever
        }
        let scene = await server.begin(settings, welcome: []) { client in
            await withTaskGroup(of: Void.self) { group in
                for number in 1...20 {
                    group.addTask {
                        do {
                            try await client.notify("a.b", body)
                            sent.add(number)
                        } catch { failed.add("\(error)") }
                    }
                }
            }
        }
        await server.pause()
        await server.say(ScriptedServer.welcome(#"{"code":200}"#))
        #expect(!sent.all.isEmpty && sent.all.count + failed.all.count == 15, "five wait")
        #expect(Set(failed.all) == [AppClientError.tooManyWaiting(5).description])
        await server.resume()
        #expect(scene.isOver)
        #expect(sent.all.count + failed.all.count == 20)
        #expect(try await server.messages().count == sent.all.count)
    }
}
