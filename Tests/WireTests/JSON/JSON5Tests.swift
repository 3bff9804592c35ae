import OmniwayWire
import Testing

/// The cases of https://spec.json5.org.
@Suite struct JSON5Tests {
    private static let accepted: [(String, String)] = [
        // Objects
        ("{}", "{}"), ("{a:1}", #"{"a":1}"#), ("{a:1,}", #"{"a":1}"#), ("{'a':1}", #"{"a":1}"#),
        (#"{"a":1}"#, #"{"a":1}"#), ("{$_:1,_$:2,a$_0:3}", #"{"$_":1,"_$":2,"a$_0":3}"#),
        ("{ùńîċõďë:9}", #"{"ùńîċõďë":9}"#), (#"{\u0061b:1,\u0024\u005F\u0061:2}"#, #"{"ab":1,"$_a":2}"#),
        ("{__proto__:1}", #"{"__proto__":1}"#),
        ("{null:1,true:2,Infinity:3,NaN:4}", #"{"null":1,"true":2,"Infinity":3,"NaN":4}"#),
        ("{a:{b:2}}", #"{"a":{"b":2}}"#), ("{abc:1,def:2}", #"{"abc":1,"def":2}"#),
        ("{ a : 1 , b : 2 , }", #"{"a":1,"b":2}"#), ("{名前:1}", #"{"名前":1}"#),
        ("{a\u{200c}b\u{301}9:1}", "{\"a\u{200c}b\u{301}9\":1}"), ("{'':1}", #"{"":1}"#), ("{ⅷ:1}", #"{"ⅷ":1}"#),
        // Arrays
        ("[]", "[]"), ("[1]", "[1]"), ("[1,]", "[1]"), ("[1,2]", "[1,2]"), ("[1,[2,3,],]", "[1,[2,3]]"),
        ("[1 ,\n]", "[1]"),
        // Strings
        ("'abc'", #""abc""#), (#""abc""#, #""abc""#), (#"'"'"#, #""\"""#), (#""'""#, #""'""#), (#"'\''"#, #""'""#),
        (#""\'""#, #""'""#), (#"'\"'"#, #""\"""#), ("'\\\n'", #""""#), ("'a\\\nb'", #""ab""#), ("'a\\\r\nb'", #""ab""#),
        ("'a\\\rb'", #""ab""#), ("'a\\\u{2028}b'", #""ab""#), ("'a\\\u{2029}b'", #""ab""#),
        (#"'\x41\x00'"#, #""A\u0000""#), (#"'\b\f\n\r\t\v\0'"#, #""\b\f\n\r\t\u000b\u0000""#),
        (#"'\0a'"#, #""\u0000a""#), (#"'\a\q\é\信\😀'"#, #""aqé信😀""#), (#"'\u01fF\uD83D\ude00'"#, #""ǿ😀""#),
        ("'\u{2028}\u{2029}'", "\"\u{2028}\u{2029}\""), ("'\t\u{1}'", #""\t\u0001""#), (#"'\/\\'"#, #""/\\""#),
        (#"'a // b /* c */'"#, #""a // b /* c */""#), ("'\\\\n'", #""\\n""#), (#"'\xfF'"#, #""ÿ""#),
        // Numbers
        ("0", "0"), ("+1", "1"), ("-1", "-1"), ("+1.23e100", "1.23e100"), (".5", "0.5"), ("-.5", "-0.5"),
        ("+.5e3", "0.5e3"), ("5.", "5"), ("-5.", "-5"), ("5.e3", "5e3"), ("5.E-3", "5E-3"), ("0.", "0"), ("0.5", "0.5"),
        ("-0", "-0"), ("+0", "0"), ("0x1", "1"), ("0X1f", "31"), ("-0xC8", "-200"), ("+0x10", "16"), ("0x00", "0"),
        ("0xDeCaFbAd", "3737844653"), ("0xFFFFFFFFFFFFFFFF", "18446744073709551615"),
        ("-0xFFFFFFFFFFFFFFFF", "-18446744073709551615"), ("0x0000000000000000000001", "1"), ("1e400", "1e400"),
        ("1.10", "1.10"), ("[.0,]", "[0.0]"), ("Infinity", "null"), ("-Infinity", "null"), ("+Infinity", "null"),
        ("NaN", "null"), ("-NaN", "null"), ("+NaN", "null"),
        // Comments and white space
        ("{//comment\n}", "{}"), ("{}//comment", "{}"), ("{/*comment\n** more */}", "{}"), ("//a\n//b\n1//c\r", "1"),
        ("/**/1/***/", "1"), ("/* // */1", "1"), ("// /*\n1", "1"), ("[1/**/,/**/2]", "[1,2]"),
        ("{a/**/:/**/1}", #"{"a":1}"#), ("//a\u{2028}1", "1"), ("//a\u{2029}1", "1"), ("//\r1", "1"),
        ("// é信😀\n1", "1"), ("{\t\u{b}\u{c} \u{a0}\u{feff}\n\r\u{2028}\u{2029}\u{2003}}", "{}"), ("\u{feff}{}", "{}"),
        ("\u{3000}1\u{1680}", "1"),
    ]

    @Test(arguments: accepted)
    func `is read, and written as JSON`(_ text: String, _ written: String) throws {
        #expect(try JSON.Reader.json5.read(text).description.utf8.elementsEqual(written.utf8))
    }

    private static let refused: [String] = [
        "", "//", "// a", "/*", "/**", "/* a", "/", "/ /1", "1/", "/*/1", "[1/*]", "*/1", "{,}", "[,]", "[,1]", "[1,,]",
        "[1,,2]", "{a:1,,}", "{,a:1}", "{a}", "{a,}", "{a:}", "{a:1 b:2}", "{1a:1}", "{1:1}", "{-a:1}", "{a-b:1}",
        "{a b:1}", "{a.b:1}", "{😀:1}", "{[a]:1}", #"{\x61:1}"#, #"{\u0031a:1}"#, #"{a\u002db:1}"#, #"{\u006:1}"#,
        #"{\ud83d:1}"#, "{\\:1}", "{`a`:1}", "'", "'a", #"'a""#, #""a'"#, "'a\nb'", "'a\rb'", #"'\1'"#, #"'\9'"#,
        #"'\00'"#, #"'\01'"#, #"'\x'"#, #"'\x4'"#, #"'\xg0'"#, #"'\u004'"#, #"'\ud800'"#, "'\\", "`a`", "+", "-", "+-1",
        "--1", "+ 1", "- 1", ".", "+.", ".e1", "-.e1", "1..2", "01", "00", "-01", "010", "0x", "0X", "-0x", "0xg",
        "0x1.5", "0x10000000000000000", "0x1p3", "1e", "1e+", "5.e", "Inf", "infinity", "nan", "Infinity1", "NaNa",
        "-infinity", "0b1", "0o7", "1_0", "undefined", "{a:1}}", "1 2", "{a:1}{b:2}", "#a\n1", "{a:1}\u{0}",
        "1\u{200b}", "<!--1", "{a=1}", "\"a\" \"b\"", "'a' + 'b'", "[1 2]", "{\"a\":1,a:2}",
    ]

    @Test(arguments: refused)
    func `is refused`(_ text: String) {
        #expect(throws: JSON.ReadError.self) { try JSON.Reader.json5.read(text) }
    }

    @Test func `reads the example of the specification`() throws {
        let text = #"""
            {
              // comments
              unquoted: 'and you can quote me on that',
              singleQuotes: 'I can use "double quotes" here',
              lineBreaks: "Look, Mom! \
            No \\n's!",
              hexadecimal: 0xdecaf,
              leadingDecimalPoint: .8675309, andTrailing: 8675309.,
              positiveSign: +1,
              trailingComma: 'in objects', andIn: ['arrays',],
              "backwardsCompatible": "with JSON",
            }
            """#
        #expect(
            try JSON.Reader.json5.read(text) == [
                "unquoted": "and you can quote me on that", "singleQuotes": #"I can use "double quotes" here"#,
                "lineBreaks": #"Look, Mom! No \n's!"#, "hexadecimal": 912_559, "leadingDecimalPoint": 0.8675309,
                "andTrailing": 8_675_309, "positiveSign": 1, "trailingComma": "in objects", "andIn": ["arrays"],
                "backwardsCompatible": "with JSON",
            ])
    }
}
