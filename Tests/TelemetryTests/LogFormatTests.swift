import Testing

@testable import OmniwayTelemetry

/// One event, one line, and nothing in it that a reader could take for something else.
struct LogFormatTests {
    private static let time = Timestamp(seconds: 1_763_707_520, nanoseconds: 123_456_789)

    private static func line(_ format: LogFormat, _ name: String, _ fields: KeyValuePairs<String, String>) -> String {
        var line: [UInt8] = []
        format.append(LogEvent(time: time, level: .notice, name: name, fields: fields), to: &line)
        return String(decoding: line, as: UTF8.self)
    }

    @Test func `text is time, level, words and fields`() {
        let line = Self.line(.text, "link closed", ["reason": "idle", "link": "42"])
        #expect(line == "2025-11-21T06:45:20.123456Z notice link closed reason=idle link=42")
    }

    @Test func `JSON is one object of strings`() {
        let line = Self.line(.json, "link closed", ["reason": "idle", "link": "42"])
        let start = #"{"time":"2025-11-21T06:45:20.123456Z","level":"notice","event":"#
        #expect(line == start + #""link closed","reason":"idle","link":"42"}"#)
        #expect(Self.line(.json, "closed", [:]) == start + #""closed"}"#)
    }

    @Test func `JSON fields cannot replace the time, the level or the event`() {
        let line = Self.line(.json, "forged", ["time": "1", "level": "error", "event": "other"])
        #expect(line.hasSuffix(#""event":"forged","_time":"1","_level":"error","_event":"other"}"#))
    }

    @Test(arguments: [
        ("idle", "idle"), ("127.0.0.1:80", "127.0.0.1:80"), (#"C:\logs"#, #"C:\logs"#), ("网关", "网关"), ("é", "é"),
        ("it's", "it's"), ("[::1]:80", "[::1]:80"), ("👋🏽", "👋🏽"), ("***", "***"),
    ])
    func `a value without anything special is bare`(_ value: String, _ written: String) {
        #expect(Self.line(.text, "x", ["v": value]).hasSuffix(" x v=\(written)"))
    }

    @Test(arguments: [
        ("", #""""#), ("two words", #""two words""#), ("a=b", #""a=b""#), (#"say "hi""#, #""say \"hi\"""#),
        (#"a \ b"#, #""a \\ b""#), ("a\nb", #""a\nb""#), ("a\r\nb", #""a\r\nb""#), ("\t", #""\t""#),
        ("\u{0}", #""\u0000""#), ("\u{1b}[31m", #""\u001b[31m""#), ("\u{7f}", #""\u007f""#),
        ("\u{85}", #""\u0085""#), ("\u{9b}", #""\u009b""#), ("\u{a0}", "\"\u{a0}\""), ("\u{2028}", #""\u2028""#),
        ("\u{2029}", #""\u2029""#), ("\u{202e}gpj", #""\u202egpj""#), ("\u{feff}", #""\ufeff""#),
        ("\u{e0041}", #""\udb40\udc41""#),
    ])
    func `a value that could be misread is quoted`(_ value: String, _ written: String) {
        #expect(Self.line(.text, "x", ["v": value]).hasSuffix(" x v=\(written)"))
    }

    @Test func `bytes that are no text become the replacement character`() {
        let invalid = String(decoding: [0x61, 0xff, 0x0a, 0xc3], as: UTF8.self)
        #expect(Self.line(.text, "x", ["v": invalid]).hasSuffix(" x v=\"a\u{fffd}\\n\u{fffd}\""))
        #expect(Self.line(.json, "x", ["v": invalid]).hasSuffix("\"v\":\"a\u{fffd}\\n\u{fffd}\"}"))
    }

    @Test func `the words of an event are bare, but for those that look like a field`() {
        #expect(Self.line(.text, "", [:]).hasSuffix(#" notice """#))
        #expect(Self.line(.text, "closed reason=idle", [:]).hasSuffix(#" notice "closed reason=idle""#))
        #expect(Self.line(.text, "one\ntwo", [:]).hasSuffix(#" notice "one\ntwo""#))
    }

    @Test func `a name is quoted like a value`() {
        #expect(Self.line(.text, "x", ["a b": "1", "": "2"]).hasSuffix(#" x "a b"=1 ""=2"#))
        #expect(Self.line(.json, "x", ["a\"b": "1"]).hasSuffix(#","a\"b":"1"}"#))
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `random text comes back unchanged, from one line`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let (event, name, value) = (text(&random), text(&random), text(&random))
            let line = Self.line(.text, event, [name: value])
            #expect(line.unicodeScalars.allSatisfy { !isDangerous($0) }, "seed \(seed)")
            let read = try #require(TextLine(line), "seed \(seed): \(line)")
            #expect(read.time == "2025-11-21T06:45:20.123456Z" && read.level == "notice")
            #expect(scalars(read.event) == scalars(event), "seed \(seed)")
            #expect(read.fields.count == 1)
            #expect(scalars(read.fields[0].name) == scalars(name), "seed \(seed)")
            #expect(scalars(read.fields[0].value) == scalars(value), "seed \(seed)")

            let json = Self.line(.json, event, [name: value])
            #expect(json.unicodeScalars.allSatisfy { !isDangerous($0) }, "seed \(seed)")
            #expect(try strings(json) == ["notice", event, name, value], "seed \(seed)")
        }
    }

    private func scalars(_ text: String) -> [Unicode.Scalar] { Array(text.unicodeScalars) }

    private func isDangerous(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || (0x2028...0x202e).contains(scalar.value)
    }

    /// The strings of an object, from the value of its level on, without the names that every line has.
    private func strings(_ json: String) throws -> [String] {
        var rest = Substring(json.dropFirst(#"{"time":"2025-11-21T06:45:20.123456Z","level":"#.count)).unicodeScalars
        var found: [String] = []
        while rest.first != "}" {
            found.append(try #require(unquote(&rest)))
            guard rest.first != "}" else { break }
            #expect(rest.popFirst() == (found.count % 2 == 1 ? "," : ":"))
        }
        #expect(rest.count == 1)
        #expect(found.remove(at: 1) == "event")
        return found
    }

    /// Mostly what is special, for there the mistakes are.
    private func text(_ random: inout SeededGenerator) -> String {
        let special: [Unicode.Scalar] = [
            " ", "=", "\"", "\\", "\n", "\r", "\t", "\0", "\u{7f}", "\u{85}", "\u{9b}", "\u{a0}", "\u{2028}",
            "\u{202e}", "\u{feff}", "\u{fffd}", "n", "u", "0", "{", "}", ",", ":", "é", "网", "👋", "\u{200d}",
            "\u{301}", "\u{e0041}",
        ]
        let count = Int.random(in: 1...8, using: &random)
        var text = String.UnicodeScalarView()
        for _ in 0..<count {
            guard Bool.random(using: &random) else {
                text.append(special.randomElement(using: &random) ?? "x")
                continue
            }
            text.append(Unicode.Scalar(UInt32.random(in: 0..<0x11_0000, using: &random)) ?? "y")
        }
        return String(text)
    }
}
