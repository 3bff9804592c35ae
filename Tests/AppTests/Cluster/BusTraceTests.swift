import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayApp

/// What goes over the bus is what the original's servers sent.
@Suite struct BusTraceTests {
    private struct Recording: Decodable {
        struct Message: Decodable {
            let subject: String
            let message: String
            let payload: String
        }
        let messages: [Message]
    }

    @Test func `subjects and payloads are the recorded ones, but for ids and times in the metadata`() async throws {
        let recording = try Vectors.decode(Recording.self, from: "pitaya-nats-trace").messages
        // The recording ends with steps that the conversation does not have.
        let end = try #require(recording.firstIndex { $0.message == "KickMsg" })
        let expected = try recording[...end].filter { $0.subject.hasPrefix("pitaya/") }.map(Self.line)
        #expect(expected.count == 40)

        let world = try await ClusterWorld()
        let frontend = try await world.server("connector", "conn-1")
        _ = try await world.server("room", "room-1")
        let trace = try await world.trace()
        let client = await frontend.player(TestClient.handshake)
        let conversation = try Vectors.decode(
            RecordedClusterTests.Conversation.self, from: "pitaya-conversation-cluster")
        for (index, step) in conversation.steps.enumerated() {
            if step.send == "request" {
                // The recording client has counted from one, its handshake's request before.
                await client.request(step.route, step.body, id: UInt64(index + 1))
            } else {
                await client.notify(step.route, step.body)
            }
        }
        let got = await trace.run { _, trace in trace.entries.filter { $0.subject.hasPrefix("pitaya/") } }
            .map { Self.line($0.subject, $0.payload) }
        #expect(got.sorted() == expected.sorted())
    }

    private static func line(_ message: Recording.Message) throws -> String {
        line(message.subject, try #require(Vectors.bytes(message.payload)))
    }

    /// A request's own number for its client is the client's choice, that of a session its server's; ids and times of
    /// the metadata are not ours.
    private static func line(_ subject: String, _ payload: [UInt8]) -> String {
        guard subject.hasPrefix("pitaya/servers/"),
            var request = try? PomeloProtos.Request(protobuf: unsafe payload.span.bytes)  // Safe: no padding.
        else { return "\(subject) \(payload)" }
        var keys = "none"
        if let metadata = try? CallMetadata.read(unsafe request.metadata.span.bytes) {  // Safe: no padding.
            keys = metadata.map { key, value in
                let isOwn = ["request.id", "req-start-time", "reqTimeout"].contains(key)
                return isOwn ? key : "\(key)=\(value)"
            }.joined(separator: ",")
        }
        request.metadata = []
        request.msg?.id = 0
        request.session?.id = 0
        if let msg = request.msg, ["sys.bindsession", "sys.pushsession"].contains(msg.route),
            var session = try? PomeloProtos.Session(protobuf: unsafe msg.data.span.bytes)  // Safe: no padding.
        {
            session.id = 0
            request.msg?.data = session.protobuf
        }
        return "\(subject) \(keys) \(request.protobuf)"
    }
}
