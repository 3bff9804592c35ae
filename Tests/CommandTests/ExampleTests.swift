import OmniwayTesting
import OmniwayTransport
import Testing

@Suite(.timeLimit(.minutes(2))) struct ExampleTests {
    @Test func `the echo example echoes, directly and through its relay`() async throws {
        let example = try await TestProgram([BuiltProduct.path("EchoExample")]) { $0.contains("listening") }
        let line = try #require(await example.lines.first { $0.contains("listening") })
        for name in ["echo", "relay"] {
            let field = try #require(line.split(separator: " ").first { $0.hasPrefix("\(name)=") })
            let address = try #require(SocketAddress(String(field.dropFirst(name.count + 1))))
            #expect(try PlainClient(address).ask("through \(name)") == "through \(name)")
        }
        await example.stop()
    }
}
