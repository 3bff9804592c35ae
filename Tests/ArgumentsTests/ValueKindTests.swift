import OmniwayArguments
import Testing

@Test(arguments: ["0", "257", "-1", "two", "", "1.5", "99999999999999999999", "٣"])
func `an integer outside its range is refused with the range`(_ text: String) {
    #expect(
        Sample.complaint("up", "--loops=\(text)")
            == #"--loops: "\#(text)" is not valid; write a whole number from 1 to 256 (see `omniway up --help`)"#)
}

@Test func `an integer may be as large as a word`() throws {
    #expect(try Sample.up("--offset=\(Int.max)")[Sample.offset] == .max)
    #expect(Sample.complaint("up", "--offset=-11")?.contains("write a whole number from -10 up") == true)
    #expect(Sample.complaint("up", "--offset=9223372036854775808") != nil)
}

@Test(arguments: ["yes", "TRUE", "1", ""])
func `a boolean is true or false and nothing else`(_ text: String) {
    #expect(Sample.complaint("up", "--verbose=\(text)")?.contains("is neither true nor false") == true)
}

@Test func `a choice is read as its case`() throws {
    #expect(try Sample.up("--log-format", "json")[Sample.format] == .json)
}

@Test func `a wrong choice names the near one or all`() {
    #expect(Sample.complaint("up", "--log-format=jsn")?.contains(#""jsn" is unknown, did you mean json?"#) == true)
    #expect(Sample.complaint("up", "--log-format=xml")?.contains(#""xml" is unknown; write one of text, json"#) == true)
}

@Test func `every kind reads what it writes`() throws {
    #expect(try ValueKind.string.parse(ValueKind.string.format("a b")) == "a b")
    #expect(try ValueKind.strings.parse(ValueKind.strings.format(["a"])) == ["a"])
    #expect(try ValueKind.boolean.parse(ValueKind.boolean.format(true)))
    #expect(try ValueKind.integer(0...9).parse(ValueKind.integer(0...9).format(7)) == 7)
    #expect(try ValueKind<Sample.Format>.choice.parse(ValueKind.choice.format(Sample.Format.json)) == .json)
}

@Test func `an error quotes its text without control characters`() {
    let error = #expect(throws: ValueError.self) { try ValueKind.duration.parse("\u{1B}[2J") }
    #expect(error?.description.hasPrefix(#""\u{1B}[2J" is not a duration"#) == true)
}
