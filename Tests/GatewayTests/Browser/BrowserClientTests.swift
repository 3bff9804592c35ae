import OmniwayWire
import Testing

/// The client of `Clients/javascript` in a real browser. What each test does there is in `test/checks.js` beside it.
@Suite(InOneBrowser(), .serialized, .timeLimit(.minutes(5))) struct BrowserClientTests {
    private func passes(_ check: String, _ dialect: GatewayDialect) async throws {
        let world = try #require(InOneBrowser.world)
        let outcome = try await world.run(check, dialect)
        #expect(outcome == "passed", "\(check) in \(dialect)")
    }

    @Test(arguments: GatewayDialect.allCases)
    func `it reads and writes what the originals do, cut at every byte`(_ dialect: GatewayDialect) async throws {
        try await passes("vectors", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `it dials a server and exchanges texts, bytes and JSON`(_ dialect: GatewayDialect) async throws {
        try await passes("echo", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `thousands of messages in a turn, and the largest, come back in order`(
        _ dialect: GatewayDialect
    ) async throws {
        try await passes("manyAndLarge", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `several dials go at a time, and a refused one says what to do`(_ dialect: GatewayDialect) async throws {
        try await passes("dials", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `either side closes after all that was sent`(_ dialect: GatewayDialect) async throws {
        try await passes("closing", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `a server dials the page, and is hung up when nobody takes it`(_ dialect: GatewayDialect) async throws {
        try await passes("dialledByServer", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `a full receive queue ends its own connection only`(_ dialect: GatewayDialect) async throws {
        try await passes("fullQueue", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `too much at once is refused, and nothing is when it waits`(_ dialect: GatewayDialect) async throws {
        try await passes("backPressure", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `it finds a gateway that ends and comes back`(_ dialect: GatewayDialect) async throws {
        try await passes("gatewayRestarts", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `frames are put together wherever messages cut them`(_ dialect: GatewayDialect) async throws {
        try await passes("cutFrames", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `what no gateway sends ends everything with a reason`(_ dialect: GatewayDialect) async throws {
        try await passes("malformed", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `pings are answered in v1, and asked and missed in v2`(_ dialect: GatewayDialect) async throws {
        try await passes("pings", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `a gateway that reads nothing is given up`(_ dialect: GatewayDialect) async throws {
        try await passes("notRead", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `the answer to a dial that was given up is not taken for another's`(_ dialect: GatewayDialect) async throws {
        try await passes("lateAnswers", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `attempts to reconnect end, and wrong addresses and options say what is wrong`(
        _ dialect: GatewayDialect
    ) async throws {
        try await passes("losses", dialect)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `an application's error is reported and stops nothing`(_ dialect: GatewayDialect) async throws {
        try await passes("applicationErrors", dialect)
    }

    @Test func `the example's page talks to a server without a public port`() async throws {
        let world = try #require(InOneBrowser.world)
        let outcome = try await world.example(
            """
            new Promise((resolve) => {
                const look = () => {
                    const heard = document.querySelector("li")
                    if (heard) return resolve([state.textContent, heard.textContent, words.value])
                    if (state.textContent === "connecting" || words.value) return
                    if (!state.textContent.startsWith("connected")) return resolve(state.textContent)
                    words.value = "hello, server"
                    document.querySelector("button").click()
                }
                new MutationObserver(look).observe(document.body, { subtree: true, childList: true })
                look()
            })
            """)
        #expect(outcome == ["connected to server 7", "hello, server", ""])
    }
}
