import OmniwayCluster
import OmniwayTesting
import OmniwayWire
import Testing

@testable import ConformanceServer
@testable import OmniwayApp

/// What was recorded between a frontend and a backend of the original, and odd calls of the backend.
@Suite struct RecordedClusterTests {
    struct Conversation: Decodable {
        struct Step: Decodable {
            struct Event: Decodable {
                let kind: String
                let route: String?
                let isError: Bool?
                let length: Int?
                let body: String?
            }
            let send: String
            let route: String
            let body: String
            let expect: [Event]
        }
        let steps: [Step]
    }

    @Test(arguments: [1, 3]) func `a client gets what the original's servers said`(loops: Int) async throws {
        let conversation = try Vectors.decode(Conversation.self, from: "pitaya-conversation-cluster")
        #expect(conversation.steps.count == 38)
        let world = try await ClusterWorld(loops: loops)
        let frontend = try await world.server("connector", "conn-1")
        _ = try await world.server("room", "room-1")
        let client = await frontend.player(Self.handshake)
        for (index, step) in conversation.steps.enumerated() {
            if step.send == "request" {
                await client.request(step.route, step.body, id: UInt64(index + 1))
            } else {
                await client.notify(step.route, step.body)
            }
            var got: [String] = []
            while let message = await client.message() { got.append(Self.line(message)) }
            if step.expect.first?.kind == "nothing" {
                // The answer may come before the kick closes the connection; here it does not.
                #expect(got.contains("kick"))
                continue
            }
            let expected = step.expect.map(Self.line)
            #expect(got.sorted() == expected.sorted(), "\(step.route) \(step.body)")
        }
        #expect(await client.isOver)
    }

    static let handshake = try! PomeloPacket.bytes(
        .handshake,
        Array(
            #"{"sys":{"platform":"go","libVersion":"ref","clientBuildNumber":"1","clientVersion":"1.0.0"},"#.utf8)
            + Array(#""user":{"age":30}}"#.utf8))

    private static func line(_ event: Conversation.Step.Event) -> String {
        "\(event.kind) \(event.route ?? "") \(event.isError ?? false) \(event.length ?? 0) \(cut(event.body ?? ""))"
    }

    private static func line(_ message: TestMessage) -> String {
        if message.kind == "kick" { return "kick" }
        return "\(message.kind) \(message.route ?? "") \(message.isError) \(message.body.count) \(cut(message.text))"
    }

    /// Long bodies were recorded in part.
    private static func cut(_ body: String) -> String { body.count > 100 ? "\(body.prefix(100))" : body }

    struct Probes: Decodable {
        struct Case: Decodable, Sendable, CustomTestStringConvertible {
            let name: String
            let request: String
            let response: String?
            var testDescription: String { name }
        }
        let subject: String
        let cases: [Case]

        static func load() throws -> [Case] { try Vectors.decode(Probes.self, from: "pitaya-rpc-probe").cases }
    }

    /// Errors of JSON and of protobuf have our own words, with the place; the recorded ones are Go's.
    private static let ownWords: Set<String> = [
        "metadata not json", "session data not json", "bad body for handler", "bad body for remote",
        "timeout 1s on 2s remote",
    ]

    @Test(arguments: try Probes.load()) func `an odd call gets what the original said`(
        _ probe: Probes.Case
    ) async throws {
        let world = try await ClusterWorld()
        _ = try await world.server("room", "room-1")
        let answer = try await world.ask("pitaya/servers/room/room-1", try #require(Vectors.bytes(probe.request)))
        guard let recorded = probe.response else {
            #expect(answer == nil)
            return
        }
        let bytes = try #require(Vectors.bytes(recorded))
        let expected = try PomeloProtos.Response(protobuf: unsafe bytes.span.bytes)  // Safe: no padding.
        guard Self.ownWords.contains(probe.name) else {
            #expect(answer == expected)
            return
        }
        let isTimeout = probe.name.hasPrefix("timeout")
        #expect(answer?.error?.code == (isTimeout ? AppError.timeout : expected.error?.code))
        #expect(answer?.error?.message != expected.error?.message)
    }
}
