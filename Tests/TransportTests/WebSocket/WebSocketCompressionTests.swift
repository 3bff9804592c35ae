import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@Suite struct WebSocketCompressionTests {
    private let offer = WebSocketPair.request(
        "/", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    private let long = [UInt8](repeating: 0x61, count: 1000)

    private func ask(_ compression: WebSocket.Compression, _ request: String) async throws -> String {
        let pair = try await WebSocketPair(WebSocket(compression: compression))
        return await pair.dialRaw(request).run { _, peer in peer.text }
    }

    @Test func `compression is used when both sides want it`() async throws {
        let plain = WebSocketPair.request()
        #expect(try await ask(.on(), offer).contains("Sec-WebSocket-Extensions: permessage-deflate; server_no"))
        #expect(try await !ask(.off, offer).contains("Extensions"))
        #expect(try await !ask(.on(), plain).contains("Extensions"))
    }

    @Test func `small messages go as they are, larger ones compressed, and both are read`() async throws {
        let pair = try await WebSocketPair(WebSocket(compression: .on(above: 100)))
        await pair.server.run { _, server in
            server.prepare = { recorder, _ in
                recorder.then = { event, link in if case .message(let bytes) = event { link.write(bytes) } }
            }
        }
        let hello: [UInt8] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]
        let peer = await pair.dialRaw(offer, then: said(.text, hello, compressed: true) + said(.binary, long))
        await pair.server.run { _, server in #expect(server.recorders.first?.messages == [Array("Hello".utf8), long]) }
        await peer.run { _, peer in
            let frames = peer.bytes.suffix(from: peer.bytes.count - 100).split(separator: Array("\r\n\r\n".utf8))
            let answers = Array(frames.last ?? [])
            #expect(answers.starts(with: frame(.binary, Array("Hello".utf8))))
            #expect(answers.count < 50)
            #expect(answers[7] == 0xc2)
        }
    }

    @Test(arguments: [(9, false), (15, false), (9, true), (15, true)])
    func `messages of any size come through compressed`(_ bits: Int, _ keeps: Bool) async throws {
        let compression = WebSocket.Compression.on(above: 1, windowBits: bits, keepsContext: keeps)
        let pair = try await WebSocketPair(WebSocket(maxMessageSize: 8 << 20, compression: compression))
        let client = await pair.dial(WebSocket(compression: compression))
        var random = SeededRandom(seed: 5)
        var messages: [[UInt8]] = [1, 5, 300, 70_000, 3 << 20].map { count in
            (0..<count).map { UInt8(truncatingIfNeeded: $0 / 5 ^ $0 >> 9) }
        }
        messages.append((0..<2 << 20).map { _ in UInt8.random(in: 0...255, using: &random) })
        let sent = messages
        await client.run { _, client in for message in sent { client.link?.write(message) } }
        pair.world.settle()
        await pair.server.run { _, server in
            #expect(server.recorders.first?.messages.map(\.count) == sent.map(\.count))
            #expect(server.recorders.first?.messages == sent)
        }
    }

    @Test func `a bomb closes the link, and a paused link does not inflate one`() async throws {
        let pair = try await WebSocketPair(WebSocket(maxMessageSize: 1 << 20, compression: .on()))
        let client = await pair.dial(WebSocket(compression: .on()))
        await pair.server.run { _, server in server.recorders.first?.link?.pauseReading() }
        await client.run { _, client in client.link?.write([UInt8](repeating: 0, count: 15 << 20)) }
        pair.world.settle()
        await pair.server.run { _, server in
            #expect(server.recorders.first?.bytes == [])
            server.recorders.first?.link?.resumeReading()
        }
        pair.world.settle()
        await pair.server.run { _, server in
            #expect(server.recorders.first?.closeReason == .messageTooLarge)
            #expect(server.recorders.first?.bytes.count ?? 0 <= 1 << 20)
        }
        await client.run { _, client in #expect(client.closeReason?.code == 1009) }
    }

    @Test func `broken compressed bytes close the link`() async throws {
        let pair = try await WebSocketPair(WebSocket(compression: .on()))
        _ = await pair.dialRaw(offer, then: said(.text, [0xff, 0xff], compressed: true))
        await pair.server.run { _, server in
            #expect(server.recorders.first?.closeReason == .protocolError)
            #expect(server.recorders.first?.closeReason?.detail?.contains("invalid block type") == true)
        }
    }

    /// As much as a piece has room for, so that its end is still to come when all its bytes were read.
    @Test func `a link paused in a compressed message gets the rest when it is resumed`() async throws {
        let pair = try await WebSocketPair(WebSocket(compression: .on()))
        let client = await pair.dial(WebSocket(compression: .on()))
        await pair.server.run { _, server in
            guard let recorder = server.recorders.first, let link = recorder.link else { return }
            link.handler = PausingOnce(before: recorder)
        }
        let message = [UInt8](repeating: 1, count: 48 << 10)
        await client.run { _, client in client.link?.write(message) }
        pair.world.settle()
        await pair.server.run { _, server in
            #expect(server.recorders.first?.bytes == message)
            #expect(server.recorders.first?.messages == [])
            server.recorders.first?.link?.resumeReading()
        }
        pair.world.settle()
        await pair.server.run { _, server in #expect(server.recorders.first?.messages == [message]) }
    }

    @Test func `a limit beyond all messages is one`() async throws {
        let pair = try await WebSocketPair(WebSocket(maxMessageSize: .max, compression: .on()))
        let hello: [UInt8] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]
        _ = await pair.dialRaw(offer, then: said(.text, hello, compressed: true))
        await pair.server.run { _, server in #expect(server.recorders.first?.texts == ["Hello"]) }
    }
}

/// Pauses its link when the first bytes have come.
private final class PausingOnce: LinkHandler {
    private let next: Recorder
    init(before next: Recorder) { self.next = next }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.handler = next
        link.pauseReading()
        return next.receive(bytes, endOfMessage: endOfMessage, from: link)
    }
}
