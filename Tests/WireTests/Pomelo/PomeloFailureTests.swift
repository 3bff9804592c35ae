import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct PomeloFailureTests {
    private struct File: Decodable {
        struct Payload: Decodable {
            let name: String
            let serializer: String
            let payload: Hex
        }
        let payloads: [Payload]
    }

    private let failures = [
        "plain": PomeloFailure(code: "PIT-000", message: "plain"), "coded": .init(code: "PIT-404", message: "bad"),
        "metadata": .init(code: "RM-001", message: "bad", metadata: ["k": "v"]), "empty-message": .init(code: "RM-001"),
        "empty-code": .init(message: "bad"), "html-escape": .init(code: "PIT-000", message: "a<b>&c"),
    ]

    @Test func `errors are written and read as the original does it`() throws {
        let payloads = try Vectors.decode(File.self, from: "pitaya-errors").payloads
        #expect(payloads.count == 2 * failures.count)
        for payload in payloads {
            let failure = try #require(failures[payload.name])
            if payload.serializer == "json" {
                #expect(failure.json == payload.payload.bytes)
                let read = try lending(payload.payload.bytes) { try PomeloFailure(json: $0, limits: generousLimits) }
                #expect(read == failure)
            } else {
                #expect(failure.protobuf == payload.payload.bytes)
                #expect(try lending(payload.payload.bytes) { try PomeloFailure(protobuf: $0) } == failure)
            }
        }
    }

    @Test func `metadata is written in the order of its keys`() {
        let failure = PomeloFailure(metadata: ["b": "2", "é": "4", "a": "1", "c": "3"])
        #expect(String(decoding: failure.json, as: UTF8.self) == #"{"metadata":{"a":"1","b":"2","c":"3","é":"4"}}"#)
        #expect(failure.protobuf.count(where: { $0 == 0x1a }) == 4)
        #expect(failure.protobuf.firstIndex(of: UInt8(ascii: "a")) == 4)
    }

    @Test func `an error of JSON is read by Go's rules`() throws {
        let text = #"{"CODE":"x","msg":null,"metadata":{"k":"v","n":null},"more":[1]}"#
        try lending(Array(text.utf8)) {
            let failure = try PomeloFailure(json: $0, limits: generousLimits)
            #expect(failure == PomeloFailure(code: "x", metadata: ["k": "v"]))
        }
        let error = PomeloError.wrongField("metadata.k", .kind(.number, expected: .string))
        #expect(throws: error) {
            try lending(Array(#"{"metadata":{"k":1}}"#.utf8)) { try PomeloFailure(json: $0, limits: generousLimits) }
        }
    }
}
