import OmniwayTesting
import OmniwayWire
import Testing

@testable import ConformanceServer
@testable import OmniwayApp

/// What was recorded when odd bytes were sent to the original.
struct Probe: Decodable, Sendable, CustomTestStringConvertible {
    struct File: Decodable { let cases: [Probe] }
    struct Event: Decodable, Sendable {
        let event: String
        let connection: Int
        let bytes: String?
        let length: Int?
    }
    let name: String
    let events: [Event]
    var testDescription: String { name }

    static func load(_ name: String) throws -> [Probe] { try Vectors.decode(File.self, from: name).cases }
}

@Suite struct RecordedProbeTests {
    /// Where this server does otherwise, and why.
    private static let deliberate: [String: String] = [
        "ack-without-handshake": "an ack without a handshake closes: nobody has seen who that is",
        "type-response-from-client": "only servers answer, so it closes",
        "type-push-from-client": "only servers push, so it closes",
        "other-server-type": "it is answered, instead of never",
    ]
    private static let deliberateOverWebSocket = [
        "two-packets-one-write": "several whole packets in one message are taken"
    ]

    @Test(arguments: try Probe.load("pitaya-probe-tcp")) func `over TCP a probe gets what the original said`(
        _ probe: Probe
    ) async throws { try await replay(probe, keepsMessages: false) }

    @Test(arguments: try Probe.load("pitaya-probe-ws")) func `over WebSocket a probe gets what the original said`(
        _ probe: Probe
    ) async throws { try await replay(probe, keepsMessages: true) }

    private func replay(_ probe: Probe, keepsMessages: Bool) async throws {
        let differences = try await differences(of: probe, keepsMessages)
        let isDeliberate =
            Self.deliberate[probe.name] != nil || keepsMessages && Self.deliberateOverWebSocket[probe.name] != nil
        if !isDeliberate {
            #expect(differences == [], "\(probe.name)")
        } else {
            #expect(differences != [], "\(probe.name) is no difference any more")
        }
    }

    private func differences(of probe: Probe, _ keepsMessages: Bool) async throws -> [String] {
        let world = try await AppWorld(conformanceApp())
        var clients: [Int: TestClient] = [:]
        var differences: [String] = []
        func expect(_ holds: Bool, _ event: Probe.Event, _ found: String = "") {
            if !holds { differences.append("\(event.event) \(event.connection): \(found)") }
        }
        for event in probe.events {
            if clients[event.connection] == nil {
                clients[event.connection] = await world.client(keepsMessages: keepsMessages)
            }
            let client = try #require(clients[event.connection])
            switch event.event {
            case "send": await client.send(try event.content())
            case "receive":
                let expected = try event.content()
                let packet = await client.packet()
                if expected.first == PomeloPacket.Kind.data.rawValue {
                    let message = try TestMessage(Array(expected.dropFirst(PomeloPacket.headSize)))
                    let found = packet.flatMap { try? TestMessage($0.body) }
                    expect(found == message, event, "\(found as Any)")
                } else {
                    let found = try packet.map { try PomeloPacket.bytes($0.kind, $0.body) }
                    expect(found == expected, event, "\(found as Any)")
                }
            case "silence":
                let rest = await client.unread()
                expect(rest.isEmpty, event, "\(rest)")
                let isOver = await client.isOver
                expect(!isOver, event, "closed")
            case "closed":
                let isOver = await client.isOver
                expect(isOver, event)
            default: Issue.record("an unknown event \(event.event)")
            }
        }
        return differences
    }
}

extension Probe.Event {
    /// What was sent or received. A long echo is recorded by its length alone.
    func content() throws -> [UInt8] {
        if let bytes { return try #require(Vectors.bytes(bytes)) }
        let length = try #require(length)
        let head: PomeloMessageHead = event == "send" ? .request(id: 1, .text("room.room.echo")) : .response(id: 1)
        return TestClient.message(head, String(repeating: "a", count: length - (event == "send" ? 21 : 6)))
    }
}
