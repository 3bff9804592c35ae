import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@Suite struct WebSocketOpeningTests {
    @Test func `a link opens on both sides when the handshake is done`() async throws {
        let pair = try await WebSocketPair()
        let client = await pair.dial()
        await client.run { _, client in
            #expect(client.events == [.opened])
            #expect(client.link?.traits.keepsMessages == true)
            #expect(client.link?.traits.halfCloses == false)
        }
        await pair.server.run { _, server in #expect(server.recorders.map(\.events) == [[.opened]]) }
    }

    @Test func `the intake learns what was asked for, and open links do not hold it`() async throws {
        let pair = try await WebSocketPair(
            WebSocket(path: "/game", subprotocols: ["mesh.v1", "mesh.v2"], compression: .on()))
        await pair.server.run { _, server in
            server.prepare = { _, link in
                let opening = link.webSocketOpening
                #expect(opening?.request.path == "/game")
                #expect(opening?.request.queryValue("room") == "1 2")
                #expect(opening?.request.headers["x-player"] == "ann")
                #expect(opening?.request.headers["host"] == "game.example.org")
                #expect(opening?.subprotocol == "mesh.v2")
                #expect(opening?.isCompressed == true)
            }
        }
        let client = await pair.dial(
            WebSocket(
                path: "/game?room=1%202", host: "game.example.org", headers: ["X-Player": "ann"],
                subprotocols: ["mesh.v2", "mesh.v1"], compression: .on()))
        await client.run { _, client in
            #expect(client.events == [.opened])
            #expect(client.link?.webSocketOpening == nil)
        }
        await pair.server.run { _, server in
            #expect(server.recorders.count == 1)
            #expect(server.recorders.first?.link?.webSocketOpening == nil)
        }
    }

    @Test func `origins that are set later are compared like those that were given`() async throws {
        var webSocket = WebSocket()
        webSocket.origins = ["https://Game.example.org"]
        let pair = try await WebSocketPair(webSocket)
        let peer = await pair.dialRaw(WebSocketPair.request("/", "Origin: https://game.example.org"))
        await peer.run { _, peer in #expect(peer.bytes == WebSocketPair.answer) }
    }

    @Test func `a server may hint before it answers, in one piece`() async throws {
        let world = SimulatedWorld()
        let stream = InProcess()
        let server = await world.first.own { _ in RecordingIntake() }
        _ = try await stream.open(into: [server])
        let client = await world.first.own { _ in Recorder() }
        await client.run { loop, client in
            _ = WebSocket().over(stream).dial(on: loop, deadline: .seconds(5), handler: client)
        }
        world.settle()
        await server.run { _, server in
            let recorder = server.recorders.first
            let line = recorder?.text.split(separator: "\r\n").first { $0.hasPrefix("Sec-WebSocket-Key: ") } ?? ""
            let answer =
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                + "Connection: Upgrade\r\nSec-WebSocket-Accept: \(WebSocketKey.answer(to: String(line.dropFirst(19))))"
                + "\r\n\r\n"
            recorder?.link?.write(Array(answer.utf8) + frame(.text, [0x61]))
        }
        world.settle()
        await client.run { _, client in #expect(client.events == [.opened, .message([0x61])]) }
    }

    @Test func `a handler may close at once, and the peer's answer behind its request is read`() async throws {
        let pair = try await WebSocketPair()
        await pair.server.run { _, server in
            server.prepare = { recorder, _ in
                recorder.then = { event, link in if event == .opened { link.close(.done) } }
            }
        }
        let peer = await pair.dialRaw(then: said(.close, code(1000)))
        await peer.run { _, peer in #expect(peer.events.contains(.finished)) }
    }

    @Test func `the bytes of a handshake are those of the RFC`() async throws {
        let pair = try await WebSocketPair()
        let peer = await pair.dialRaw()
        await peer.run { _, peer in #expect(peer.bytes == WebSocketPair.answer) }
    }

    @Test(arguments: [
        (WebSocketPair.request("/other"), "404", "websocket-path"),
        (WebSocketPair.request("/game", "Origin: https://evil.example"), "403", "websocket-origin"),
        (WebSocketPair.request("/game", version: "12"), "426", "websocket-version"),
        ("GET /game HTTP/1.1\r\nHost: test\r\n\r\n", "426", "handshake-failed"),
        (
            "GET /game HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400",
            "handshake-failed"
        ),
        ("POST /game HTTP/1.1\r\nHost: test\r\n\r\n", "405", "handshake-failed"),
        ("nonsense\r\n", "400", "handshake-failed"),
    ])
    func `a request that opens no WebSocket is answered in HTTP, and counted`(
        _ request: String, _ status: String, _ reason: String
    ) async throws {
        let pair = try await WebSocketPair(WebSocket(path: "/game", origins: ["https://game.example"]))
        let peer = await pair.dialRaw(request)
        await peer.run { _, peer in
            #expect(peer.text.hasPrefix("HTTP/1.1 \(status) "))
            #expect(peer.text.contains("Connection: close\r\n") && peer.text.hasSuffix("\n"))
            #expect(peer.text.contains("Sec-WebSocket-Version: 13\r\n") == (status == "426"))
            #expect(peer.events.contains(.finished))
        }
        let meters = await pair.world.first.snapshot().prometheusText
        #expect(meters.contains(#"omniway_links_closed_total{reason="\#(reason)"} 1"#))
        #expect(meters.contains(#"omniway_handshakes_total{layer="websocket",outcome="failed",side="accepting"} 1"#))
        await pair.server.run { _, server in #expect(server.recorders.isEmpty) }
    }

    @Test func `an origin that is refused is in the log`() async throws {
        let lines = Lock<[String]>([])
        let before = Log.shared.destination
        Log.shared.destination = .sink { line in lines.withLock { $0.append(line) } }
        let pair = try await WebSocketPair(WebSocket(origins: ["https://game.example"]))
        _ = await pair.dialRaw(WebSocketPair.request("/", "Origin: https://logged.example"))
        Log.shared.flush()
        Log.shared.destination = before
        let own = lines.withLock { $0.filter { $0.contains("https://logged.example") } }
        #expect(own.count == 1)
        #expect(own.first?.contains("websocket origin refused") == true)
    }

    @Test func `a listed origin may connect, whatever the case of its letters`() async throws {
        let pair = try await WebSocketPair(WebSocket(origins: ["https://Game.example"]))
        let peer = await pair.dialRaw(WebSocketPair.request("/", "Origin: https://game.EXAMPLE"))
        await peer.run { _, peer in #expect(peer.bytes == WebSocketPair.answer) }
    }

    @Test func `frames right behind the request are the first messages`() async throws {
        let bytes = said(.text, Array("first".utf8)) + said(.text, Array("second".utf8))
        let pair = try await WebSocketPair()
        _ = await pair.dialRaw(then: bytes)
        await pair.server.run { _, server in #expect(server.recorders.first?.texts == ["first", "second"]) }
    }

    @Test func `a handshake and messages cut at any byte are the same`() async throws {
        let bytes = Array(WebSocketPair.request().utf8) + said(.text, Array("whole".utf8)) + said(.ping, [1])
        for cut in bytes.indices {
            let pair = try await WebSocketPair()
            let peer = await pair.dialRaw("")
            for piece in [bytes[..<cut], bytes[cut...]] {
                await peer.run { _, peer in peer.link?.write(Array(piece)) }
                pair.world.settle()
            }
            await pair.server.run { _, server in #expect(server.recorders.first?.texts == ["whole"]) }
            await peer.run { _, peer in #expect(peer.frames == frame(.pong, [1]), "cut at \(cut)") }
        }
    }

    @Test(arguments: [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the server answered 404 Not Found"),
        (String(decoding: WebSocketPair.answer, as: UTF8.self), "Sec-WebSocket-Accept does not answer the key"),
        ("SSH-2.0-OpenSSH\r\n", "the status line is not"),
    ])
    func `an answer that opens no WebSocket ends the dialling with what is wrong`(
        _ answer: String, _ words: String
    ) async throws {
        let world = SimulatedWorld()
        let stream = InProcess()
        let server = await world.first.own { _ in RecordingIntake() }
        await server.run { _, server in
            server.prepare = { recorder, _ in
                recorder.then = { event, link in if event == .opened { link.write(answer) } }
            }
        }
        _ = try await stream.open(into: [server])
        let client = await world.first.own { _ in Recorder() }
        await client.run { loop, client in
            _ = WebSocket().over(stream).dial(on: loop, deadline: .seconds(5), handler: client)
        }
        world.settle()
        await client.run { _, client in
            #expect(client.closeReason == .handshakeFailed)
            #expect(client.closeReason?.detail?.hasPrefix(words) == true)
        }
    }

    @Test func `a server that has read the request itself hands the connection over`() async throws {
        let pair = try await WebSocketPair()
        let webSocket = WebSocket(path: "/game", subprotocols: ["mesh.v2"])
        let world = SimulatedWorld()
        let stream = InProcess()
        let intake = await world.first.own { _ in RecordingIntake() }
        await intake.run { _, intake in
            intake.prepare = { _, link in #expect(link.webSocketOpening?.request.path == "/game") }
        }
        let http = await intake.map { _, intake in UpgradingServer(webSocket, intake) }
        _ = try await stream.open(into: [http])
        let client = await world.first.own { _ in Recorder() }
        await client.run { loop, client in
            _ = webSocket.over(stream).dial(on: loop, deadline: .seconds(5), handler: client)
        }
        world.settle()
        await client.run { _, client in client.link?.write("over HTTP") }
        world.settle()
        await intake.run { _, intake in #expect(intake.recorders.first?.texts == ["over HTTP"]) }
        #expect(throws: WebSocketRefusal.path("/")) {
            try webSocket.upgrade(HTTPRequestHead(.get, "/"), for: RecordingIntake())
        }
        _ = pair
    }
}

/// The part of an HTTP server that matters here: it reads the head, answers, and gives the link away.
private final class UpgradingServer: LinkIntake, LinkHandler {
    private let webSocket: WebSocket
    private let intake: RecordingIntake
    private var decoder = HTTPRequestDecoder()

    init(_ webSocket: WebSocket, _ intake: RecordingIntake) { (self.webSocket, self.intake) = (webSocket, intake) }

    func accept(_ link: Link) -> (any LinkHandler)? { self }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var used = 0
        guard (try? decoder.next(bytes, &used)) == .head,
            let upgrade = try? webSocket.upgrade(decoder.head, for: intake),
            let answer = try? HTTPResponseHead(.switchingProtocols, upgrade.headers).bytes()
        else { return used }
        link.write(answer)
        link.handler = upgrade.handler
        upgrade.handler.opened(link)
        return used
    }
}
