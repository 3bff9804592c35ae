import Omniway
import OmniwayTesting
import Testing

@testable import ConformanceServer

/// The client over what it will really run on.
@Suite(.timeLimit(.minutes(2))) struct AppClientSocketTests {
    private func talk(over dialer: some Dialer, on loop: EventLoop) async throws {
        let client = try await AppClient(over: dialer, on: loop)
        let pushes = client.pushes("onPush", as: Message.self)
        let reply: Reply = try await client.request("room.push", Message(content: "p", n: 3))
        #expect(reply.result == "pushed")
        var found: [Int?] = []
        for await message in pushes {
            found.append(message.n)
            if found.count == 3 { break }
        }
        #expect(found == [nil, 1, 2])
        let big: Message = try await client.request("room.big", Message(content: "", n: 200_000))
        #expect(big.content.utf8.count == 200_000)
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) }
        let echo: [UInt8] = try await client.request("room.echo", bytes)
        #expect(echo == bytes)
        await #expect(throws: AppError.self) {
            let _: Reply = try await client.request("room.err", Message(content: "bad"))
        }
        client.disconnect()
        for await state in client.states where state == .ended(.disconnected) { return }
        Issue.record("it has not ended")
    }

    @Test func `over TCP`() async throws {
        let loops = EventLoops(count: 2)
        let app = conformanceApp()
        app.listen(.tcp("127.0.0.1:0"))
        try await app.start(on: [loops.loops[0]])
        try await talk(over: StreamDialer(app.addresses[0]), on: loops.loops[1])
        await app.stop()
        await loops.shutdown()
    }

    @Test func `over WebSocket`() async throws {
        let loops = EventLoops(count: 2)
        let app = conformanceApp()
        app.listen(.webSocket("127.0.0.1:0", path: "/game"))
        try await app.start(on: [loops.loops[0]])
        let dialer = WebSocket(path: "/game").over(StreamDialer(app.addresses[0]))
        try await talk(over: dialer, on: loops.loops[1])
        await app.stop()
        await loops.shutdown()
    }

    @Test func `a client whose loop ends says so`() async throws {
        let (serving, loop) = (EventLoop(), EventLoop(index: 1))
        let app = conformanceApp()
        app.listen(.tcp("127.0.0.1:0"))
        try await app.start(on: [serving])
        let client = try await AppClient(over: StreamDialer(app.addresses[0]), on: loop)
        let lost = Task.immediate { () -> Reply in
            try await client.request("room.sleep", Message(content: "", n: 60_000))
        }
        let states = client.states
        await loop.shutdown()
        await #expect(throws: AppClientError.lost(.shutdown)) { try await lost.value }
        for await state in states where state == .ended(.lost(.shutdown)) { break }
        await #expect(throws: AppClientError.lost(.shutdown)) { try await client.notify("room.notify") }
        await #expect(throws: AppClientError.lost(.tooManyLinks)) {
            _ = try await AppClient(over: StreamDialer(app.addresses[0]), on: loop)
        }
        await app.stop()
        await serving.shutdown()
    }
}
