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
        let asks = mode == "auto" ? "request luda echo hi\nping luda\npeers\nsend luda hello\n" : "peers\n"
        let folder = try TemporaryFolder()
        try folder.write("lines", "\(asks)help\n")
        // Instead of the shell, so that nothing is left of it: it runs on when its lines have ended.
        let command = "\(Self.omniway) peer --name yoghurt --mode \(mode) --join \(address)"
        let script = "exec \(command) < \(folder.file("lines"))"
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

    /// A peer that nobody types at, and its address.
    private func peer(_ flags: String) async throws -> (program: TestProgram, address: String) {
        let program = try await TestProgram(["sh", "-c", "exec \(Self.omniway) peer --name luda \(flags) </dev/null"]) {
            $0.hasPrefix("listening")
        }
        return (program, String(try #require(await program.lines.first?.split(separator: " ").last)))
    }

    /// What a program has said when it has ended.
    private func lines(_ script: String) async throws -> [String] {
        let program = try await TestProgram(["sh", "-c", "\(script) 2>&1; echo ended $?"]) { $0.hasPrefix("ended") }
        defer { Task { await program.stop() } }
        return await program.lines
    }

    @Test func `a peer whose key is in a file is the same one again, and only its owner can read it`() async throws {
        let folder = try TemporaryFolder()
        var ids: [Substring] = []
        for _ in 0..<2 {
            let luda = try await peer("--identity \(folder.file("luda.key"))")
            let script = "printf 'ping luda\\npeers\\nexit\\n' | \(Self.omniway) peer --join \(luda.address)"
            let said = try await lines(script)
            let line = try #require(said.first { $0.hasSuffix("luda \(luda.address)") })
            ids.append(try #require(line.split(separator: " ").first))
            await luda.program.stop()
        }
        #expect(ids[0] == ids[1])
        let rights = try FileManager.default.attributesOfItem(atPath: folder.file("luda.key"))[.posixPermissions]
        #expect(rights as? Int == 0o600)
        let other = folder.file("other.key")
        try folder.write("other.key", "not a key")
        let start = "\(Self.omniway) peer --identity \(other) </dev/null"
        let garbled = try await lines("chmod 600 \(other); \(start)")
        #expect(garbled.contains { $0.hasSuffix("has not the key of a node; repair it, or delete it for a new one") })
        let open = try await lines("chmod 640 \(other); \(start)")
        #expect(open.contains { $0.contains("its rights are 0640); run `chmod 600 \(other)`") }, "\(open)")
    }

    @Test func `what the original's protocol has not is refused with it, and no key is made`() async throws {
        let folder = try TemporaryFolder()
        let key = folder.file("luda.key")
        for flag in ["--identity \(key)", "--members", "--discover any"] {
            for mode in ["short", "long"] {
                let said = try await lines("\(Self.omniway) peer --mode \(mode) \(flag) </dev/null")
                let name = flag.split(separator: " ")[0]
                #expect(said.contains { $0.contains("\(name) does nothing in mode \(mode)") }, "\(said)")
                #expect(said.contains { $0.hasSuffix("take mode auto, or leave it out") })
                #expect(said.last == "ended 64")
            }
        }
        #expect(!FileManager.default.fileExists(atPath: key))
        try folder.write("up.json5", "{ parts: ['mesh'], mesh: { mode: 'long', members: true } }")
        let up = try await lines("\(Self.omniway) up --config \(folder.file("up.json5")) --data \(folder.file("data"))")
        #expect(up.contains { $0.contains("--members does nothing in mode long") }, "\(up)")
    }

    @Test func `only who has the secret of a group can join, and nobody prints it`() async throws {
        let folder = try TemporaryFolder()
        let secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
        try folder.write("secret", "\(secret)\n")
        let luda = try await peer("--members --group-secret-file \(folder.file("secret"))")
        let join = "\(Self.omniway) peer --name yoghurt --join \(luda.address)"
        let member = try await lines(
            "printf 'send luda hello\\nmembers\\nexit\\n' | OMNIWAY_MESH_SECRET=\(secret) \(join) --members")
        #expect(member.contains { $0.hasSuffix("luda \(luda.address)") }, "\(member)")
        #expect(member.last == "ended 0")
        let stranger = try await lines("\(join) </dev/null")
        #expect(stranger.last != "ended 0")
        let guess = try await lines("OMNIWAY_MESH_SECRET=short \(join) </dev/null")
        #expect(guess.contains { $0.contains("shorter than 16 letters") })
        let original = try await lines("OMNIWAY_MESH_SECRET=\(secret) \(join) --mode long </dev/null")
        #expect(original.contains { $0.contains("a group's secret does nothing in mode long") })
        #expect(await luda.program.wait { $0.hasSuffix(": hello") })
        for said in [member, stranger, guess, original, await luda.program.lines] {
            #expect(!said.contains { $0.contains(secret) })
        }
        await luda.program.stop()
    }
}
