import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct InvokeCodecTests {
    private let codec = InvokeCodec()

    private func frame(_ json: String) -> [UInt8] {
        let length = UInt64(json.utf8.count)
        return (0..<8).map { UInt8(truncatingIfNeeded: length >> UInt64(56 - 8 * $0)) } + Array(json.utf8)
    }

    private func read(_ bytes: [UInt8]) throws -> InvokeMessage? {
        try lending(bytes) { span in
            guard let range = try codec.frame(in: span) else { return nil }
            return try codec.message(span.extracting(range))
        }
    }

    private func written(_ message: InvokeMessage) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try codec.write(message, to: &bytes)
        return bytes
    }

    private static let request = InvokeRequest(
        id: "2f1c", path: "/client/login", headers: ["b": "2", "a": "1"], body: #"{"clientId":"x"}"#)
    private static let requestText =
        #"{"data":{"RequestId":"2f1c","Header":{"a":"1","b":"2"},"JsonBody":"{\"clientId\":\"x\"}","#
        + #""Path":"/client/login"},"type":"1"}"#
    private static let response = InvokeResponse(to: "2f1c", .forbidden, message: "no")
    private static let responseText =
        #"{"data":{"RequestId":"2f1c","Header":{},"JsonBody":"","ResultCode":403,"ResultMessage":"no"},"type":"2"}"#

    @Test func `frames are written as the original writes them`() throws {
        #expect(try written(.request(Self.request)) == frame(Self.requestText))
        #expect(try written(.response(Self.response)) == frame(Self.responseText))
    }

    @Test(arguments: [InvokeMessage.request(request), .response(response)])
    func `a frame is read as it was written, and cut anywhere it is none yet`(_ message: InvokeMessage) throws {
        let bytes = try written(message)
        #expect(try read(bytes) == message)
        for cut in bytes.indices { #expect(try read(Array(bytes[..<cut])) == nil) }
    }

    @Test func `keys are found in any case and in any order, and may be missing or null`() throws {
        let text = #"{"TYPE":"1","Data":{"path":" /Client/Register\n","requestid":"7","header":null,"more":[1]}}"#
        let message = try #require(try read(frame(text)))
        #expect(message == .request(InvokeRequest(id: "7", path: " /Client/Register\n")))
        #expect(InvokeRequest.key(of: " /Client/Register\n") == "/client/register")
    }

    @Test(arguments: [
        "[]", "{}", "{ ", "\"1\"", #"{"type":1,"data":{}}"#, #"{"type":"3","data":{}}"#, #"{"type":"1"}"#,
        #"{"type":"1","data":null}"#, #"{"type":"1","data":{"RequestId":5}}"#, #"{"type":"1","data":{"Header":[]}}"#,
        #"{"type":"1","data":{"Header":{"a":1}}}"#, #"{"type":"2","data":{"ResultCode":"200"}}"#,
        #"{"type":"2","data":{"ResultCode":1.5}}"#, #"{"type":"1","data":{"x":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}}"#,
    ])
    func `what is no frame is an error that says why`(_ text: String) {
        #expect { try read(frame(text)) } throws: { "\($0)".hasPrefix("a frame cannot be read: ") }
    }

    @Test(arguments: [.max, .min, -1, 0, 1, (1 << 20) + 1] as [Int64])
    func `a length outside the limits is refused by its eight bytes`(_ length: Int64) {
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: length >> Int64(56 - 8 * $0)) }
        #expect(throws: InvokeError.frameSize(Int(length), limit: 1 << 20)) { try read(bytes) }
    }

    @Test func `a frame that the peer would refuse is not written`() {
        let small = InvokeCodec(maxFrameSize: 100)
        var bytes: [UInt8] = [1, 2]
        #expect(throws: InvokeError.self) { try small.write(.request(Self.request), to: &bytes) }
        #expect(bytes == [1, 2])
    }

    @Test(arguments: 1...500) func `mutated frames never trap`(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var bytes = try written(.response(Self.response)) + written(.request(Self.request))
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let at = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: at)
            default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
            }
        }
        var offset = 0
        do {
            while let range = try lending(bytes, { try codec.frame(in: $0, at: offset) }) {
                #expect(range.lowerBound == offset + 8 && range.upperBound <= bytes.count, "seed \(seed)")
                offset = range.upperBound
                _ = try lending(Array(bytes[range])) { try codec.message($0) }
            }
        } catch {
            #expect(error is InvokeError, "seed \(seed)")
        }
    }

    @Test func `headers keep the order of their names`() {
        var headers: InvokeHeaders = ["b": "1", "a": "2", "c": "3"]
        headers["b"] = nil
        headers["a"] = "4"
        headers["missing"] = nil
        #expect(headers.map(\.name) == ["a", "c"])
        #expect(headers["a"] == "4")
        #expect(headers["A"] == nil)
    }

    @Test func `ids are UUIDs of version 4`() {
        #expect(UUIDText.text(high: 0, low: 0) == "00000000-0000-4000-8000-000000000000")
        #expect(UUIDText.text(high: .max, low: .max) == "ffffffff-ffff-4fff-bfff-ffffffffffff")
    }
}
