import Omniway
import OmniwayCrypto
import OmniwayTesting
import OmniwayWire
import Testing

@testable import OmniwayApp

@Suite struct DispatchTests {
    @Test func `messages of one session begin in order, plain ones behind those that wait`() async throws {
        let app = App(type: "room")
        app.on("room.slow") { (body: [UInt8], context) in
            try context.session.push("began", "slow")
            try await context.sleep(for: .seconds(1))
            return body
        }
        app.on("room.fast") { (body: [UInt8], context) in
            try context.session.push("began", "fast")
            return body
        }
        let world = try await AppWorld(app)
        let player = await world.player()
        let both =
            TestClient.message(.request(id: 1, .text("room.slow")), "1")
            + TestClient.message(.request(id: 2, .text("room.fast")), "2")
        await player.send(both)
        #expect(await player.message()?.text == #""slow""#)
        #expect(await player.message()?.text == #""fast""#)
        #expect(await player.message()?.id == 2)
        world.world.advance(by: .seconds(1))
        #expect(await player.message()?.id == 1)
    }

    @Test func `a slow handler of one session does not hold up another`() async throws {
        let app = App(type: "room")
        app.on("room.sleep") { (body: [UInt8], context) in
            try await context.sleep(for: .seconds(10))
            return body
        }
        app.on("room.echo") { (body: [UInt8], context) in body }
        let world = try await AppWorld(app)
        let (slow, quick) = (await world.player(), await world.player())
        for id in 1...40 { await slow.request("room.sleep", id: UInt64(id)) }
        #expect(await quick.ask("room.echo", "x") == "x")
        #expect(await slow.message() == nil)
    }

    @Test func `a session with as much under way as may be is read again when something ends`() async throws {
        var settings = AppSettings()
        settings.inFlight.perSession = 2
        settings.heartbeat = .zero
        for keepsMessages in [false, true] {
            let app = App(type: "room", settings: settings)
            app.on("room.sleep") { (body: [UInt8], context) in
                try await context.sleep(for: .seconds(1))
                return body
            }
            let world = try await AppWorld(app)
            let player = await world.player(keepsMessages: keepsMessages)
            await player.send((1...5).flatMap { TestClient.message(.request(id: $0, .text("room.sleep")), "") })
            #expect(await world.meter("omniway_app_calls") == 2)
            var answered: [UInt64] = []
            for _ in 1...3 {
                world.world.advance(by: .seconds(1))
                while let message = await player.message() { answered.append(message.id) }
            }
            #expect(answered == [1, 2, 3, 4, 5])
        }
    }

    @Test func `a full server refuses with a hint when it is told to`() async throws {
        var settings = AppSettings()
        settings.inFlight.perServer = 1
        settings.inFlight.whenFull = .refuses(retryAfter: .milliseconds(1500))
        let app = App(type: "room", settings: settings)
        app.on("room.sleep") { (body: [UInt8], context) in
            try await context.sleep(for: .seconds(1))
            return body
        }
        let world = try await AppWorld(app)
        let (first, second) = (await world.player(), await world.player())
        await first.request("room.sleep")
        let refusal = await second.ask("room.sleep")
        #expect(
            refusal
                == #"{"code":"PIT-503","msg":"too much is under way; try again later","#
                + #""metadata":{"retry-after":"1.5"}}"#)
        #expect(await world.meter("omniway_app_overloaded_total") == 1)
        world.world.advance(by: .seconds(1))
        await second.request("room.sleep")
        world.world.advance(by: .seconds(1))
        #expect(await second.message()?.isError == false)
    }

    @Test func `a full server reads nobody until there is room`() async throws {
        var settings = AppSettings()
        settings.inFlight.perServer = 1
        let app = App(type: "room", settings: settings)
        app.on("room.sleep") { (body: [UInt8], context) in
            try await context.sleep(for: .seconds(1))
            return body
        }
        let world = try await AppWorld(app)
        let players = [await world.player(), await world.player(), await world.player()]
        for player in players { await player.request("room.sleep") }
        for second in 1...3 {
            world.world.advance(by: .seconds(1))
            var answered = 0
            for player in players where await player.hasMessage { answered += 1 }
            #expect(answered == second)
        }
    }

    @Test func `a handler that takes too long is answered for, and cancelled`() async throws {
        var settings = AppSettings()
        settings.callLimit = .seconds(2)
        let app = App(type: "room", settings: settings)
        app.on("room.sleep") { (body: [UInt8], context) in
            do { try await context.sleep(for: .seconds(60)) } catch {
                try context.session.push("cancelled", "\(error is CancellationError)")
                throw error
            }
            return body
        }
        let world = try await AppWorld(app)
        let player = await world.player()
        await player.request("room.sleep")
        world.world.advance(by: .seconds(2))
        #expect(await player.message()?.text == #"{"code":"PIT-408","msg":"the handler took too long"}"#)
        #expect(await player.message()?.text == #""true""#)
        #expect(await player.message() == nil)
    }

    @Test func `the end of a session cancels its handlers`() async throws {
        let ended = Lock(false)
        let app = App(type: "room")
        app.on("room.sleep") { (body: [UInt8], context) in
            do { try await context.sleep(for: .seconds(60)) } catch { ended.withLock { $0 = true } }
            return body
        }
        let world = try await AppWorld(app)
        let player = await world.player()
        await player.request("room.sleep")
        await player.close()
        #expect(ended.withLock { $0 })
        #expect(await world.meter("omniway_app_calls") == 0)
    }

    @Test func `more packets than the rate allows are answered or dropped, and counted`() async throws {
        var settings = AppSettings()
        settings.rateLimit = AppSettings.RateLimit(5, per: .seconds(1))
        let app = App(type: "room", settings: settings)
        app.on("room.echo") { (body: [UInt8], context) in body }
        let world = try await AppWorld(app)
        let player = await world.player()
        await player.send((1...10).flatMap { TestClient.message(.request(id: $0, .text("room.echo")), "x") })
        var errors = 0
        for _ in 1...10 { if await player.message()?.isError == true { errors += 1 } }
        #expect(errors == 7)  // Handshake and ack count too.
        #expect(await world.meter("pitaya_acceptor_exceeded_rate_limiting") == 7)
        world.world.advance(by: .seconds(1))
        #expect(await player.ask("room.echo", "x") == "x")
    }

    @Test func `a compressed body that grows beyond the limit closes its connection alone`() async throws {
        var settings = AppSettings()
        settings.maxInflatedSize = 1000
        let app = App(type: "room", settings: settings)
        app.on("room.echo") { (body: [UInt8], context) in body }
        let world = try await AppWorld(app)
        let (player, other) = (await world.player(), await world.player())
        let bomb = try #require(DeflatePool().deflated(unsafe [UInt8](repeating: 0, count: 1001).span.bytes, .zlib))
        var packet: [UInt8] = []
        try PomeloMessageHead.request(id: 1, .text("room.echo"))
            .append(to: &packet, body: bomb.count, isCompressed: true)
        await player.send(packet + bomb)
        #expect(await player.isOver)
        #expect(await other.ask("room.echo", "x") == "x")
    }

    @Test func `the packet that ended the original closes one connection`() async throws {
        let app = App(type: "room")
        app.on("room.echo") { (body: [UInt8], context) in body }
        let world = try await AppWorld(app)
        let (player, other) = (await world.player(), await world.player())
        await player.send([4, 0, 0, 2, 0, 1])
        #expect(await player.isOver)
        #expect(await other.ask("room.echo", "x") == "x")
    }
}
