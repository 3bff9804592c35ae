import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@Suite struct WebSocketKeepAliveTests {
    private let tenSeconds = WebSocket(keepAlive: WebSocket.KeepAlive(every: .seconds(10), misses: 2))

    @Test func `pings are answered with their payload, pongs are not`() async throws {
        let pair = try await WebSocketPair()
        let peer = await pair.dialRaw(then: said(.ping, [1, 2]) + said(.pong, [3]) + said(.ping))
        await peer.run { _, peer in #expect(peer.frames == frame(.pong, [1, 2]) + frame(.pong)) }
    }

    @Test func `a silent peer is pinged, and lost when it misses too many`() async throws {
        let pair = try await WebSocketPair(tenSeconds)
        let peer = await pair.dialRaw()
        pair.world.advance(by: .milliseconds(9999))
        await peer.run { _, peer in #expect(peer.frames == []) }
        pair.world.advance(by: .milliseconds(1))
        await peer.run { _, peer in #expect(peer.frames == frame(.ping)) }
        pair.world.advance(by: .milliseconds(19_999))
        await pair.server.run { _, server in #expect(server.recorders.first?.closeReason == nil) }
        pair.world.advance(by: .milliseconds(1))
        await pair.server.run { _, server in #expect(server.recorders.first?.closeReason == .peerLost) }
        await peer.run { _, peer in #expect(peer.frames == frame(.ping) + frame(.ping)) }
    }

    @Test func `a peer that answers stays, and one that talks is not asked`() async throws {
        let pair = try await WebSocketPair(tenSeconds)
        let client = await pair.dial(WebSocket(keepAlive: WebSocket.KeepAlive(every: .seconds(1000))))
        pair.world.advance(by: .seconds(900))
        await client.run { _, client in #expect(client.events == [.opened]) }
        let talking = await pair.dialRaw()
        for _ in 0..<10 {
            pair.world.advance(by: .seconds(9))
            await talking.run { _, peer in peer.link?.write(said(.pong)) }
        }
        await talking.run { _, peer in #expect(peer.frames == []) }
    }

    @Test func `a peer that is not read is not taken for lost`() async throws {
        let pair = try await WebSocketPair(tenSeconds)
        let peer = await pair.dialRaw()
        await pair.server.run { _, server in server.recorders.first?.link?.pauseReading() }
        pair.world.advance(by: .seconds(300))
        await peer.run { _, peer in #expect(peer.closeReason == nil) }
        await pair.server.run { _, server in server.recorders.first?.link?.resumeReading() }
        pair.world.advance(by: .seconds(31))
        await pair.server.run { _, server in #expect(server.recorders.first?.closeReason == .peerLost) }
    }

    @Test func `a peer that was not read for long is asked before it is taken for lost`() async throws {
        let pair = try await WebSocketPair(tenSeconds)
        let peer = await pair.dialRaw()
        await pair.server.run { _, server in server.recorders.first?.link?.pauseReading() }
        pair.world.advance(by: .seconds(305))
        await pair.server.run { _, server in server.recorders.first?.link?.resumeReading() }
        pair.world.advance(by: .seconds(11))
        await pair.server.run { _, server in #expect(server.recorders.first?.closeReason == nil) }
        await peer.run { _, peer in
            #expect(peer.frames == frame(.ping))
            peer.link?.write(said(.pong))
        }
        pair.world.advance(by: .seconds(20))
        await pair.server.run { _, server in #expect(server.recorders.first?.closeReason == nil) }
    }

    @Test(arguments: [12, 9]) func `a peer that takes what waits for it is there, until it stops`(
        _ takes: Int
    ) async throws {
        let pair = try await WebSocketPair(tenSeconds)
        let peer = await pair.dialRaw()
        await peer.run { loop, peer in peer.link?.handler = SlowReader(loop, takes: takes) }
        await pair.server.run { _, server in
            for _ in 0..<30 { server.recorders.first?.link?.write([UInt8](repeating: 0, count: 100_000)) }
        }
        // A batch of the pipe, 256 KiB, every nine seconds: there are twelve.
        pair.world.advance(by: .seconds(9 * takes))
        await pair.server.run { _, server in #expect(server.recorders.first?.closeReason == nil) }
        await peer.run { _, peer in #expect(peer.closeReason == nil) }
        pair.world.advance(by: .seconds(41))
        await pair.server.run { _, server in #expect(server.recorders.first?.closeReason == .peerLost) }
    }

    @Test func `a peer that pings without reading gets the last answer only`() async throws {
        let pair = try await WebSocketPair()
        let peer = await pair.dialRaw()
        await peer.run { _, peer in peer.link?.pauseReading() }
        await pair.server.run { _, server in
            for _ in 0..<60 { server.recorders.first?.link?.write([UInt8](repeating: 0, count: 50_000)) }
        }
        pair.world.settle()
        for number in 0..<30 {
            await peer.run { _, peer in
                for _ in 0..<1000 { peer.link?.write(said(.ping, [UInt8](repeating: UInt8(number), count: 125))) }
            }
            pair.world.settle()
        }
        await pair.server.run { _, server in #expect(server.recorders.first?.closeReason == nil) }
        await peer.run { _, peer in peer.link?.resumeReading() }
        pair.world.settle()
        await peer.run { _, peer in
            let frames = peer.frames
            #expect(frames.count < 5 << 20, "and not four megabytes more")
            let last = frames.lastIndex(of: 0x8a) ?? 0
            #expect(frames[last...].starts(with: frame(.pong, [UInt8](repeating: 29, count: 125))))
        }
    }
}

/// Takes a piece and then nothing for nine seconds, so many times.
private final class SlowReader: LinkHandler, TimerTarget {
    private let loop: Loop
    private var left: Int
    private var link: Link?

    init(_ loop: Loop, takes: Int) { (self.loop, left) = (loop, takes) }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        self.link = link
        left -= 1
        link.pauseReading()
        if left > 0 { loop.after(.seconds(9), self) }
        return bytes.byteCount
    }

    func timerFired(_ token: UInt64, on loop: Loop) { link?.resumeReading() }
    func closed(_ link: Link, _ reason: CloseReason) { self.link = nil }
}
