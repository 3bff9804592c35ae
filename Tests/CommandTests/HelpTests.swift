import FoundationEssentials
import OmniwayTesting
import Testing

@Suite(.timeLimit(.minutes(2))) struct HelpTests {
    @Test func `the operations page quotes the help as it is`() async throws {
        let script = "\(BuiltProduct.path("omniway")) up --help; echo done"
        let program = try await TestProgram(["sh", "-c", script]) { $0 == "done" }
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let page = try String(contentsOfFile: root + "/docs/operations.md", encoding: .utf8)
        for line in await program.lines where line != "done" {
            // The number of processors differs from machine to machine.
            if line.contains("(default ") && !line.contains("-timeout") && line.contains("default 2)") { continue }
            #expect(page.contains(line), "docs/operations.md lacks: \(line)")
        }
        await program.stop()
    }
}
