import OmniwayCrypto
import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct PomeloHandshakeTests {
    private struct File: Decodable {
        struct Request: Decodable {
            let name: String
            let json: String
            let packet: Hex
        }
        struct Response: Decodable {
            let name: String
            let compression: Bool
            let deflated: Bool
            let json: String
            let packet: Hex
        }
        let request: [Request]
        let response: [Response]
    }

    private let pool = DeflatePool()
    private let file: File

    init() throws { file = try Vectors.decode(File.self, from: "pitaya-handshakes") }

    private func read(_ text: String) throws -> PomeloHandshake {
        try lending(Array(text.utf8)) { try PomeloHandshake($0, limits: generousLimits) }
    }

    private func answer(_ body: [UInt8]) throws -> PomeloHandshakeAnswer {
        try lending(body) { try PomeloHandshakeAnswer($0, limits: generousLimits, by: pool) }
    }

    // MARK: The client's

    @Test func `a client's handshake is written and read as the original does it`() throws {
        let handshakes = [
            "full": PomeloHandshake(
                platform: "mac", libVersion: "0.3.5-release", clientBuildNumber: "20", clientVersion: "2.1",
                user: ["age": 30]), "no-user": PomeloHandshake(),
        ]
        #expect(file.request.count == 2)
        for vector in file.request {
            let handshake = try #require(handshakes[vector.name])
            #expect(try PomeloPacket.bytes(.handshake, handshake.json) == vector.packet.bytes)
            #expect(try read(vector.json) == handshake)
        }
    }

    @Test func `fields are found in any case, and what is not known is passed over`() throws {
        let text = #"""
            {"SYS":{"Platform":"a","libversion":"b","type":"js","rsa":{},"protoVersion":null,"clientVersion":null},
            "USER":{"age":1},"more":[]}
            """#
        #expect(try read(text) == PomeloHandshake(platform: "a", libVersion: "b", user: ["age": 1]))
    }

    @Test(arguments: ["{}", "null", #"{"sys":null,"user":null}"#, #"{"sys":{"platform":null}}"#])
    func `what says nothing is a handshake too`(_ text: String) throws { #expect(try read(text) == PomeloHandshake()) }

    @Test(arguments: [
        "", "hello", "1", "[]", #""x""#, "{}{}", #"{"sys":{"platform":1}}"#, #"{"sys":[]}"#, #"{"user":[]}"#,
        #"{"user":"x"}"#, #"{"sys":{"clientVersion":{}}}"#, String(repeating: #"{"user":"#, count: 100),
    ])
    func `what is no handshake is refused`(_ text: String) {
        #expect(throws: PomeloError.self) { try read(text) }
    }

    @Test func `a handshake cut anywhere is refused`() throws {
        let text = try #require(file.request.first).json
        for cut in text.indices { #expect(throws: PomeloError.self) { try read(String(text[..<cut])) } }
    }

    @Test func `an error names the field`() {
        #expect(throws: PomeloError.wrongField("sys.platform", .kind(.number, expected: .string))) {
            try read(#"{"sys":{"platform":1}}"#)
        }
        #expect(throws: PomeloError.wrongField("user", .kind(.bool, expected: .object))) { try read(#"{"user":true}"#) }
    }

    // MARK: The server's

    private func expected() throws -> [String: PomeloHandshakeAnswer] {
        let routes: [(String, UInt16)] = [
            ("room.room.push", 300), ("onPush", 2), ("room.room.echo", 1), ("onMessage", 3),
        ]
        let full = PomeloHandshakeAnswer(heartbeat: .seconds(10), dictionary: try PomeloDictionary(routes))
        return [
            "ok-empty-dictionary": .init(heartbeat: .seconds(30)),
            "ok-protobuf": .init(heartbeat: .seconds(30), serializer: "protobuf"), "ok-dictionary-plain": full,
            "ok-dictionary-deflated": full, "ok-fractional-heartbeat": .init(heartbeat: .milliseconds(1500)),
            "refused": .init(code: PomeloHandshakeAnswer.refused, heartbeat: .seconds(30)),
        ]
    }

    @Test func `a server's answer is written and read as the original does it`() throws {
        let expected = try expected()
        #expect(file.response.count == expected.count)
        for vector in file.response {
            let said = try #require(expected[vector.name])
            #expect(String(decoding: said.json, as: UTF8.self) == vector.json)
            let body = said.body(compressedBy: vector.compression ? pool : nil)
            #expect((body != said.json) == vector.deflated, "\(vector.name)")
            if !vector.deflated { #expect(try PomeloPacket.bytes(.handshake, body) == vector.packet.bytes) }
            #expect(try answer(Array(vector.packet.bytes.dropFirst(4))) == said)
            #expect(try answer(body) == said)
        }
    }

    @Test func `a client also reads an answer that gzip made`() throws {
        let said = try #require(try expected()["ok-dictionary-plain"])
        let body = Deflater.deflate(said.json, .gzip)
        #expect(body.prefix(2) == [0x1f, 0x8b])
        #expect(try answer(body) == said)
        #expect(throws: PomeloError.malformedBody(.truncated(body.count - 1))) { try answer(Array(body.dropLast())) }
    }

    @Test func `an answer of a pomelo or nano server has fewer fields`() throws {
        let text = #"{"code":200,"sys":{"heartbeat":10,"servertime":1700000000}}"#
        #expect(
            try answer(Array(text.utf8)) == PomeloHandshakeAnswer(heartbeat: .seconds(10), serializer: ""))
        #expect(try answer(Array("{}".utf8)) == PomeloHandshakeAnswer(code: 0, heartbeat: .zero, serializer: ""))
    }

    @Test(arguments: [
        "", "{", #"{"code":"200"}"#, #"{"code":200.5}"#, #"{"sys":{"heartbeat":-1}}"#, #"{"sys":{"heartbeat":1e300}}"#,
        #"{"sys":{"heartbeat":86401}}"#, #"{"sys":{"dict":{"a":65536}}}"#, #"{"sys":{"dict":{"a":-1}}}"#,
        #"{"sys":{"dict":{"a":1,"b":1}}}"#, #"{"sys":{"dict":{"a":1," a":2}}}"#, #"{"sys":{"dict":[]}}"#,
        #"{"sys":{"serializer":1}}"#,
    ])
    func `an answer that is none is refused`(_ text: String) {
        #expect(throws: PomeloError.self) { try answer(Array(text.utf8)) }
    }

    @Test func `an answer that inflates to more than the limit is refused`() {
        let bomb = Deflater.deflate([UInt8](repeating: 0x20, count: 10 << 20), .zlib)
        #expect(throws: PomeloError.malformedBody(.tooLarge(limit: 1 << 16))) { try answer(bomb) }
    }
}
