import OmniwayArguments
import Testing

@Test(arguments: [
    ("--clientaddr", "--client-addr"), ("-ClientAdr", "--client-addr"), ("--lops=3", "--loops"), ("--hlp", "--help"),
    ("--metric", "--metrics"),
])
func `an unknown flag names the near one by its main name`(_ word: String, _ near: String) {
    let name = word.prefix { $0 != "=" }
    #expect(
        Sample.complaint("up", word) == "unknown flag \(name), did you mean \(near)? (see `omniway up --help`)")
}

@Test(arguments: ["--zebra", "-x", "--=1", "---", "-5", "--no-zebra"])
func `nothing is suggested when nothing is near`(_ word: String) {
    let name = word.prefix { $0 != "=" }
    #expect(Sample.complaint("up", word) == "unknown flag \(name) (see `omniway up --help`)")
}

@Test func `an unknown command names the near one`() {
    #expect(
        Sample.complaint("confg")
            == #"unknown command "confg", did you mean config? (see `omniway --help`)"#)
    #expect(Sample.complaint("zebra") == #"unknown command "zebra" (see `omniway --help`)"#)
}

@Test func `a missing command lists the commands`() {
    #expect(Sample.complaint() == "`omniway` needs a command; write one of up, config (see `omniway --help`)")
    #expect(
        Sample.complaint("config")
            == "`omniway config` needs a command; write one of check (see `omniway config --help`)")
}

@Test func `arguments are refused where none is declared`() {
    #expect(Sample.complaint("up", "now") == #"unexpected argument "now"; leave it out (see `omniway up --help`)"#)
}

@Test func `a missing argument is named`() {
    #expect(
        Sample.complaint("config", "check")
            == "missing <config>; add it after the flags (see `omniway config check --help`)")
}

@Test func `a wrong value is named with its flag or argument`() {
    #expect(
        Sample.complaint("up", "-ClientIdleTimeout", "30") == #"--client-idle-timeout: "30" is not a duration; "#
            + "write a number with a unit, such as 30s, 1m30s or 250ms (see `omniway up --help`)")
    #expect(Sample.complaint("config", "check", "a.conf", "big")?.hasPrefix(#"<limit>: "big" is not a size"#) == true)
}
