import OmniwayTesting
import OmniwayWire
import Testing

/// What Go's `encoding/json` wrote and read in the original programs.
@Suite struct JSONGoTests {
    private struct Recorded: Decodable {
        struct Text: Decodable {
            let text: String?
            let json: String?
            let value: String?
            let utf8: String?
        }
        let request: [Text]?
        let response: [Text]?
        let servers: [Text]?
        let payloads: [Text]?
        let encoded: [Text]?
        let messages: [Text]?

        /// The texts of a file, whatever it calls them.
        static func texts(_ file: String) throws -> [String] {
            let file = try Vectors.decode(Recorded.self, from: file)
            return [file.request, file.response, file.servers, file.payloads, file.encoded, file.messages]
                .compactMap { $0 }.joined().compactMap { $0.text ?? $0.json ?? $0.value ?? $0.utf8 }
                .filter { !$0.isEmpty }
        }
    }

    @Test(arguments: [
        ("pitaya-handshakes", 8), ("pitaya-etcd", 5), ("pitaya-errors", 6), ("pitaya-context", 4), ("mesh-messages", 8),
    ])
    func `what Go wrote is read and written again byte for byte`(_ file: String, _ count: Int) throws {
        let texts = try Recorded.texts(file)
        #expect(texts.count == count)
        for text in texts {
            let value = try JSON.Reader.go.read(text)
            #expect(JSON.Writer(escaping: .go).bytes(of: value) == Array(text.utf8), "\(text)")
        }
    }

    @Test func `a handshake's answer is written member by member`() throws {
        let recorded = try Recorded.texts("pitaya-handshakes").suffix(6)
        func answer(_ code: Int, _ heartbeat: Double, _ routes: [(String, Int)] = [], _ serializer: String = "json")
            -> String
        {
            var bytes: [UInt8] = []
            JSON.Writer(escaping: .go).writeObject(to: &bytes) {
                $0.member("code", code)
                $0.object("sys") {
                    $0.object("dict") { for (route, code) in routes { $0.member(route, code) } }
                    $0.member("heartbeat", heartbeat)
                    $0.member("serializer", serializer)
                }
            }
            return String(decoding: bytes, as: UTF8.self)
        }
        let routes = [("onMessage", 3), ("onPush", 2), ("room.room.echo", 1), ("room.room.push", 300)]
        #expect(
            recorded == [
                answer(200, 30), answer(200, 30, [], "protobuf"), answer(200, 10, routes), answer(200, 10, routes),
                answer(200, 1.5), answer(400, 30),
            ])
    }

    private struct Mesh: Decodable {
        struct Case: Decodable {
            let id: String
            let input: String
            let reply: String?
            let errorCode: Int
            let hostName: String?

            private enum CodingKeys: String, CodingKey {
                case id
                case input = "input_utf8"
                case reply = "reply_utf8"
                case errorCode = "error_code"
                case hostName = "host_name_hex"
            }
        }
        let cases: [Case]
    }

    @Test func `reads the messages that the original mesh reads, and no others`() throws {
        let refused: Set = [
            "empty", "space-only", "not-json", "truncated", "two-messages", "trailing-nul", "bom", "depth-10001",
        ]
        let cases = try Vectors.decode(Mesh.self, from: "mesh-handle").cases
        #expect(cases.count == 104)
        for mesh in cases {
            let value = try? JSON.Reader.go.read(mesh.input)
            #expect((value == nil) == refused.contains(mesh.id), "\(mesh.id)")
            #expect(value != nil || mesh.errorCode == 3101, "\(mesh.id)")
        }
    }

    @Test func `writes any host name as the original mesh does`() throws {
        let cases = try Vectors.decode(Mesh.self, from: "mesh-handle").cases.filter { $0.hostName != nil }
        #expect(cases.count == 9)
        for mesh in cases {
            let name = try #require(Vectors.bytes(mesh.hostName ?? "-"))
            var bytes: [UInt8] = []
            JSON.Writer(escaping: .go).writeObject(to: &bytes) {
                $0.member("name", utf8: unsafe name.span.bytes)
                $0.member("operation", "getresp")
                $0.member("data", JSON.null)
            }
            #expect(String(decoding: bytes, as: UTF8.self) == mesh.reply, "\(mesh.id)")
        }
    }

    @Test func `the last of equal keys stays, where it stood`() throws {
        let value = try JSON.Reader.go.read(#"{"a":1,"b":2,"a":3,"c":{"x":1,"x":2},"a":4,"d":5}"#)
        #expect(value == ["b": 2, "c": ["x": 2], "a": 4, "d": 5])
        let many = (0..<50).map { #""k\#($0 % 20)":\#($0)"# }.joined(separator: ",")
        let object = try JSON.Reader.go.read("{\(many)}").object()
        #expect(object.map(\.key) == (30..<50).map { "k\($0 % 20)" })
        #expect(object["k3"] == 43)
    }

    @Test func `a field is found in any case, and the last one wins`() throws {
        let object = try JSON.Reader.go.read(#"{"RequestID":1,"requestid":2,"Path":"x","K\u017fy":3}"#).object()
        #expect(object[anyCase: "RequestId"] == 2)
        #expect(object[anyCase: "path"] == "x")
        #expect(object[anyCase: "KSY"] == 3)
        #expect(object[anyCase: "\u{4b}sy"] == 3)
        #expect(object[anyCase: "pat"] == nil)
        #expect(try JSON.Reader.go.read(#"{"\u212aind":1}"#).object()[anyCase: "kind"] == 1)
        #expect(try JSON.Reader.go.read(#"{"KIND[":1}"#).object()[anyCase: "kind{"] == nil)
    }

    @Test(
        arguments: [
            ([0xff], "\u{fffd}"), ([0x61, 0x80, 0x62], "a\u{fffd}b"), ([0xe2, 0x82], "\u{fffd}\u{fffd}"),
            ([0xf0, 0x9f, 0x98], "\u{fffd}\u{fffd}\u{fffd}"), ([0xed, 0xa0, 0x80], "\u{fffd}\u{fffd}\u{fffd}"),
            ([0xc0, 0xaf], "\u{fffd}\u{fffd}"), ([0xf4, 0x90, 0x80, 0x80], "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ([0xc3, 0xa9, 0xc3], "é\u{fffd}"), ([0x5c, 0x6e, 0xff], "\n\u{fffd}"), ([0xff, 0x5c, 0x6e], "\u{fffd}\n"),
        ] as [([UInt8], String)])
    func `each byte that is no UTF-8 becomes one replacement character`(_ bytes: [UInt8], _ text: String) throws {
        #expect(try JSON.Reader.go.read([0x22] + bytes + [0x22]) == .string(text))
        #expect(try JSON.Reader.go.read([0x7b, 0x22] + bytes + [0x22, 0x3a, 0x31, 0x7d]) == .object([text: 1]))
    }

    @Test(arguments: [
        (#""\ud800""#, "\u{fffd}"), (#""\udc00""#, "\u{fffd}"), (#""\ud800\u0041""#, "\u{fffd}A"),
        (#""\ud800\ud83d\ude00""#, "\u{fffd}😀"), (#""\udc00\ud800""#, "\u{fffd}\u{fffd}"),
        (#""\udc00\udc00""#, "\u{fffd}\u{fffd}"), (#""\ud800x""#, "\u{fffd}x"),
        (#""\ud800\n""#, "\u{fffd}\n"), (#""\ud83d\ude00""#, "😀"), (#""a\udfffb""#, "a\u{fffd}b"),
    ])
    func `half a surrogate pair becomes one replacement character`(_ json: String, _ text: String) throws {
        #expect(try JSON.Reader.go.read(json) == .string(text))
    }

    @Test(arguments: [
        "\"\u{1f}\"", "\"\n\"", "[1,]", "{a:1}", "'a'", "01", "1.", "NaN", "+1", "// a\n1", "\u{a0}1", #""\x41""#,
        #""\ud800\u12""#,
    ])
    func `Go refuses it and so do we`(_ text: String) {
        #expect(throws: JSON.ReadError.self) { try JSON.Reader.go.read(text) }
    }
}
