import OmniwayTesting
import Testing

@Suite(.timeLimit(.minutes(2))) struct IsolationTests {
    /// Optimised, continuous integration runs the same program.
    @Test func `async work runs on its loop, and is back after every await`() async throws {
        let kinds = ["closure", "function", "boundMethod", "localFunction"]
        let program = try await TestProgram([BuiltProduct.path("IsolationProgram")]) { $0.hasPrefix(kinds[3] + ", ") }
        #expect(await program.lines == (kinds + kinds.map { $0 + ", simulated" }).map { "\($0): [true, true, true]" })
        _ = await program.wait { _ in false }  // Until it has ended.
        #expect(await program.stop() == 0)
    }
}
