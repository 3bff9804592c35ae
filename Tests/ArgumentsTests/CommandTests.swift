import OmniwayArguments
import Testing

@Test func `the path names the command that runs`() throws {
    #expect(try Sample.up().path == ["up"])
    #expect(try Sample.run(["config", "check", "a.conf"]).path == ["config", "check"])
}

@Test func `a command's flags hold in its subcommands, before and after their names`() throws {
    #expect(try !Sample.run(["--no-metrics", "up"])[Sample.metrics])
    #expect(try !Sample.run(["up", "--no-metrics"])[Sample.metrics])
    #expect(Sample.complaint("--loops=3", "up")?.hasPrefix("unknown flag --loops") == true)
}

@Test func `arguments are dealt in order and a list takes the rest`() throws {
    let call = try Sample.run(["config", "check", "a.conf", "4K", "x", "y"])
    #expect(call[Sample.config] == "a.conf")
    #expect(call[Sample.limit] == 4096)
    #expect(call[Sample.keys] == ["x", "y"])
}

@Test func `arguments with a default may be missing`() throws {
    let call = try Sample.run(["config", "check", "a.conf"])
    #expect(call[Sample.limit] == 1 << 20)
    #expect(call[Sample.keys] == [])
}

@Test func `a required list needs a word`() throws {
    let files = Argument("file", .strings, help: "Files to read.")
    let read = Command("read", summary: "Reads files.", arguments: [files])
    #expect(throws: UsageError.self) { try read.parse([]) }
    #expect(try read.parse(["a", "b"]).invocation?[files] == ["a", "b"])
}

@Test(arguments: ["--help", "-h", "-help", "--help=please", "help"])
func `help is an outcome at every level`(_ word: String) throws {
    #expect(try Sample.help(word)?.hasPrefix("Usage: omniway [flags] <command>\n") == true)
    #expect(try Sample.help("config", word)?.hasPrefix("Usage: omniway config [flags] <command>\n") == true)
    #expect(try Sample.help("up", "--loops=3", word)?.hasPrefix("Usage: omniway up [flags]\n") == true)
}

@Test func `help may stand before the commands it is about`() throws {
    #expect(try Sample.help("help", "config", "check")?.hasPrefix("Usage: omniway config check ") == true)
    #expect(try Sample.help("--help", "up")?.hasPrefix("Usage: omniway up ") == true)
}

@Test func `help does not mind what follows`() throws {
    #expect(try Sample.help("up", "--help", "--bogus") != nil)
    #expect(try Sample.help("help", "bogus") != nil)
}

@Test func `a command with arguments may be given one that says help`() throws {
    #expect(try Sample.run(["config", "check", "help"])[Sample.config] == "help")
    #expect(try Sample.help("config", "check", "--help") != nil)
}

@Test func `two things of one name are a mistake in the description`() async {
    await #expect(processExitsWith: .failure) {
        let flag = Flag("help", .boolean, default: false, help: "Collides with the flag that every command has.")
        _ = Command("a", summary: "", flags: [flag])
    }
    await #expect(processExitsWith: .failure) {
        let (outer, inner) = (
            Flag("a", .string, default: "", aliases: ["B"], help: ""), Flag("B", .string, default: "", help: "")
        )
        _ = Command("a", summary: "", flags: [outer], subcommands: [Command("b", summary: "", flags: [inner])])
    }
    await #expect(processExitsWith: .failure) {
        let twin = Command("b", summary: "")
        _ = Command("a", summary: "", subcommands: [twin, twin])
    }
}

@Test func `arguments that cannot be told apart are a mistake in the description`() async {
    await #expect(processExitsWith: .failure) {
        let (list, last) = (Argument("list", .strings, help: ""), Argument("last", .string, help: ""))
        _ = Command("a", summary: "", arguments: [list, last])
    }
    await #expect(processExitsWith: .failure) {
        let (optional, required) = (Argument("a", .string, default: "", help: ""), Argument("b", .string, help: ""))
        _ = Command("a", summary: "", arguments: [optional, required])
    }
    await #expect(processExitsWith: .failure) {
        let argument = Argument("a", .string, help: "")
        _ = Command("a", summary: "", arguments: [argument], subcommands: [Command("b", summary: "")])
    }
}

@Test func `dashes in a declared name are a mistake in the description`() async {
    await #expect(processExitsWith: .failure) { _ = Flag("--loops", .string, default: "", help: "") }
}

@Test func `a flag that the command does not declare cannot be read`() async {
    await #expect(processExitsWith: .failure) {
        let (flag, command) = (Flag("a", .string, default: "", help: ""), Command("b", summary: ""))
        _ = try command.parse([]).invocation?[flag]
    }
}
