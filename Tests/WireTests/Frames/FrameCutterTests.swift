import OmniwayWire
import Testing

/// What people see of frames, however their bytes come.
@Suite struct FrameCutterTests {
    /// A flow of each protocol, and what its frames say.
    static let flows: [(FrameFormat, [UInt8], [String])] = [
        (
            .gatewayV2,
            command(.v2, .dial(7, as: 0)) + command(.v2, .accept(3, 7)) + header(3, "hi") + command(.v2, .ping),
            ["dial(7, as: 0)", "accept(3, 7)", "message on 3: hi", "ping"]
        ),
        (.gatewayV1, command(.v1, .new) + command(.v1, .dial(9, as: 4)), ["new", "dial(9, as: 4)"]),
        (
            .pomelo,
            packet(.handshake, "{}") + message(.request(id: 300, .text("room.join")), "{\"name\":\"a\"}")
                + message(.push(.code(2)), "x") + message(.response(id: 300, isError: true), "no")
                + packet(.heartbeat, ""),
            [
                "handshake {}", "request 300 room.join: {\"name\":\"a\"}", "push route 2: x",
                "failed response 300: no", "heartbeat nothing",
            ]
        ),
        (
            .invoker,
            invoke(.request(InvokeRequest(id: "1", path: "/client/login", headers: ["A": "b"], body: "{}")))
                + invoke(.response(InvokeResponse(to: "1", .notFound, message: "gone"))),
            ["request /client/login A=b {}", "response 404 gone "]
        ),
        (
            .mux,
            bytes(MuxFrame.control(.ping, .ack, number: 5))
                + bytes(MuxFrame.header(.data, .fin, stream: 3, length: 2)) + Array("ok".utf8),
            ["ping ack stream 0 number 5", "data fin stream 3: ok"]
        ),
        (
            .mesh,
            PheromoneMessage(name: "luda", operation: .getRequest, data: Array("a}{\"".utf8)).bytes + Array(" \n".utf8)
                + Array("{\"b\": \"}\\\"\"}".utf8),
            ["getreq from luda: a}{\"", " from : nothing"]
        ),
        (
            .webSocket, frame(WebSocketFrameHeader(.text, mask: WebSocketMask(0x0102_0304), length: 5), "hello")
                + frame(WebSocketFrameHeader(.binary, isFinal: false, length: 200), String(repeating: "a", count: 200))
                + frame(WebSocketFrameHeader(.close, length: 0), ""),
            ["text: hello", "binary, to be continued: " + String(repeating: "a", count: 200), "close: nothing"]
        ),
    ]

    @Test(arguments: flows.indices)
    func `frames are the same wherever their bytes are cut`(_ index: Int) {
        let (format, bytes, said) = Self.flows[index]
        #expect(Self.texts(format, [bytes]) == said)
        #expect(Self.texts(format, bytes.map { [$0] }) == said)
        for cut in bytes.indices {
            #expect(Self.texts(format, [Array(bytes[..<cut]), Array(bytes[cut...])]) == said, "cut at \(cut)")
        }
    }

    @Test func `every format has a flow here, but for bytes`() {
        #expect(Set(Self.flows.map(\.0)).union([.bytes]) == Set(FrameFormat.allCases))
        #expect(Self.texts(.bytes, [[1, 255], Array("text".utf8)]) == ["01 ff", "text"])
    }

    @Test func `of a long frame the beginning is kept, and its size is known`() {
        let long = Self.header(5, String(repeating: "z", count: 100_000))
        var cutter = FrameCutter(.gatewayV2)
        var frames: [SeenFrame] = []
        for start in stride(from: 0, to: long.count, by: 999) {
            lending(Array(long[start..<min(start + 999, long.count)])) { cutter.cut($0) { frames.append($0) } }
        }
        #expect(frames.map(\.count) == [100_008] && frames.map(\.head.count) == [FrameCutter.kept])
        #expect(FrameFormat.gatewayV2.text(of: frames[0]).hasSuffix("z and 99600 bytes more"))
    }

    @Test(arguments: FrameFormat.allCases)
    func `what is no frame is shown as it is, and the next bytes begin anew`(_ format: FrameFormat) {
        let nonsense = [UInt8](repeating: 0xff, count: 20)
        let good = Self.flows.first { $0.0 == format }
        let texts = Self.texts(format, [nonsense, good?.1 ?? []])
        #expect(texts.first?.contains("ff ff ff") == true)
        #expect(Array(texts.dropFirst()) == good?.2 ?? [])
    }

    @Test(arguments: FrameFormat.allCases, 1...200)
    func `no bytes trap`(_ format: FrameFormat, _ seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var bytes = Self.flows.first { $0.0 == format }?.1 ?? [1, 2, 3]
        for _ in 0..<3 {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            bytes[place] = UInt8.random(in: 0...255, using: &random)
        }
        let cut = Int.random(in: 0...bytes.count, using: &random)
        let texts = Self.texts(format, [Array(bytes[..<cut]), Array(bytes[cut...])])
        #expect(texts.allSatisfy { $0.utf8.count < 8192 })
    }

    // MARK: What is looked at

    private static func texts(_ format: FrameFormat, _ chunks: [[UInt8]]) -> [String] {
        var cutter = FrameCutter(format)
        var texts: [String] = []
        for chunk in chunks { lending(chunk) { cutter.cut($0) { texts.append(format.text(of: $0)) } } }
        return texts
    }

    private static func array(_ span: RawSpan) -> [UInt8] { unsafe span.withUnsafeBytes { unsafe Array($0) } }

    private static func command(_ dialect: GatewayDialect, _ command: GatewayCommand) -> [UInt8] {
        array(GatewayCodec(dialect).bytes(of: command).span)
    }

    private static func header(_ id: ConnectionID, _ payload: String) -> [UInt8] {
        bytes(GatewayCodec.header(of: id, payload: payload.utf8.count)) + Array(payload.utf8)
    }

    private static func bytes<let count: Int>(_ array: InlineArray<count, UInt8>) -> [UInt8] {
        array.indices.map { array[$0] }
    }

    private static func packet(_ kind: PomeloPacket.Kind, _ body: String) -> [UInt8] {
        (try? PomeloPacket.bytes(kind, Array(body.utf8))) ?? []
    }

    private static func message(_ head: PomeloMessageHead, _ body: String) -> [UInt8] {
        var bytes: [UInt8] = []
        try? head.append(to: &bytes, body: body.utf8.count)
        return bytes + Array(body.utf8)
    }

    private static func invoke(_ message: InvokeMessage) -> [UInt8] {
        var bytes: [UInt8] = []
        try? InvokeCodec().write(message, to: &bytes)
        return bytes
    }

    private static func frame(_ header: WebSocketFrameHeader, _ payload: String) -> [UInt8] {
        let mask = header.mask?.bytes ?? [0, 0, 0, 0]
        return array(header.encoded.bytes) + payload.utf8.enumerated().map { $1 ^ mask[$0 & 3] }
    }
}
