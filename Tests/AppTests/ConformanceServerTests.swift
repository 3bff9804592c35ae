import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import ConformanceServer

/// What real clients of the original said and heard.
struct RecordedClients: Decodable {
    struct Client: Decodable { let lines: [String] }
    let libpitaya: Client
    let js: Client
    private enum CodingKeys: String, CodingKey {
        case libpitaya
        case js = "pomelo-js"
    }
    static func load() throws -> RecordedClients { try Vectors.decode(Self.self, from: "pitaya-conversation-clients") }
}

@Suite(.timeLimit(.minutes(2))) struct ConformanceServerTests {
    private func dialers(_ server: RunningServer) -> (StreamDialer, some Dialer & Sendable) {
        (
            StreamDialer(server.addresses[0]),
            WebSocket(path: "/", maxMessageSize: 2 << 20).over(StreamDialer(server.addresses[1]))
        )
    }

    private static let ports = "--tcp 127.0.0.1:0 --ws 127.0.0.1:0 --loops 1"

    @Test func `over real sockets all probes get what the original said`() async throws {
        let server = try await RunningServer.start(Self.ports, ports: 2)
        let (tcp, webSocket) = dialers(server)
        let loop = EventLoop()
        let fence: @Sendable () async throws -> SocketClient = { try await SocketClient(over: tcp, on: loop) }
        for probe in try Probe.load("pitaya-probe-tcp") {
            try await probe.replay(keepsMessages: false) { try await SocketClient(over: tcp, on: loop, fence: fence) }
        }
        for probe in try Probe.load("pitaya-probe-ws") {
            try await probe.replay(keepsMessages: true) {
                try await SocketClient(over: webSocket, on: loop, fence: fence)
            }
        }
        #expect(await server.program.stop() == 0)
        await loop.shutdown()
    }

    @Test func `libpitaya's conversation is the recorded one`() async throws {
        let server = try await RunningServer.start(Self.ports, ports: 2)
        let loop = EventLoop()
        let client = try await SocketClient(over: dialers(server).0, on: loop)
        _ = try await client.handshake()
        try await Conversation(client).replay(try RecordedClients.load().libpitaya.lines)
        await server.program.stop()
        await loop.shutdown()
    }

    @Test func `the JavaScript client's conversation is the recorded one`() async throws {
        let server = try await RunningServer.start("\(Self.ports) --compression false --heartbeat 2s", ports: 2)
        let loop = EventLoop()
        let client = try await SocketClient(over: dialers(server).1, on: loop)
        let welcome = String(decoding: try await client.handshake(), as: UTF8.self)
        #expect(welcome == #"{"code":200,"sys":{"dict":{},"heartbeat":2,"serializer":"json"}}"#)
        try await Conversation(client).replay(try RecordedClients.load().js.lines)
        await server.program.stop()
        await loop.shutdown()
    }

    @Test func `with protobuf handlers of messages work, and others say that their types are wrong`() async throws {
        let server = try await RunningServer.start("--tcp 127.0.0.1:0 --serializer protobuf --compression false")
        let loop = EventLoop()
        let client = try await SocketClient(over: StreamDialer(server.addresses[0]), on: loop)
        let welcome = String(decoding: try await client.handshake(), as: UTF8.self)
        #expect(welcome.contains(#""serializer":"protobuf""#))
        #expect(await client.ask("room.room.hello", "\u{a}\u{4}Anna")?.text == "\u{a}\u{14}hello Anna from room")
        #expect(await client.ask("room.room.echo", "as it is")?.text == "as it is")
        for (route, code) in [("room.room.echojson", "PIT-400"), ("room.room.noarg", "PIT-000")] {
            let answer = try #require(await client.ask(route, "{}"))
            let error = try PomeloFailure(protobuf: unsafe answer.body.span.bytes)
            #expect(answer.isError && error.code == code && error.message == "protobuf: convert on wrong type value")
        }
        await server.program.stop()
        await loop.shutdown()
    }

    @Test func `routes of the dictionary go as codes, and the type is that of the flag`() async throws {
        let server = try await RunningServer.start(
            """
            --tcp 127.0.0.1:0 --compression false --type hall --id h1 \
            --dict hall.room.echo=1,onPush=2 --dict onNotify=3
            """
        )
        let loop = EventLoop()
        let client = try await SocketClient(over: StreamDialer(server.addresses[0]), on: loop)
        let welcome = String(decoding: try await client.handshake(), as: UTF8.self)
        #expect(welcome.contains(#""dict":{"hall.room.echo":1,"onNotify":3,"onPush":2}"#), "\(welcome)")
        await client.send(TestClient.message(.request(id: 5, .code(1)), "short"))
        #expect(await client.message()?.text == "short")
        #expect(await client.ask("hall.room.noarg")?.text == #"{"code":200,"result":"hall"}"#)
        await server.program.stop()
        await loop.shutdown()
    }

    @Test func `it documents its routes`() async throws {
        let server = try await RunningServer.start("--tcp 127.0.0.1:0")
        let loop = EventLoop()
        let client = try await SocketClient(over: StreamDialer(server.addresses[0]), on: loop)
        _ = try await client.handshake()
        let text = try #require(await client.ask("room.room.docs")).text
        let bind = try #require(try JSON.Reader.go.read(text)["handlers"]?["room.room.bind"])
        #expect(
            "\(bind)"
                == #"{"input":{"content":"string","n":"int"},"output":[{"code":"int","result":"string"},"error"]}"#)
        await server.program.stop()
        await loop.shutdown()
    }
}

/// Replays the lines that a client wrote down, by messages of our own.
private struct Conversation {
    let client: SocketClient
    init(_ client: SocketClient) { self.client = client }

    func replay(_ lines: [String]) async throws {
        var (heard, id): (Int, UInt64) = (0, 0)
        for line in lines {
            let words = line.split(separator: " ")
            if line.hasPrefix("> request ") {
                let route = words[2].contains(".") ? String(words[2]) : "room.room.\(words[2])"
                id += 1
                await client.send(TestClient.message(.request(id: id, .text(route)), body(line)))
            } else if line.hasPrefix("> notify") {
                let name = words.count > 2 ? String(words[2]) : "room.room.notify"
                let route = name.contains(".") ? name : "room.room.\(name)"
                await client.send(TestClient.message(.notify(.text(route)), #"{"content":"n"}"#))
                if route.hasSuffix("kickme") { #expect(await client.message()?.kind == "kick") }
            } else if line.hasPrefix("  < ") {
                heard += 1
                expect(try #require(await client.message(), "\(line)"), line)
            }
        }
        #expect(heard == 11 || heard == 12)
        #expect(await client.ends())
    }

    /// A body that the recording has cut is a long one.
    private func body(_ line: String) -> String {
        let body = String(line.drop { $0 != "{" })
        return body.hasSuffix("}") ? body : body + String(repeating: "a", count: 300) + #""}"#
    }

    private func expect(_ message: TestMessage, _ line: String) {
        let isPush = line.hasPrefix("  < push ")
        #expect((message.kind == "push") == isPush, "\(line): \(message)")
        if isPush { #expect(message.route == line.split(separator: " ")[2].description) }
        if line.hasPrefix("  < error ") {
            let error = try? JSON.Reader.go.read(message.text)
            let said =
                "code=\((try? error?["code"]?.string()) ?? "") msg=\((try? error?["msg"]?.string()) ?? "") metadata="
            #expect(message.isError && line.contains(said), "\(line): \(message)")
        } else {
            let text = String(line.drop { $0 != "{" })
            #expect(message.text.hasPrefix(text), "\(line): \(message)")
            #expect(message.text == text || line.count > 100, "\(line): \(message)")
        }
    }
}
