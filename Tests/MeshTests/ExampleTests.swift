import OmniwayTesting
import Testing

/// The programs of the original's document, as real programs over real sockets.
@Suite(.timeLimit(.minutes(2))) struct ExampleTests {
    private struct Session: Decodable {
        struct Message: Decodable { let utf8: String }
        let messages: [Message]
    }

    @Test(arguments: ["short", "long"])
    func `both programs of the document print the recorded session`(_ kind: String) async throws {
        let recorded = try Vectors.decode(Session.self, from: "mesh-messages").messages.map(\.utf8)
        let last = try #require(recorded.last)
        let program = try await TestProgram([BuiltProduct.path("PheromonesExample"), kind]) { $0 == last }
        #expect(await program.lines == recorded)
        await program.stop()
    }

    @Test func `a handler of one's own carries data`() async throws {
        let program = try await TestProgram([BuiltProduct.path("PheromonesExample")]) { $0 == "Call me Ishmael." }
        await program.stop()
    }

    @Test func `five peers chat, one of them goes without a word, and the others hear everything once`() async throws {
        let program = try await TestProgram([BuiltProduct.path("PeersExample")]) { $0.hasPrefix("eve heard") }
        let talk = "ann: hello, everybody, ann: dan has gone, ann: good night"
        #expect(
            await program.lines == [
                "eve asks who is there: ann", "ben heard \(talk)", "cleo heard \(talk)", "eve heard \(talk)",
            ])
        await program.stop()
    }

    @Test func `a handler of an application is tried out on virtual time`() async throws {
        let program = try await TestProgram([BuiltProduct.path("SimulationExample")]) { $0.hasPrefix("the ") }
        let lines = await program.lines
        #expect(lines.first?.hasPrefix("20 sold, ") == true && lines.first?.hasSuffix("; 0 left") == true, "\(lines)")
        #expect(lines.last == "the same seed gives the same run")
        await program.stop()
    }

    @Test func `five peers share a folder, and a file is fetched in pieces from those who have it`() async throws {
        let program = try await TestProgram([BuiltProduct.path("FolderExample")]) { $0.hasPrefix("eve has") }
        #expect(
            await program.lines == [
                "ann shares moby.txt, 306000 bytes", "ben shares ahab.txt, 19 bytes",
                "ben shares moby.txt, 306000 bytes", "cleo shares whale.txt, 306000 bytes",
                "dan shares queequeg.txt, 34 bytes", "eve has moby.txt, 306000 bytes in 5 pieces from ann and cleo",
            ])
        await program.stop()
    }
}
