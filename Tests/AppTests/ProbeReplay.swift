import OmniwayTesting
import OmniwayWire
import Testing

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

/// The client's end of a connection, in a simulated world or a real one.
protocol ProbePeer {
    func send(_ bytes: [UInt8]) async
    /// The next packet; nil when there is none in time, or the connection ends.
    func packet() async -> (kind: PomeloPacket.Kind, body: [UInt8])?
    /// What has come and was not looked at, once the server has done all that it will do.
    func rest() async throws -> [UInt8]
    /// The server has ended the connection, once it has done all that it will do.
    func isOver() async throws -> Bool
    /// The server ends the connection in time.
    func ends() async -> Bool
}

extension Probe {
    /// Where this server does otherwise, and why.
    /// Two more the comparison does not see: bodies are compared inflated, for short ones are sent as they are; and who
    /// is replaced is kicked, which the recorded client did not wait for.
    private static let deliberate: [String: String] = [
        "ack-without-handshake": "an ack without a handshake closes: nobody has seen who that is",
        "type-response-from-client": "only servers answer, so it closes",
        "type-push-from-client": "only servers push, so it closes",
        "other-server-type": "it is answered, instead of never",
    ]
    private static let deliberateOverWebSocket = [
        "two-packets-one-write": "several whole packets in one message are taken"
    ]

    /// Sends what was sent and expects what was received, but where this server does otherwise on purpose.
    func replay(keepsMessages: Bool, _ connect: () async throws -> some ProbePeer) async throws {
        let differences = try await differences(connect)
        let isDeliberate = Self.deliberate[name] != nil || keepsMessages && Self.deliberateOverWebSocket[name] != nil
        if !isDeliberate {
            #expect(differences == [], "\(name)")
        } else {
            #expect(differences != [], "\(name) is no difference any more")
        }
    }

    private func differences<Peer: ProbePeer>(_ connect: () async throws -> Peer) async throws -> [String] {
        var clients: [Int: Peer] = [:]
        var differences: [String] = []
        func expect(_ holds: Bool, _ event: Event, _ found: String = "") {
            if !holds { differences.append("\(event.event) \(event.connection): \(found)") }
        }
        for event in events {
            if clients[event.connection] == nil { clients[event.connection] = try await connect() }
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
                let rest = try await client.rest()
                expect(rest.isEmpty, event, "\(rest)")
                let isOver = try await client.isOver()
                expect(!isOver, event, "closed")
            case "closed":
                let isOver = await client.ends()
                expect(isOver, event)
            default: Issue.record("an unknown event \(event.event)")
            }
        }
        return differences
    }
}

extension Probe.Event {
    /// What was sent or received. A long echo is recorded by its length alone.
    fileprivate func content() throws -> [UInt8] {
        if let bytes { return try #require(Vectors.bytes(bytes)) }
        let length = try #require(length)
        let head: PomeloMessageHead = event == "send" ? .request(id: 1, .text("room.room.echo")) : .response(id: 1)
        return TestClient.message(head, String(repeating: "a", count: length - (event == "send" ? 21 : 6)))
    }
}
