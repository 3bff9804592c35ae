import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@Suite struct WebSocketClosingTests {
    @Test(arguments: [
        (CloseReason.done, code(1000)), (.finished, code(1000)), (.shutdown, code(1001, "shutdown")),
        (.idle, code(1001, "idle")), (.systemError.softened, code(1011, "system-error")),
        (.refused, code(1008, "refused")), (CloseReason("kicked", code: 4001), code(4001, "kicked")),
        (CloseReason("kicked", code: 1005), code(1000, "kicked")), (CloseReason("kicked"), code(1000, "kicked")),
    ])
    func `each reason has its code`(_ reason: CloseReason, _ payload: [UInt8]) async throws {
        let pair = try await WebSocketPair()
        let peer = await pair.dialRaw()
        await pair.server.run { _, server in
            server.recorders.first?.link?.write("last words")
            server.recorders.first?.link?.close(reason)
        }
        pair.world.settle()
        await peer.run { _, peer in
            #expect(peer.frames == frame(.binary, Array("last words".utf8)) + frame(.close, payload))
            #expect(!peer.events.contains(.finished), "the server waits for the answer")
            peer.link?.write(said(.close, payload))
        }
        pair.world.settle()
        await peer.run { _, peer in #expect(peer.events.contains(.finished)) }
        await pair.server.run { loop, server in
            #expect(server.recorders.first?.closeReason == reason)
            #expect(loop.linkCount == 1, "only the peer's own end is left")
        }
    }

    @Test func `a reason that sends nothing more breaks the stream off`() async throws {
        let pair = try await WebSocketPair()
        let peer = await pair.dialRaw()
        await pair.server.run { _, server in server.recorders.first?.link?.close(.peerLost) }
        pair.world.settle()
        await peer.run { _, peer in
            #expect(peer.frames == [])
            #expect(peer.closeReason == .reset)
        }
    }

    @Test func `a peer that does not answer a close frame is given up at the deadline`() async throws {
        let pair = try await WebSocketPair(WebSocket(closeLimit: .seconds(3)))
        let peer = await pair.dialRaw()
        await pair.server.run { _, server in server.recorders.first?.link?.close(.done) }
        pair.world.advance(by: .milliseconds(2999))
        // Whatever it says meanwhile is not for anybody.
        await peer.run { _, peer in
            #expect(!peer.events.contains(.finished))
            peer.link?.write(said(.text, Array("late".utf8)) + said(.ping, [1]))
        }
        pair.world.settle()
        await peer.run { _, peer in #expect(peer.frames == frame(.close, code(1000))) }
        pair.world.advance(by: .milliseconds(1))
        await peer.run { _, peer in #expect(peer.events.contains(.finished)) }
        await pair.server.run { _, server in #expect(server.recorders.first?.messages == []) }
    }

    @Test(
        arguments: [
            (said(.close), "finished", nil, nil), (said(.close, code(1000)), "finished", "1000", 1000),
            (said(.close, code(1001, "bye")), "finished", "1001 bye", 1001),
            (said(.close, code(4001, "cheat")), "closed-by-peer", "4001 cheat", 4001),
        ] as [([UInt8], String, String?, UInt16?)])
    func `a handler learns what the peer closed with, and the peer gets its code back`(
        _ bytes: [UInt8], _ name: String, _ detail: String?, _ number: UInt16?
    ) async throws {
        let pair = try await WebSocketPair()
        await pair.server.run { _, server in
            server.prepare = { recorder, _ in
                recorder.then = { event, link in if case .message = event { link.write("answer") } }
            }
        }
        let peer = await pair.dialRaw(then: said(.text, [0x61]) + bytes)
        await pair.server.run { _, server in
            let reason = server.recorders.first?.closeReason
            #expect(reason?.name == name)
            #expect(reason?.detail == detail)
            #expect(reason?.code == number)
        }
        await peer.run { _, peer in
            let echoed = number.map { code($0) } ?? []
            #expect(peer.frames == frame(.binary, Array("answer".utf8)) + frame(.close, echoed))
            #expect(peer.events.contains(.finished))
        }
    }

    @Test func `finishing says close behind what was written, and both ends end`() async throws {
        let pair = try await WebSocketPair()
        let client = await pair.dial()
        await client.run { _, client in
            client.link?.write("the end")
            client.link?.finish()
        }
        pair.world.settle()
        await pair.server.run { loop, server in
            #expect(server.recorders.first?.texts == ["the end"])
            #expect(server.recorders.first?.closeReason?.description == "finished: 1000")
            #expect(loop.linkCount == 0)
        }
        await client.run { _, client in #expect(client.closeReason == .finished) }
    }

    @Test func `a peer that does not follow a finish is waited for as long as any link, and no longer`() async throws {
        let pair = try await WebSocketPair()
        let peer = await pair.dialRaw()
        await pair.server.run { _, server in server.recorders.first?.link?.finish() }
        pair.world.advance(by: .milliseconds(9_999))
        await peer.run { _, peer in
            #expect(peer.frames == frame(.close, code(1000)))
            #expect(!peer.events.contains(.finished))
        }
        pair.world.advance(by: .milliseconds(1))
        await peer.run { _, peer in #expect(peer.events.contains(.finished)) }
        await pair.server.run { _, server in #expect(server.recorders.first?.closeReason == .lingered) }
    }

    @Test func `both sides may close at once`() async throws {
        let pair = try await WebSocketPair()
        let client = await pair.dial()
        await client.run { _, client in client.link?.close(.done) }
        await pair.server.run { _, server in server.recorders.first?.link?.close(.shutdown) }
        pair.world.settle()
        await client.run { loop, client in
            #expect(client.closeReason == .done)
            #expect(loop.linkCount == 0)
        }
    }

    @Test func `a stream that ends without a close frame did not end well`() async throws {
        let pair = try await WebSocketPair()
        let peer = await pair.dialRaw(then: Array(said(.text, [1, 2]).dropLast()))
        await peer.run { _, peer in peer.link?.finish() }
        pair.world.settle()
        await pair.server.run { _, server in
            #expect(server.recorders.first?.closeReason == .reset)
            #expect(server.recorders.first?.messages == [])
        }
    }

    @Test func `a refused WebSocket is closed with the code for policy`() async throws {
        let pair = try await WebSocketPair()
        await pair.server.run { _, server in server.refuses = true }
        let client = await pair.dial()
        await client.run { _, client in
            #expect(client.closeReason == .closedByPeer)
            #expect(client.closeReason?.code == 1008)
            #expect(client.closeReason?.detail == "1008 refused")
        }
    }

    @Test func `an intake that refuses may say why`() async throws {
        let pair = InProcess()
        let world = SimulatedWorld()
        let full = await world.first.own { _ in Full() }
        _ = try await WebSocket().over(pair).open(into: [full])
        let client = await world.first.own { _ in Recorder() }
        await client.run { loop, client in
            _ = WebSocket().over(pair).dial(on: loop, deadline: .seconds(5), handler: client)
        }
        world.settle()
        #expect(await client.closeReason?.detail == "1013 full")
        #expect(await world.first.run { loop in loop.linkCount } == 0)
    }

    @Test func `a close in the middle of messages drops those that follow`() async throws {
        let pair = try await WebSocketPair()
        await pair.server.run { _, server in
            server.prepare = { recorder, _ in
                recorder.then = { event, link in if event == .message([0x61]) { link.close(.done) } }
            }
        }
        let peer = await pair.dialRaw(then: said(.text, [0x61]) + said(.text, [0x62]) + said(.close, code(1000)))
        await pair.server.run { _, server in #expect(server.recorders.first?.messages == [[0x61]]) }
        await peer.run { _, peer in
            #expect(peer.frames == frame(.close, code(1000)))
            #expect(peer.events.contains(.finished))
        }
    }
}

private final class Full: LinkIntake {
    func accept(_ link: Link) -> (any LinkHandler)? {
        link.close(CloseReason("full", code: 1013))
        return nil
    }
}

extension CloseReason {
    /// The same, but what was written before is still sent.
    fileprivate var softened: CloseReason { CloseReason(name, code: code, detail: detail) }
}
