import OmniwayWire
import Testing

/// The client of apps in `Clients/javascript`, in a real browser. What each test does is in `test/app-checks.js` there.
@Suite(InOneBrowser(), .serialized, .timeLimit(.minutes(5))) struct BrowserAppTests {
    private func passes(_ check: String, _ server: PageServer = .plain) async throws {
        let world = try #require(InOneBrowser.world)
        let outcome = try await world.run(check, server)
        #expect(outcome == "passed", "\(check) with the \(server) server")
    }

    // MARK: With an app

    @Test(arguments: PageServer.allCases)
    func `requests have their own answers, large and many at a time`(_ server: PageServer) async throws {
        try await passes("requests", server)
    }

    @Test(arguments: PageServer.allCases)
    func `bytes come back as they went, up to the largest`(_ server: PageServer) async throws {
        try await passes("bodies", server)
    }

    @Test(arguments: PageServer.allCases)
    func `an error has its code, its words and its metadata`(_ server: PageServer) async throws {
        try await passes("errors", server)
    }

    @Test(arguments: PageServer.allCases)
    func `pushes come in order, to all that listen and before the answer`(_ server: PageServer) async throws {
        try await passes("pushes", server)
    }

    @Test(arguments: PageServer.allCases)
    func `what one says to a group all of its members hear`(_ server: PageServer) async throws {
        try await passes("broadcast", server)
    }

    @Test func `a client that is kicked does not come again`() async throws { try await passes("kick") }

    @Test(arguments: PageServer.allCases)
    func `a client that is refused is told so`(_ server: PageServer) async throws {
        try await passes("refused", server)
    }

    @Test func `a late answer is nobody's`() async throws { try await passes("deadlines") }

    @Test(arguments: PageServer.allCases)
    func `it finds a server that ends and comes back, and greets it anew`(_ server: PageServer) async throws {
        try await passes("restart", server)
    }

    @Test func `too much at once is refused, and so are options that cannot be`() async throws {
        try await passes("bounds")
    }

    @Test func `an application's error is reported and stops nothing`() async throws {
        try await passes("applicationErrors")
    }

    // MARK: With a script

    @Test func `messages keep their order while some are inflated`() async throws { try await passes("order") }

    @Test func `packets are put together wherever messages cut them`() async throws { try await passes("cutPackets") }

    @Test func `routes of the dictionary go as codes both ways, also of a compressed one`() async throws {
        try await passes("dictionary")
    }

    @Test func `heartbeats go both ways, and silence ends the connection`() async throws {
        try await passes("heartbeats")
    }

    @Test func `what no server sends ends everything with a reason`() async throws { try await passes("malformed") }

    @Test func `attempts to connect end, and say why`() async throws { try await passes("losses") }

    @Test func `inflating stops where it becomes too much`() async throws { try await passes("bombs") }

    @Test func `what waits behind a compressed body has a bound`() async throws { try await passes("floods") }

    @Test func `a serializer of the application reads and writes the bodies`() async throws {
        try await passes("serializers")
    }

    // MARK: Bytes alone

    @Test func `packets are what the original writes and reads, cut at every byte`() async throws {
        try await passes("packetVectors")
    }

    @Test func `messages are what the original writes and reads`() async throws { try await passes("messageVectors") }

    @Test func `handshakes and errors of the original are understood`() async throws {
        try await passes("otherVectors")
    }
}
