import ClusterSupport
import FoundationEssentials
import OmniwayTesting
import Testing

/// The program of `Examples/actors`, as two processes.
@Suite(.timeLimit(.minutes(2))) struct ActorsExampleTests {
    @Test func `one process has the room, another one talks in it`() async throws {
        let (etcd, nats) = (try await EtcdServer(), try await NATSProgram())
        let program = [BuiltProduct.path("ActorsExample"), try #require(etcd.endpoints.first), nats.address]
        let host = try await TestProgram(program + ["host", "lobby"]) { $0 == "hosts lobby" }
        let ann = try await TestProgram(program + ["ann", "lobby", "hello"]) { $0 == "ann: hello" }
        #expect(await said(by: ann) == ["in the room: ann", "line 1", "ann: hello"])
        let bob = try await TestProgram(program + ["bob", "lobby", "hi"]) { $0 == "bob: hi" }
        #expect(await said(by: bob) == ["in the room: ann, bob", "line 2", "ann: hello", "bob: hi"])
        for program in [ann, bob, host] { _ = await program.stop() }
        await nats.stop()
        await etcd.stop()
    }

    /// Without the log.
    private func said(by program: TestProgram) async -> [String] {
        await program.lines.filter { !$0.contains(" notice ") }
    }

    @Test func `the guide shows the room of the example`() throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
        let page = try String(contentsOfFile: root + "/docs/cluster.md", encoding: .utf8)
        let example = try String(contentsOfFile: root + "/Examples/actors/Room.swift", encoding: .utf8)
        let part = try #require(page.split(separator: "\n## ").first { $0.hasPrefix("Actors\n") })
        let block = try #require(part.split(separator: "```swift\n").dropFirst().first?.split(separator: "```").first)
        #expect(example.contains(block))
    }
}
