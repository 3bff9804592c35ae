import OmniwayWire
import Testing

/// What RFC 8259 allows and what it does not, after the cases that parsers have been seen to get wrong.
@Suite struct JSONGrammarTests {
    private static let unchanged: [String] = [
        // Values
        "null", "true", "false", "0", #""""#, #"" ""#, "[]", "{}", "[[]]", "[{}]", #"{"a":[]}"#, "[null,true,false]",
        #"["a",1,{"b":null}]"#, #"{"a":{"b":{"c":[[[]]]}}}"#, "[[],[[]],[[],[]]]",
        // Keys
        #"{"":0}"#, #"{"a":1,"b":2,"c":3}"#, #"{"c":1,"a":2}"#, #"{"a":1,"A":2}"#, #"{"\u0000":1}"#,
        "{\"\u{e9}\":1,\"e\u{301}\":2}", #"{"a":{"a":{"a":1}}}"#, #"{" a":1,"a":2}"#, #"[{"a":1},{"a":1}]"#,
        // Strings
        #""\u0000""#, "\"\u{2028}\u{2029}\"", #""a/b""#, #""'""#, #""\\u0041""#, #""\\""#, "\"\u{7f}\"",
        "\"\u{85}\u{a0}\"", "\"é\u{301}\"", #""// no comment""#, #""null""#, #""[1,2]""#,
        // Numbers
        "-0", "-1", "10", "123456789", "1.5", "-1.5", "0.1", "1.10", "0.0000", "1e5", "1E5", "1e+5", "1e-5", "1E+05",
        "0e0", "0e+1", "0.5e-10", "1e400", "-1e-400", "1700000000000000001",
        "123456789012345678901234567890.123456789012345678901234567890", "[0,-0.0,1e1]", "-9223372036854775808",
        "18446744073709551615",
    ]

    @Test(arguments: unchanged)
    func `is written as it was read`(_ text: String) throws {
        #expect(try JSON.Reader().read(text).description.utf8.elementsEqual(text.utf8))
    }

    private static let shortened: [(String, String)] = [
        // White space
        (" 1 ", "1"), ("\t[\r\n1 ,\n2\r]\n", "[1,2]"), (#" { "a" : 1 , "b" : 2 } "#, #"{"a":1,"b":2}"#), ("[ ]", "[]"),
        ("{ }", "{}"), ("[]\n", "[]"), ("\n\n\n[]", "[]"), ("\r\n1\r\n", "1"),
        // Keys
        (#"{"a\u0062":1}"#, #"{"ab":1}"#),
        // Strings
        (#""\"\\\/\b\f\n\r\t""#, #""\"\\/\b\f\n\r\t""#), (#""\u0041""#, #""A""#), (#""\u00e9""#, #""é""#),
        (#""\u4fe1\u606f\u7d20""#, #""信息素""#), (#""\ud83d\ude00""#, #""😀""#), (#""\uD83D\uDE00""#, #""😀""#),
        (#""\u001F""#, #""\u001f""#), (#""\uffff""#, "\"\u{ffff}\""), (#""\uDBFF\uDFFF""#, "\"\u{10ffff}\""),
        (#""\ud800\udc00""#, "\"\u{10000}\""), (#""\uFEFF""#, "\"\u{feff}\""),
        (#""\u2028\u2029""#, "\"\u{2028}\u{2029}\""), (#""\u00e9 é \n é""#, #""é é \n é""#),
        (#""a string of more than sixteen bytes: é\u00e9é""#, #""a string of more than sixteen bytes: ééé""#),
    ]

    @Test(arguments: shortened)
    func `is written in fewer characters than it was read`(_ text: String, _ written: String) throws {
        #expect(try JSON.Reader().read(text).description.utf8.elementsEqual(written.utf8))
    }

    private static let refused: [String] = [
        // Nothing, or too much
        "", " ", "\n", "1 2", "1,", "[]]", "{}}", "[][]", "{}{}", "[] x", "null null", "nullx", "truefalse", #""a""b""#,
        "[],", "\u{feff}[]", "[]\u{feff}", "[]\0", "\0", "[]\u{a0}", "\u{b}1", "\u{c}1", "1\u{2028}", ",", ":", "]",
        "}",
        // Words
        "nul", "nulll", "Null", "NULL", "True", "tru", "fals", "undefined", "NaN", "Infinity", "-Infinity", "+1", "inf",
        "none", "yes", "a", "'a'", "`a`", "t", "n\u{300}ull", "[nul]", "[true false]", "\\u006eull",
        // Arrays
        "[", "[1", "[1,", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1:2]", "[1;2]", "[}", "[1}", "[,]", "[[]", "[\"\"",
        "[1,2,]", "[\n", "[1\n2]", "[\"a\"\"b\"]", "[-]", "[=]", "[1, 2", "[(1)]", "[[1]",
        // Objects
        "{", #"{"a"#, #"{"a""#, #"{"a":"#, #"{"a":1"#, #"{"a":1,"#, #"{"a":1,}"#, #"{,"a":1}"#, #"{"a" 1}"#,
        #"{"a"::1}"#, #"{"a":}"#, #"{:1}"#, #"{"a","b"}"#, #"{"a":1 "b":2}"#, #"{"a":1,,"b":2}"#, #"{"a":1;"b":2}"#,
        "{a:1}", "{'a':1}", "{1:1}", "{null:1}", #"{"a":1]"#, #"{["a"]:1}"#, #"{"a"=1}"#, #"{"a":b}"#, #"{"a":"b"#,
        "{]", "{,}", #"{"a"}"#, #"{"a":1}}"#, #"{"a":{"b":1}"#, #"{"a":/**/1}"#, #"{"a":1}//"#, #"{"a":1}/**/"#,
        #"{"a":1}#"#, "{{}:1}",
        // Strings
        "\"", "\"a", #""\"#, #""\""#, #""\a""#, #""\x41""#, #""\0""#, #""\'""#, #""\u""#, #""\u1""#, #""\u12""#,
        #""\u123""#, #""\u123g""#, #""\U0041""#, #""\u+041""#, #""\u 041""#, #""\uD800""#, #""\udc00""#, #""\ud800\n""#,
        #""\ud800\u0041""#, #""\ud800\ud800""#, #""\udc00\udc00""#, #""\udc00\ud800""#, #""\ud800x""#, #""\ud800\""#,
        #""\ud800\u""#, #""\ud800\u1""#, "\"\n\"", "\"\t\"", "\"\0\"", "\"\u{1f}\"", "\"\r\"", "\"a\nb\"", "\"\\\n\"",
        #""\{41}""#, "\"\\\u{e9}\"", #""\u00A""#, #""\uＡＡＡＡ""#,
        // Numbers
        "-", "+0", "00", "01", "-01", "012", "0x1", "0b1", "0o1", "1.", ".5", "-.5", "1.e5", "1e", "1e+", "1e-",
        "1e-+5", "1E", "1.5e", "1.5.5", "1e5.5", "1e5e5", "--1", "- 1", "1-", "1+1", "1_000", "1,000", "1a", "0.e1",
        "1.2a", "-a", "-0x1", "00.5", "-00", "1e 5", "0e", "0.", "-.", "１", "1٠", "[1.]", "[0123]", "[1e]", "-NaN",
        "1/2", "∞",
    ]

    @Test(arguments: refused)
    func `is refused`(_ text: String) {
        #expect(throws: JSON.ReadError.self) { try JSON.Reader().read(text) }
    }

    private static let malformed: [[UInt8]] = [
        [0x22, 0x80, 0x22], [0x22, 0xff, 0x22], [0x22, 0xfe, 0x22], [0x22, 0xc3, 0x22], [0x22, 0xe2, 0x82, 0x22],
        [0x22, 0xf0, 0x9f, 0x98, 0x22], [0x22, 0xc0, 0xaf, 0x22], [0x22, 0xe0, 0x80, 0xaf, 0x22],
        [0x22, 0xf0, 0x80, 0x80, 0xaf, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0x22, 0xed, 0xbf, 0xbf, 0x22],
        [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22], [0x22, 0xf8, 0x88, 0x80, 0x80, 0x80, 0x22],
        [0x22, 0xc3, 0x5c, 0x6e, 0x22], [0x22, 0x5c, 0x6e, 0xc3, 0x22], [0x22, 0x5c, 0xff, 0x22],
        [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d], [0xff], [0x5b, 0xff, 0x5d], [0x31, 0xff], [0xfe, 0xff, 0x00, 0x31],
        [0xff, 0xfe, 0x31, 0x00], [0x22, 0xe9, 0x22], [0x5b, 0x00, 0x5d], [0x00, 0x31], [0x22, 0x61, 0xc3],
    ]

    @Test(arguments: malformed)
    func `what is not UTF-8 is refused`(_ bytes: [UInt8]) {
        #expect(throws: JSON.ReadError.self) { try JSON.Reader().read(bytes) }
        #expect(throws: JSON.ReadError.self) { try JSON.Reader.json5.read(bytes) }
    }
}
