import OmniwayArguments
import Testing

@Test func `the help of a command shows its flags, their defaults and other names`() throws {
    #expect(
        try Sample.help("up", "--help") == """
            Usage: omniway up [flags]

            Starts a whole node.

            Flags:
              --loops <1..256>                  Event loops; by default one for each core. (default 2)
              --offset <-10..>                  Added to every port. (default 0)
              --client-addr <address>           Where clients connect. (default 127.0.0.1:0)
                                                (also --listen, -ClientAddr, --clientaddress)
              --client-idle-timeout <duration>  Closes a link that was silent for this long, so that clients
                                                which vanished do not hold memory. (default 30s)
                                                (also -ClientIdleTimeout)
              --max-packet <size>               Longest packet. (default 512K)
              --verbose                         Logs more. (also -Verbose, -v)
              --log-format <text|json>          How logs are written. (default text)
              --peer <address>...               Another node.
              --[no-]metrics                    Counts what happens. (default true)
              --help                            Shows this help. (also -h)

            SIGTERM and SIGINT drain all links and end the process. A second signal of either kind ends it at
            once.

                omniway up --loops 4
            """)
}

@Test func `the help of a program lists its commands in declared order`() throws {
    #expect(
        try Sample.help("--help") == """
            Usage: omniway [flags] <command>

            Connects everything with everything.

            Commands:
              up      Starts a whole node.
              config  Works on configuration files.

            Flags:
              --[no-]metrics  Counts what happens. (default true)
              --help          Shows this help. (also -h)
            """)
}

@Test func `the help of a command shows its arguments`() throws {
    let help = try #require(try Sample.help("config", "check", "--help"))
    #expect(help.contains("Usage: omniway config check [flags] <config> [<limit>] [<key>...]\n"))
    #expect(help.contains("\n  <limit>   How much of it to read. (default 1M)\n"))
}

@Test func `no line of help is wider than 100 columns`() throws {
    for path in [[], ["up"], ["config"], ["config", "check"]] {
        let text = try #require(try Sample.program.parse(path + ["--help"]).help)
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }
}

@Test func `a name too long for the table stands on its own line`() throws {
    let flag = Flag(
        "a-name-that-is-longer-than-the-table-allows", .string, default: "", help: "The sentence starts below it.")
    #expect(
        try Command("a", summary: "", flags: [flag]).parse(["-h"]).help == """
            Usage: a [flags]

            Flags:
              --a-name-that-is-longer-than-the-table-allows <text>
                      The sentence starts below it.
              --help  Shows this help. (also -h)
            """)
}

@Test func `the lines of notes fill the width, and those that are indented stay as they are`() throws {
    let long = (1...25).map { "word\($0)" }
    let (some, more) = (long.prefix(16).joined(separator: " "), long.dropFirst(16).joined(separator: " "))
    let notes = "\(some)\n\(more)\n\n    a  b\nend"
    let command = Command("tool", summary: "Does it.", notes: notes)
    guard case .help(let text) = try command.parse(["--help"]) else {
        Issue.record("no help")
        return
    }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).suffix(5).map(String.init)
    #expect(lines[0].hasSuffix("word15") && lines[1].hasPrefix("word16 word17 "))
    #expect(lines[2...] == ["", "    a  b", "end"])
}
