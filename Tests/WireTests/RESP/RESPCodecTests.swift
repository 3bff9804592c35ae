import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct RESPCodecTests {
    private let codec = RESPCodec(mostBytes: 4096)

    private func read(_ text: String) throws(RESPError) -> RESPValue? {
        let bytes = Array(text.utf8)
        var offset = 0
        return try codec.next(in: unsafe bytes.span.bytes, at: &offset)
    }

    /// Each with the bytes that the protocol's own page has for it.
    private static let examples: [(String, RESPValue)] = [
        ("+OK\r\n", .text("OK")),
        ("-ERR unknown command 'asdf'\r\n", .error("ERR unknown command 'asdf'")),
        (":0\r\n", .number(0)), (":-1000\r\n", .number(-1000)),
        ("$5\r\nhello\r\n", .bytes(Array("hello".utf8))), ("$0\r\n\r\n", .bytes([])), ("$-1\r\n", .null),
        ("$4\r\na\r\nb\r\n", .bytes(Array("a\r\nb".utf8))),
        ("*0\r\n", .array([])), ("*-1\r\n", .null),
        ("*3\r\n:1\r\n$-1\r\n*2\r\n+a\r\n-b\r\n", .array([.number(1), .null, .array([.text("a"), .error("b")])])),
    ]

    @Test func `values are what they say, and cut anywhere they are asked for again`() throws {
        for (text, value) in Self.examples {
            let bytes = Array((text + "+next\r\n").utf8)
            for cut in 0..<text.utf8.count {
                var offset = 0
                let part = bytes.span.extracting(first: cut)
                #expect(try codec.next(in: unsafe part.bytes, at: &offset) == nil, "\(cut)")
                #expect(offset == 0)
            }
            var offset = 0
            #expect(try codec.next(in: unsafe bytes.span.bytes, at: &offset) == value)
            #expect(offset == text.utf8.count)
            #expect(try codec.next(in: unsafe bytes.span.bytes, at: &offset) == .text("next"))
        }
    }

    @Test func `bytes that are no answer are refused, and so are answers that are too large`() {
        for text in ["HTTP/1.1\r\n", ":\r\n", ":1a\r\n", "$-2\r\n", "$1\r\nabc", "+a\n", "*1\r\n!\r\n", "\r\n"] {
            #expect(throws: RESPError.self, "\(text)") { try read(text) }
        }
        #expect(throws: RESPError.tooLarge(5000, limit: 4096)) { try read("$5000\r\n") }
        #expect(throws: RESPError.tooLarge(.max, limit: 1 << 16)) { try read("*9223372036854775807\r\n") }
        #expect(throws: RESPError.tooDeep(limit: 8)) { try read(String(repeating: "*1\r\n", count: 20)) }
        #expect(throws: RESPError.self) { try read("*9\r\n" + String(repeating: "$1000\r\n", count: 1)
            + String(repeating: "x", count: 5000)) }
        #expect(throws: RESPError.self) { try read("+" + String(repeating: "x", count: 70_000)) }
    }

    @Test func `a command is a list of strings`() {
        var bytes: [UInt8] = []
        RESPCodec.append([Array("LPUSH".utf8), Array("q".utf8), []], to: &bytes)
        #expect(String(decoding: bytes, as: UTF8.self) == "*3\r\n$5\r\nLPUSH\r\n$1\r\nq\r\n$0\r\n\r\n")
    }
}
