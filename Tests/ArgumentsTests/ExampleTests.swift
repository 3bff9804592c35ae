import OmniwayArguments
import Testing

@Test func `the example of the documentation prints its values`() throws {
    let loops = Flag("loops", .integer(1...256), default: 2, help: "Event loops; by default one for each core.")
    let address = Flag("client-addr", .string, default: ":0", aliases: ["ClientAddr"], help: "Where clients connect.")
    let up = Command("up", summary: "Starts a whole node.", flags: [loops, address])
    let omniway = Command("omniway", summary: "Connects everything.", subcommands: [up])

    var printed: [String] = []
    switch try omniway.parse(["up", "-ClientAddr", ":80"]) {
    case .help(let text): printed.append(text)
    case .run(let call) where call.path == ["up"]:
        printed.append("\(call[loops]) \(call[address]) \(call.given(loops))")
    case .run: break
    }
    #expect(printed == ["2 :80 false"])
}

@Test func `exit codes tell usage from configuration from running`() {
    #expect(ExitCode.success.rawValue == 0)
    #expect(ExitCode.runtime.rawValue == 1)
    #expect(ExitCode.usage.rawValue == 64)
    #expect(ExitCode.configuration.rawValue == 78)
}
