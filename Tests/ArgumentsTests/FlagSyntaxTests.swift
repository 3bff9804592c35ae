import OmniwayArguments
import Testing

@Test(arguments: [
    ["--client-addr", ":80"], ["--client-addr=:80"], ["-client-addr", ":80"], ["-ClientAddr", ":80"],
    ["-ClientAddr=:80"], ["--ClientAddr=:80"], ["--listen", ":80"], ["-clientaddress=:80"],
])
func `a value follows any name of its flag, with one dash or two, joined or not`(_ words: [String]) throws {
    #expect(try Sample.run(["up"] + words)[Sample.address] == ":80")
}

@Test func `a flag that is not given has its default`() throws {
    let call = try Sample.up("--loops", "2")
    #expect(call[Sample.loops] == 2)
    #expect(call.given(Sample.loops))
    #expect(call[Sample.idleTimeout] == .seconds(30))
    #expect(!call.given(Sample.idleTimeout))
}

@Test func `names are compared exactly`() {
    #expect(Sample.complaint("up", "-Clientaddr=:80") != nil)
    #expect(Sample.complaint("up", "--Loops=3") != nil)
    #expect(Sample.complaint("up", "--loop=3") != nil)
}

@Test(arguments: [
    (["--verbose"], true), (["-Verbose"], true), (["-v"], true), (["--verbose=true"], true),
    (["-Verbose=true"], true), (["--verbose=false"], false), (["--no-verbose"], false), (["-no-Verbose"], false),
])
func `a boolean is its name alone, its negated name, or a joined word`(_ words: [String], _ value: Bool) throws {
    let call = try Sample.run(["up"] + words)
    #expect(call[Sample.verbose] == value)
    #expect(call.given(Sample.verbose))
}

@Test func `a boolean never takes the next word`() {
    #expect(Sample.complaint("up", "--verbose", "false")?.hasPrefix(#"unexpected argument "false""#) == true)
}

@Test func `only booleans have a negated name, and it takes no value`() {
    #expect(Sample.complaint("up", "--no-loops")?.hasPrefix("unknown flag --no-loops") == true)
    #expect(Sample.complaint("up", "--no-verbose=true")?.hasPrefix("--no-verbose takes no value") == true)
}

@Test func `two dashes alone end the flags`() throws {
    let call = try Sample.run(["config", "check", "--", "--no-metrics", "1K", "--", "help"])
    #expect(call[Sample.config] == "--no-metrics")
    #expect(call[Sample.keys] == ["--", "help"])
    #expect(call[Sample.metrics])
}

@Test func `a flag given twice is an error, under whichever names`() {
    let complaint = Sample.complaint("up", "--client-addr=:1", "-ClientAddr=:2")
    #expect(complaint?.hasPrefix(#"--client-addr is given twice, now as ":2"; keep one of them"#) == true)
    #expect(Sample.complaint("up", "--verbose", "--no-verbose")?.hasPrefix("--verbose is given twice") == true)
}

@Test func `a repeated flag collects its values in order`() throws {
    #expect(try Sample.up("--peer", "a", "--loops=3", "--peer=b")[Sample.peers] == ["a", "b"])
    #expect(try Sample.up()[Sample.peers] == [])
}

@Test func `a missing value is an error`() {
    #expect(Sample.complaint("up", "--loops")?.hasPrefix("--loops needs a value; write --loops <1..256>") == true)
}

@Test func `a value that starts with a dash is joined`() throws {
    #expect(
        Sample.complaint("up", "--client-addr", "-x")?.hasPrefix(
            "--client-addr needs a value, and -x looks like a flag; write --client-addr=-x if it is the value") == true)
    #expect(Sample.complaint("up", "--client-addr", "-5")?.hasPrefix("--client-addr needs a value") == true)
    #expect(try Sample.up("--client-addr=-x")[Sample.address] == "-x")
    #expect(try Sample.up("--client-addr", "-")[Sample.address] == "-")
}

@Test func `a negative number follows the flag of an integer`() throws {
    #expect(try Sample.up("--offset", "-3")[Sample.offset] == -3)
    #expect(Sample.complaint("up", "--offset", "-x")?.hasPrefix("--offset needs a value") == true)
    #expect(Sample.complaint("up", "--offset", "-99999999999999999999")?.contains("write a whole number") == true)
}

@Test func `a joined value may be empty or contain the sign that joins`() throws {
    #expect(try Sample.up("--client-addr=")[Sample.address] == "")
    #expect(try Sample.up("--client-addr=a=b")[Sample.address] == "a=b")
}
