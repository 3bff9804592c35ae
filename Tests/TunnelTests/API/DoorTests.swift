import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// The one port of a node, and who comes to it.
@Suite struct DoorTests {
    @Test func `a request that comes byte by byte is answered`() async throws {
        let world = try await TunnelWorld()
        try await world.openDoors()
        let visitor = await world.visitor(to: "api-0:1")
        for byte in "GET /_zhangyu/healthz HTTP/1.1\r\nHost: a\r\n\r\n" {
            await visitor.write(String(byte))
            world.world.advance(by: .milliseconds(10))
        }
        #expect(await visitor.text.hasPrefix("HTTP/1.1 200 OK"))
        #expect(await visitor.text.hasSuffix("ok\n"))
    }

    @Test func `who says nothing, or stops in the middle, is let go`() async throws {
        let world = try await TunnelWorld()
        try await world.openDoors()
        for text in ["", "X", "GET /_zhangyu/heal"] {
            let visitor = await world.visitor(to: "api-0:1", text)
            world.world.advance(by: .seconds(4))
            #expect(await visitor.events == [.opened])
            world.world.advance(by: .seconds(7))
            let (isClosed, words) = (await visitor.closeReason != nil, await visitor.text)
            #expect(text.hasPrefix("GET") ? words.hasPrefix("HTTP/1.1 408 ") : isClosed)
        }
        let leaves = await world.visitor(to: "api-0:1", "", finishes: true)
        #expect(await leaves.closeReason != nil)
    }

    @Test(arguments: 1...60) func `random bytes never trap, and the next one is served`(_ seed: UInt64) async throws {
        let world = try await TunnelWorld()
        try await world.openDoors()
        var random = SeededRandom(seed: seed)
        let starts = [
            "", "X", "POST /_zhangyu/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n{\"clientId\":",
            "GET /_zhangyu/",
        ]
        for start in starts {
            let noise = (0..<Int.random(in: 1...300, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let visitor = await world.visitor(to: "api-0:1", start)
            await visitor.run { _, recorder in recorder.link?.write(noise) }
            world.world.advance(by: .milliseconds(100))
        }
        let asker = try await Asker(world)
        #expect(try await asker.ask(.get, "readyz").code == 200)
    }

    @Test func `a WebSocket elsewhere than at its path is none`() async throws {
        let world = try await TunnelWorld()
        try await world.openDoors()
        for (path, status) in [("/_zhangyu/transport", "101"), ("/elsewhere", "404")] {
            let visitor = await world.visitor(
                to: "api-0:1",
                """
                GET \(path) HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n
                """)
            #expect(await visitor.text.hasPrefix("HTTP/1.1 \(status) "))
        }
    }
}
