import OmniwayTesting

@testable import OmniwayWire

/// `mesh-handle.json`: inputs given to the original, and what it returned.
struct RecordedHandling: Decodable {
    struct Case: Decodable, CustomStringConvertible {
        let id: String
        let mode: String
        let input: String
        let reply: String?
        let error: Int
        let routes: [String]
        let hostName: String
        let hostNameHex: String?

        var description: String { "\(mode) \(id)" }

        private enum CodingKeys: String, CodingKey {
            case id, mode
            case input = "input_utf8"
            case reply = "reply_utf8"
            case error = "error_code"
            case routes = "routes_after"
            case hostName = "host_name"
            case hostNameHex = "host_name_hex"
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            id = try fields.decode(String.self, forKey: .id)
            mode = try fields.decode(String.self, forKey: .mode)
            input = try fields.decode(String.self, forKey: .input)
            reply = try fields.decodeIfPresent(String.self, forKey: .reply)
            error = try fields.decode(Int.self, forKey: .error)
            routes = try fields.decodeIfPresent([String].self, forKey: .routes) ?? []
            hostNameHex = try fields.decodeIfPresent(String.self, forKey: .hostNameHex)
            let bytes = hostNameHex.flatMap(Vectors.bytes)
            let plain = try fields.decodeIfPresent(String.self, forKey: .hostName)
            hostName = bytes.map { String(decoding: $0, as: UTF8.self) } ?? plain ?? "yoghurt"
        }
    }
    let cases: [Case]

    static func load() throws -> [Case] { try Vectors.decode(Self.self, from: "mesh-handle").cases }
}

/// `mesh-short.json` and `mesh-long.json`: conversations of real nodes.
struct RecordedConversations: Decodable {
    struct Event: Decodable {
        let from: String
        let kind: String
        let text: String?

        private enum CodingKeys: String, CodingKey {
            case from, kind
            case text = "utf8"
        }
    }
    struct Session: Decodable {
        let id: String
        let events: [Event]?
        let probes: [Probe]?
    }
    struct Probe: Decodable {
        let id: String?
        let events: [Event]
    }
    let sessions: [Session]

    /// Every message of a file that is one, in order.
    static func messages(_ file: String) throws -> [String] {
        let sessions = try Vectors.decode(Self.self, from: file).sessions
        let events = sessions.flatMap { ($0.events ?? []) + ($0.probes ?? []).flatMap(\.events) }
        return events.compactMap(\.text).filter { $0.first == "{" && $0.last == "}" && !$0.contains("}{") }
    }
}
