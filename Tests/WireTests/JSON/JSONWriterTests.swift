import OmniwayWire
import Testing

@Suite struct JSONWriterTests {
    private func text(_ writer: JSON.Writer, _ write: (JSON.Writer, inout [UInt8]) -> Void) -> String {
        var bytes: [UInt8] = []
        write(writer, &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private let value: JSON = ["a": [], "b": [1, ["c": .null]], "d": [:], "e": ["f": [[]]]]

    @Test func `values are appended to what the caller has`() {
        var bytes = Array("data: ".utf8)
        JSON.Writer().write(value, to: &bytes)
        JSON.Writer().write(true, to: &bytes)
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"data: {"a":[],"b":[1,{"c":null}],"d":{},"e":{"f":[[]]}}true"#)
    }

    @Test func `members and elements are set in on lines of their own`() {
        let indented = """
            {
              "a": [],
              "b": [
                1,
                {
                  "c": null
                }
              ],
              "d": {},
              "e": {
                "f": [
                  []
                ]
              }
            }
            """
        let writer = JSON.Writer(layout: .indented(2))
        #expect(text(writer) { $0.write(value, to: &$1) } == indented)
        let streamed = text(writer) {
            $0.writeObject(to: &$1) {
                $0.array("a") { _ in }
                $0.array("b") {
                    $0.element(1)
                    $0.object { $0.member("c", JSON.null) }
                }
                $0.object("d") { _ in }
                $0.object("e") { $0.array("f") { $0.array { _ in } } }
            }
        }
        #expect(streamed == indented)
    }

    @Test func `members and elements of every kind are streamed`() {
        let object = text(JSON.Writer()) {
            $0.writeObject(to: &$1) {
                $0.member("s", "x\n")
                $0.member("i", -5)
                $0.member("d", 0.5)
                $0.member("b", true)
                $0.member("j", ["k": 1])
                $0.member("k\"", JSON.null)
            }
        }
        #expect(object == #"{"s":"x\n","i":-5,"d":0.5,"b":true,"j":{"k":1},"k\"":null}"#)
        let array = text(JSON.Writer()) {
            $0.writeArray(to: &$1) {
                $0.element("x")
                $0.element(1)
                $0.element(1.5)
                $0.element(false)
                $0.element([1, "y"])
                $0.object { $0.member("a", 1) }
            }
        }
        #expect(array == #"["x",1,1.5,false,[1,"y"],{"a":1}]"#)
    }

    /// Each line: what is written, as RFC 8259 demands and as Go does.
    @Test(arguments: [
        ("\"\\/", #""\"\\/""#, #""\"\\/""#), ("\u{8}\u{c}\n\r\t", #""\b\f\n\r\t""#, #""\u0008\u000c\n\r\t""#),
        ("\0\u{1}\u{1f} \u{7f}", "\"\\u0000\\u0001\\u001f \u{7f}\"", "\"\\u0000\\u0001\\u001f \u{7f}\""),
        ("<a>&b", #""<a>&b""#, #""\u003ca\u003e\u0026b""#),
        ("\u{2028}\u{2029}\u{2027}", "\"\u{2028}\u{2029}\u{2027}\"", "\"\\u2028\\u2029\u{2027}\""),
        ("é信😀\u{fffd}", "\"é信😀\u{fffd}\"", "\"é信😀\u{fffd}\""), ("", #""""#, #""""#), ("a'b", #""a'b""#, #""a'b""#),
    ])
    func `strings are escaped as asked for`(_ string: String, _ minimal: String, _ go: String) {
        #expect(text(JSON.Writer()) { $0.write(.string(string), to: &$1) } == minimal)
        #expect(text(JSON.Writer(escaping: .go)) { $0.write(.string(string), to: &$1) } == go)
        let key = text(JSON.Writer(escaping: .go)) { $0.write(.object([string: 1]), to: &$1) }
        #expect(key == "{\(go):1}")
    }

    @Test func `bytes that are no UTF-8 are replaced one by one`() {
        let bytes: [UInt8] = [0x61, 0xff, 0xe2, 0x82, 0x22, 0xc3, 0xa9, 0xf0, 0x9f]
        func write(_ writer: JSON.Writer) -> String {
            text(writer) { $0.writeObject(to: &$1) { $0.member("k", utf8: unsafe bytes.span.bytes) } }
        }
        #expect(write(JSON.Writer()) == "{\"k\":\"a\u{fffd}\u{fffd}\u{fffd}\\\"é\u{fffd}\u{fffd}\"}")
        #expect(write(JSON.Writer(escaping: .go)) == #"{"k":"a\ufffd\ufffd\ufffd\"é\ufffd\ufffd"}"#)
    }

    @Test(
        arguments: [
            (0, "0"), (-0.0, "-0"), (1, "1"), (-1.5, "-1.5"), (0.1, "0.1"),
            (0.30000000000000004, "0.30000000000000004"),
            (1e-6, "0.000001"), (1.5e-6, "0.0000015"), (9.99e-7, "9.99e-7"), (1e-7, "1e-7"), (-1.25e-9, "-1.25e-9"),
            (1e-10, "1e-10"), (1.234e-5, "0.00001234"), (-1e-5, "-0.00001"), (0.0001, "0.0001"), (100, "100"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"), (-123456789012345680, "-123456789012345680"), (1e20, "100000000000000000000"),
            (123_456_789_012_345_683_968, "123456789012345680000"), (1e21, "1e+21"), (1.5e21, "1.5e+21"),
            (-1e22, "-1e+22"),
            (1e100, "1e+100"),
            (1.7976931348623157e308, "1.7976931348623157e+308"), (.leastNonzeroMagnitude, "5e-324"),
            (2.2250738585072014e-308, "2.2250738585072014e-308"),
            (9007199254740992, "9007199254740992"), (18014398509481984, "18014398509481984"),
            (1.0 / 3, "0.3333333333333333"),
            (4.35, "4.35"), (1700000000.123, "1700000000.123"), (.infinity, "null"), (-.infinity, "null"),
            (.nan, "null"),
        ] as [(Double, String)])
    func `numbers have the digits that Go and JavaScript give them`(_ number: Double, _ written: String) {
        #expect(text(JSON.Writer()) { $0.write(JSON(number), to: &$1) } == written)
    }
}
