import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayMesh

/// Everything that was said to real nodes by bare sockets, said to ours at the same times. What we answer otherwise is
/// listed, with the reason.
@Suite(.timeLimit(.minutes(2))) struct RecordedProbeTests {
    struct Event: Decodable {
        let time: Double
        let from: String
        let kind: String
        let text: String?
        let count: Int?

        private enum CodingKeys: String, CodingKey {
            case from, kind
            case time = "t_ms"
            case text = "utf8"
            case count = "len"
        }
    }
    struct Recorded: Decodable, CustomStringConvertible {
        let id: String?
        let events: [Event]
        let isOpenAtEnd: Bool
        var description: String { id ?? "?" }

        private enum CodingKeys: String, CodingKey {
            case id, events
            case isOpenAtEnd = "connection_open_at_end"
        }

        /// What the node said, and whether it ended the connection.
        var answer: String { events.filter { $0.from == "node" }.compactMap(\.text).joined() }
        var isEndedByNode: Bool { events.contains { $0.from == "node" && $0.kind != "bytes" } }
    }
    private struct File: Decodable {
        struct Session: Decodable {
            let id: String
            let probes: [Recorded]?
        }
        let sessions: [Session]
    }

    private static func probes(_ file: String, of session: String) throws -> [Recorded] {
        let all = try Vectors.decode(File.self, from: file).sessions
        return try #require(all.first { $0.id == session }?.probes)
    }

    static func short() throws -> [Recorded] { try probes("mesh-short", of: "probes") }
    static func long() throws -> [Recorded] { try probes("mesh-long", of: "probes") }

    /// Abbreviated in the file: one message, filled up by white space or by data.
    private func text(of event: Event) -> String {
        guard let text = event.text, text.hasPrefix("("), let count = event.count else { return event.text ?? "" }
        let message = PheromoneMessage("luda", .getRequest).text
        return message + String(repeating: " ", count: count - message.utf8.count)
    }

    private func play(_ recorded: Recorded, to probe: Probe, in world: SimulatedWorld) async {
        var now = 0.0
        for event in recorded.events where event.from == "probe" {
            world.advance(by: .microseconds(Int64((event.time - now) * 1000)))
            now = event.time
            await probe.send(text(of: event))
        }
        if recorded.id == "fin-only" { await probe.finish() }
        world.advance(by: .milliseconds(300))
    }

    private static let get = PheromoneMessage("yoghurt", .getResponse).text
    private static let connect = PheromoneMessage("yoghurt", .connectResponse).text

    @Test(arguments: try Self.short())
    func `a short peer answers the probes as recorded, or better`(_ recorded: Recorded) async throws {
        /// Lost by the original because it takes one read for one message.
        let better = ["split": Self.get, "two-in-one": Self.get, "size-12046": Self.get]
        let mesh = MeshWorld()
        _ = try await mesh.peer("yoghurt", .short, at: "1:1") { $0.firstMessageLimit = .milliseconds(100) }
        let probe = await mesh.probe("1:1")
        await play(recorded, to: probe, in: mesh.world)
        #expect(await probe.text == better[recorded.description] ?? recorded.answer)
        #expect(recorded.isEndedByNode)
        #expect(await probe.hasEnded)
    }

    @Test(arguments: try Self.long())
    func `a long peer answers the probes as recorded, or better`(_ recorded: Recorded) async throws {
        /// Lost by the original, or never read by it.
        let better = [
            "no-greeting": Self.get + Self.get, "idle": Self.connect, "split-after-greeting": Self.connect + Self.get,
            "coalesced-after-greeting": Self.connect + Self.get + Self.get,
            "too-large-after-greeting": Self.connect + Self.get + Self.get,
        ]
        let mesh = MeshWorld()
        _ = try await mesh.peer("yoghurt", .long, at: "1:1")
        let probe = await mesh.probe("1:1")
        await play(recorded, to: probe, in: mesh.world)
        #expect(await probe.text == better[recorded.description] ?? recorded.answer)
        // The only one that the original closes is the holder of a name that somebody else has taken.
        #expect(recorded.isEndedByNode == (recorded.id == "same-name-first"))
        #expect(await !probe.hasEnded)
    }

    @Test func `a node of ours is not stuck by what sticks the original`() async throws {
        let recorded = try Self.probes("mesh-short", of: "lock-leak")
        #expect(recorded.map { $0.answer.isEmpty } == [false, false, true, false])
        let mesh = MeshWorld()
        let yoghurt = try await mesh.peer("yoghurt", .short, at: "1:1")
        for (index, one) in recorded.enumerated() {
            let probe = await mesh.probe("1:1")
            await play(one, to: probe, in: mesh.world)
            #expect(await probe.text == (index == 2 ? Self.connect : one.answer))
            #expect(await probe.hasEnded)
        }
        try await mesh.world.play { #expect(await yoghurt.peers().map(\.name) == ["luda", "third"]) }
    }

    /// The conversations of `mesh-long.json` with the part of one node played by ours, byte for byte.
    @Test(arguments: ["hello-full-session", "data-is-dropped"])
    func `a long peer says in a recorded conversation what the original said`(_ id: String) async throws {
        let all = try Vectors.decode(Conversations.self, from: "mesh-long").sessions
        let events = try #require(all.first { $0.id == id }?.events).filter { $0.kind == "bytes" }
        #expect(events.count >= 6)
        let mesh = MeshWorld()
        _ = try await mesh.peer("yoghurt", .long, at: "1:1")
        let probe = await mesh.probe("1:1")
        var expected = ""
        for event in events {
            if event.from == "caller" {
                await probe.send(event.text ?? "")
            } else {
                expected += event.text ?? ""
                #expect(await probe.text == expected)
            }
        }
    }

    @Test func `a short peer says in every recorded conversation what the original said`() async throws {
        let all = try Vectors.decode(Conversations.self, from: "mesh-short").sessions
        var count = 0
        for session in all where ["hello-full-session", "data-is-dropped", "hello-reverse"].contains(session.id) {
            let events = try #require(session.events).filter { $0.kind == "bytes" }
            let name = session.id == "hello-reverse" ? "luda" : "yoghurt"
            let mesh = MeshWorld()
            _ = try await mesh.peer(name, .short, at: "1:1")
            for (asked, answered) in zip(events, events.dropFirst()) where asked.from == "caller" {
                let probe = await mesh.probe("1:1")
                await probe.send(asked.text ?? "")
                #expect(await probe.text == answered.text)
                #expect(await probe.hasEnded)
                count += 1
            }
        }
        #expect(count == 11)
    }

    private struct Conversations: Decodable {
        struct Session: Decodable {
            let id: String
            let events: [Event]?
        }
        let sessions: [Session]
    }
}
