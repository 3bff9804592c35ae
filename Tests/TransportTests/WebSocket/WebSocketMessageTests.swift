import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@Suite struct WebSocketMessageTests {
    @Test func `text and binary arrive as what they were written as`() async throws {
        let pair = try await WebSocketPair()
        await pair.server.run { _, server in
            server.prepare = { recorder, _ in
                recorder.then = { event, link in
                    guard case .message(let bytes) = event else { return }
                    link.outgoingKind = link.incomingKind
                    link.write(bytes)
                }
            }
        }
        let peer = await pair.dialRaw(then: said(.text, [0x61]) + said(.binary, [0x62]) + said(.text))
        await peer.run { _, peer in
            #expect(peer.frames == frame(.text, [0x61]) + frame(.binary, [0x62]) + frame(.text))
        }
    }

    @Test(arguments: 1...20) func `messages survive a network that cuts them anywhere`(_ seed: UInt64) async throws {
        var faults = SeededNetwork.Faults()
        faults.piece = 1...(seed.isMultiple(of: 2) ? 5 : 5000)
        let compression: WebSocket.Compression = seed.isMultiple(of: 3) ? .on(above: 10, keepsContext: seed > 10) : .off
        let pair = try await WebSocketPair(WebSocket(compression: compression))
        let client = await pair.dial(
            WebSocket(compression: compression), through: SeededNetwork(seed: seed, faults: faults))
        let messages = ["", "a", String(repeating: "bä", count: 300), String(repeating: "c", count: 70_000), "last"]
        pair.world.advance(by: .seconds(60))
        await client.run { _, client in
            client.link?.outgoingKind = .text
            for message in messages { client.link?.write(message) }
        }
        pair.world.advance(by: .seconds(3600))
        await pair.server.run { _, server in
            #expect(server.recorders.first?.texts == messages, "seed \(seed)")
            for message in messages { server.recorders.first?.link?.write(message) }
        }
        pair.world.advance(by: .seconds(3600))
        await client.run { _, client in #expect(client.texts == messages, "seed \(seed)") }
    }

    @Test(arguments: [false, true])
    func `a message of two parts is one, whether it is masked, compressed, large, or behind others`(
        _ compresses: Bool
    ) async throws {
        let compression: WebSocket.Compression = compresses ? .on(above: 10, keepsContext: true) : .off
        let pair = try await WebSocketPair(WebSocket(maxMessageSize: 8 << 20, compression: compression))
        let client = await pair.dial(WebSocket(maxMessageSize: 8 << 20, compression: compression))
        let parts: [([UInt8], [UInt8])] = [
            ([1], [2, 3]), ([], []), ([4], []), ([], [5]), ([6], Array(repeating: 7, count: 40)),
            ([8, 9], Array(repeating: 10, count: 3 << 20)), ([11], [12]),
        ]
        @Sendable func write(_ link: Link) {
            link.write([0], endOfMessage: false)  // What was begun goes first.
            link.write([0])
            // Safe because bytes have no padding.
            for (head, rest) in parts { link.write(unsafe head.span.bytes, unsafe rest.span.bytes) }
        }
        let sent = [[0, 0]] + parts.map { $0 + $1 }
        await client.run { _, client in client.link.map(write) }
        pair.world.settle()
        await pair.server.run { _, server in
            #expect(server.recorders.first?.messages == sent)
            server.recorders.first?.link.map(write)
        }
        pair.world.settle()
        await client.run { _, client in #expect(client.messages == sent) }
    }

    @Test func `a message is handed on as it arrives, before its end`() async throws {
        let pair = try await WebSocketPair()
        let start = said(.binary, [1, 2, 3, 4]).dropLast()
        let peer = await pair.dialRaw(then: Array(start))
        await pair.server.run { _, server in
            #expect(server.recorders.first?.bytes == [1, 2, 3])
            #expect(server.recorders.first?.messages == [])
        }
        await peer.run { _, peer in peer.link?.write([4]) }
        pair.world.settle()
        await pair.server.run { _, server in #expect(server.recorders.first?.messages == [[1, 2, 3, 4]]) }
    }

    @Test func `a large message goes out in fragments that do not fill the queue`() async throws {
        let pair = try await WebSocketPair(WebSocket(maxMessageSize: 8 << 20))
        let client = await pair.dial(WebSocket(maxMessageSize: 8 << 20))
        let message = (0..<5 << 20).map { UInt8(truncatingIfNeeded: $0 >> 3) }
        await client.run { _, client in client.link?.write(message) }
        pair.world.settle()
        await pair.server.run { _, server in
            #expect(server.recorders.first?.messages.map(\.count) == [message.count])
            #expect(server.recorders.first?.messages == [message])
        }
    }

    @Test func `a paused link lets its peer wait, and loses nothing`() async throws {
        let pair = try await WebSocketPair()
        await pair.server.run { _, server in
            server.prepare = { recorder, _ in
                recorder.then = { event, link in if event == .message([1]) { link.pauseReading() } }
            }
        }
        let client = await pair.dial()
        await client.run { _, client in for byte in [UInt8](1...3) { client.link?.write([byte]) } }
        pair.world.settle()
        await pair.server.run { _, server in
            #expect(server.recorders.first?.messages == [[1]])
            server.recorders.first?.link?.resumeReading()
        }
        pair.world.settle()
        await pair.server.run { _, server in #expect(server.recorders.first?.messages == [[1], [2], [3]]) }
    }

    @Test func `a link is full when its peer does not read, and writable when it does`() async throws {
        let pair = try await WebSocketPair(WebSocket(maxMessageSize: 100_000))
        await pair.server.run { _, server in server.prepare = { _, link in link.pauseReading() } }
        let client = await pair.dial()
        await client.run { _, client in
            var sent = 0
            while let link = client.link, !link.isFull, sent < 1000 {
                link.write([UInt8](repeating: 1, count: 50_000))
                sent += 1
            }
            #expect(sent < 1000)
        }
        pair.world.settle()
        await client.run { _, client in
            while let link = client.link, !link.isFull { link.write([UInt8](repeating: 1, count: 50_000)) }
        }
        pair.world.settle()
        await pair.server.run { _, server in
            #expect(server.recorders.first?.messages == [])
            server.recorders.first?.link?.resumeReading()
        }
        pair.world.settle()
        await client.run { _, client in
            #expect(client.events.contains(.writable))
            #expect(client.link?.queued == 0)
        }
    }

    @Test func `an empty message is not lost when the peer does not read`() async throws {
        let pair = try await WebSocketPair()
        await pair.server.run { _, server in server.prepare = { _, link in link.pauseReading() } }
        let client = await pair.dial()
        await client.run { _, client in
            for _ in 0..<100 { client.link?.write([UInt8](repeating: 1, count: 50_000)) }
            client.link?.write([])
        }
        pair.world.settle()
        await pair.server.run { _, server in server.recorders.first?.link?.resumeReading() }
        pair.world.settle()
        await pair.server.run { _, server in
            #expect(server.recorders.first?.messages.count == 101)
            #expect(server.recorders.first?.messages.last == [])
        }
    }

    @Test(arguments: [WebSocket.Compression.off, .on()])
    func `messages that wait for room still go out when their link is closed`(
        _ compression: WebSocket.Compression
    ) async throws {
        let pair = try await WebSocketPair(WebSocket(maxMessageSize: 8 << 20, compression: compression))
        let client = await pair.dial(WebSocket(compression: compression))
        var random = SeededRandom(seed: 7)
        let large = (0..<5 << 20).map { _ in UInt8.random(in: 0...255, using: &random) }
        await client.run { _, client in
            client.link?.write(large)
            client.link?.write("last words")
            client.link?.close(.done)
        }
        pair.world.settle()
        await pair.server.run { _, server in
            #expect(server.recorders.first?.messages.map(\.count) == [large.count, 10])
            #expect(server.recorders.first?.messages.first == large)
            #expect(server.recorders.first?.closeReason == .finished)
        }
    }

    // MARK: What is refused

    /// Cases 3.2, 3.3, 4.1.3, 4.1.4, 4.2.3, 4.2.4 and 5.15 of the Autobahn suite.
    @Test func `what was answered before the peer broke the rules still goes out`() async throws {
        let pair = try await WebSocketPair()
        await pair.server.run { _, server in
            server.prepare = { recorder, _ in
                recorder.then = { event, link in if case .message(let bytes) = event { link.write(bytes) } }
            }
        }
        let peer = await pair.dialRaw(then: said(.text, [0x61]) + [0xa1, 0x80, 0, 0, 0, 0])
        await peer.run { _, peer in
            #expect(peer.frames.starts(with: frame(.binary, [0x61]) + [0x88]))
            #expect(peer.events.contains(.finished))
        }
    }

    @Test(
        arguments: [
            (frame(.text, [0x61]), "protocol-error", 1002), (said(.text, [0xff]), "protocol-error", 1007),
            (said(.binary, [UInt8](repeating: 0, count: 101)), "message-too-large", 1009),
            (said(.continuation), "protocol-error", 1002),
            (said(.text, [0x61], compressed: true), "protocol-error", 1002),
            (said(.close, [3]), "protocol-error", 1002),
        ] as [([UInt8], String, UInt16)])
    func `a peer that breaks the rules is told the code and loses its link`(
        _ bytes: [UInt8], _ reason: String, _ expected: UInt16
    ) async throws {
        let pair = try await WebSocketPair(WebSocket(maxMessageSize: 100))
        let peer = await pair.dialRaw(then: bytes + said(.text, [0x62]))
        await peer.run { _, peer in
            #expect(peer.frames.first == 0x88)
            #expect(Array(peer.frames.dropFirst(2).prefix(2)) == code(expected))
            #expect(peer.events.contains(.finished))
        }
        await pair.server.run { loop, server in
            #expect(server.recorders.first?.closeReason?.name == reason)
            #expect(server.recorders.first?.closeReason?.sendsTheRest == false)
            #expect(server.recorders.first?.messages == [])
        }
    }
}
