import OmniwayWire
import Testing

/// An error says where, what was found, what was expected and what to do.
@Suite struct JSONReadErrorTests {
    private static let value = #"write null, true, false, a number, a "string", an [array] or an {object}"#

    @Test(arguments: [
        ("", "1:1: expected a value, found the end of the text; " + value),
        ("nul", "1:1: expected a value, found 'nul'; " + value),
        ("[,1]", "1:2: expected a value, found ','; " + value),
        ("[1,\n 2,\n]", "3:1: expected an element after the comma, found ']'; remove the comma or add an element"),
        ("[1\n2]", "2:1: expected ',' or ']', found '2'; separate elements by commas and close the array"),
        ("{port: 1}", "1:2: expected a key, found 'port'; write it in double quotes"),
        (
            #"{"a":1,}"#,
            "1:8: expected a key after the comma, found '}'; remove the comma, or write the key in double quotes"
        ),
        (#"{"a" 1}"#, "1:6: expected ':' after the key, found '1'; quote a key that is not only letters and digits"),
        (#"{"a":1 "b":2}"#, "1:8: expected ',' or '}', found '\"'; separate members by commas and close the object"),
        ("1 }", "1:3: expected nothing more, found '}'; a document is one value; remove the rest"),
        ("[-]", "1:3: expected a digit, found ']'; numbers look like 0, -1.5 and 2e10"),
        ("[012]", "1:3: expected no digit after a leading zero, found '12'; remove the zero"),
        (
            #""\q""#,
            "1:3: expected one of \" \\ / b f n r t u after a backslash, found 'q'; write a backslash itself as two"
        ),
        (#""\u12x4""#, "1:6: expected a hexadecimal digit, found 'x4'; an escape has four after \\u and two after \\x"),
        (
            "\"a\nb\"",
            "1:3: expected the closing quote, found U+000A; write line breaks and other controls as escapes such as \\n"
        ),
        (#"["\ud800"]"#, "1:3: expected both halves of a surrogate pair, found one half; write the character itself"),
        ("\u{feff}1", "1:1: expected a value, found U+FEFF; " + value),
        (
            "{\n \"a\": [1, {\"b\": 2}",
            "2:19: expected ',' or ']', found the end of the text; what begins at 2:7 is not closed"
        ),
        ("[\"ab", "1:5: expected the closing quote, found the end of the text; what begins at 1:2 is not closed"),
        ("{\"a\":1,\n\"b\":2,\n \"a\":3}", "3:2: the key \"a\" stands here again, first at 1:2; remove one of them"),
    ])
    func `an error tells the place, what was found and what to do`(_ text: String, _ description: String) {
        let error = #expect(throws: JSON.ReadError.self) { try JSON.Reader().read(text) }
        #expect(error?.description == description)
    }

    @Test(arguments: [
        ("{a: 1 /* b }", "1:13: expected */, found the end of the text; what begins at 1:7 is not closed"),
        (
            "{a: 0x1FFFFFFFFFFFFFFFF}",
            "1:7: expected at most 16 hexadecimal digits, found '1FFFFFFFFFFFFFFFF'; write it in decimal digits"
        ),
        (
            "{\n\tlog-level: 1\n}",
            "2:5: expected ':' after the key, found '-'; quote a key that is not only letters and digits"
        ),
    ])
    func `an error of JSON5 tells as much`(_ text: String, _ description: String) {
        let error = #expect(throws: JSON.ReadError.self) { try JSON.Reader.json5.read(text) }
        #expect(error?.description == description)
    }

    @Test func `bytes that are no UTF-8 are told with their place`() {
        let bytes = Array("{\n  \"é\": \"a".utf8) + [0xe2, 0x82] + Array("\"}".utf8)
        let error = #expect(throws: JSON.ReadError.self) { try JSON.Reader().read(bytes) }
        #expect(error?.description == "2:10: expected UTF-8, found the byte 0xe2; save the text as UTF-8")
        #expect(error?.position?.offset == 12)
    }

    @Test(arguments: [
        ("\n\n x", 3, 2), ("\r\n\r\n x", 3, 2), ("\r\rx", 3, 1), ("\n\r\n\rx", 4, 1), ("\t\tx", 1, 3), ("  x", 1, 3),
        ("\"é信😀\" x", 1, 7), ("\"e\u{301}\"x", 1, 5), ("[\"\u{2028}\",\nx", 2, 1),
    ])
    func `lines end as in editors, and columns count characters of Unicode`(_ text: String, _ line: Int, _ column: Int)
    {
        let error = #expect(throws: JSON.ReadError.self) { try JSON.Reader().read(text) }
        #expect(error?.position?.line == line)
        #expect(error?.position?.column == column)
    }

    @Test func `what was found stays short and in its line`() {
        let error = #expect(throws: JSON.ReadError.self) {
            try JSON.Reader().read(String(repeating: "x", count: 1_000))
        }
        #expect((error?.description.utf8.count ?? .max) < 200)
        let invisible = #expect(throws: JSON.ReadError.self) { try JSON.Reader().read("\u{202e}") }
        #expect(invisible?.description.contains("U+202E") == true)
        let key = #expect(throws: JSON.ReadError.self) { try JSON.Reader().read(#"{"a\n":1,"a\n":1}"#) }
        #expect(key?.description.contains("\n") == false)
    }
}
