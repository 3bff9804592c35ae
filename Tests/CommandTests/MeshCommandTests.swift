import FoundationEssentials
import OmniwayTesting
import Testing

/// `omniway peer` and `omniway simulate`, as somebody would run them.
@Suite(.timeLimit(.minutes(3))) struct MeshCommandTests {
    private static let omniway = BuiltProduct.path("omniway")

    @Test func `a simulation says the same for the same seed, and draws the graph`() async throws {
        let folder = try TemporaryFolder()
        let drawing = folder.file("mesh.svg")
        let command = [
            Self.omniway, "simulate", "mesh", "--nodes", "60", "--kill", "50%", "--seed", "7", "--svg", drawing,
        ]
        var runs: [[String]] = []
        for _ in 0..<2 {
            let program = try await TestProgram(command) { $0.hasPrefix("drawn") }
            runs.append(await program.lines)
            await program.stop()
        }
        #expect(runs[0] == runs[1])
        #expect(runs[0].contains("30 nodes crash"))
        #expect(runs[0].contains { $0.hasPrefix("after the crash: 30 nodes, 30 of them connected, 0 one-sided") })
        let svg = try String(contentsOfFile: drawing, encoding: .utf8)
        #expect(svg.split(separator: "\n").count { $0.hasPrefix("<circle") } == 30)
    }

    @Test func `a share that is none is refused`() async throws {
        let script = "\(Self.omniway) simulate mesh --kill most; echo ended $?"
        let program = try await TestProgram(["sh", "-c", script]) { $0.hasPrefix("ended") }
        #expect(await program.lines.last == "ended 64")
        await program.stop()
    }

    @Test(arguments: ["auto", "long", "short"])
    func `two peers without a terminal talk, and run on when their lines have ended`(_ mode: String) async throws {
        let luda = try await TestProgram(
            ["sh", "-c", "exec \(Self.omniway) peer --name luda --mode \(mode) </dev/null"]
        ) { $0.hasPrefix("listening") }
        let address = try #require(await luda.lines.first?.split(separator: " ").last)
        let asks = mode == "auto" ? "request luda echo hi\\nping luda\\npeers\\nsend luda hello\\n" : "peers\\n"
        let script = "printf '\(asks)help\\n' | \(Self.omniway) peer --name yoghurt --mode \(mode) --join \(address)"
        let yoghurt = try await TestProgram(["sh", "-c", script]) { $0.hasPrefix("help, exit") }
        let lines = await yoghurt.lines
        if mode == "auto" {
            #expect(lines.contains("hi"))
            #expect(lines.contains { $0.hasPrefix("luda answers after") })
            #expect(lines.contains { $0.hasSuffix("luda \(address)") })
            #expect(await luda.wait { $0.hasSuffix(": hello") })
        } else {
            #expect(lines.contains { $0.contains("\(address)") })
            #expect(await luda.wait { $0.hasPrefix("yoghurt: connectreq") })
        }
        await yoghurt.stop()
        await luda.stop()
    }
}
