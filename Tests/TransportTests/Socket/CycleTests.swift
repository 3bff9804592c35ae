import OmniwayTesting
import Testing

@Suite(.timeLimit(.minutes(5))) struct CycleTests {
    /// In a process of its own, where nobody else opens descriptors or takes memory.
    @Test func `two thousand connections of each kind, whole or failed, leave nothing behind`() async throws {
        let cycles = try await TestProgram(
            ["sh", "-c", "\(BuiltProduct.path("CycleBenchmark")) 2000; echo ended $?"], within: .seconds(240),
            until: { $0.hasPrefix("ended ") })
        let lines = await cycles.lines
        await cycles.stop()
        let kinds = lines.filter { $0.contains(" cycles, ") }
        #expect(kinds.count > 10 && kinds.allSatisfy { $0.hasSuffix("clean") }, "\(lines)")
        #expect(lines.last == "ended 0")
    }
}
