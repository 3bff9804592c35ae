import BrowserSupport
import FoundationEssentials
import Glibc
import Omniway
import OmniwayTesting
import OmniwayTransport
import Testing

/// `omniway up` with all its parts, on free ports and in a folder of its own.
struct WholeNode {
    let program: TestProgram
    let folder: TemporaryFolder

    static let ports = """
        adminAddr: "127.0.0.1:0",
        gateway: { clientAddr: ["127.0.0.1:0"], serverAddr: ["127.0.0.1:0"] },
        room: { listen: "127.0.0.1:0", page: "127.0.0.1:0" },
        tunnel: { listen: ["127.0.0.1:0"] },
        mesh: { listen: "127.0.0.1:0", name: "luda" },
        """

    init(_ more: String = "", words: [String] = []) async throws {
        folder = try TemporaryFolder()
        try folder.write("omniway.json5", "{ \(Self.ports) \(more) }")
        let command = [BuiltProduct.path("omniway"), "up", "--config", folder.file("omniway.json5")]
        program = try await TestProgram(command + ["--data", folder.file("data")] + words) { $0.hasPrefix("Ctrl-C") }
    }
}

@Suite(.timeLimit(.minutes(2))) struct WholeNodeTests {
    @Test func `a node has a gateway, a room behind and beside it, a tunnel and a mesh, and says what to try`()
        async throws
    {
        let node = try await WholeNode()
        for name in ["admin", "gateway clients", "gateway servers", "app room", "room page", "tunnel", "mesh luda"] {
            let found = await node.program.lines.contains { $0.hasPrefix("  \(name) ") }
            #expect(found, "\(name) does not listen")
        }
        for hint in ["in two windows, and chat", "omniway expose tcp 22 --node tls://", "omniway peer --join "] {
            let found = await node.program.lines.contains { $0.contains(hint) }
            #expect(found, "nobody is told: \(hint)")
        }
        #expect(await node.program.wait { $0.contains("gateway peer joined side=server id=1") })
        #expect(await node.program.stop() == 0)
    }

    @Test func `its page is a chat`() async throws {
        let node = try await WholeNode("parts: [\"room\"]")
        let hint = try #require(await node.program.lines.first { $0.contains("/?app=") })
        let url = String(hint.split(separator: " ")[1])
        let loop = EventLoop()
        let browser = try await Chromium(on: loop)
        let heard = try await browser.result(
            of: """
                (async () => {
                    const until = async (isTrue) => {
                        while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
                    }
                    await until(() => document.querySelector("#state").textContent != "connecting")
                    document.querySelector("#name").value = "luda"
                    document.querySelector("#join").requestSubmit()
                    await until(() => document.querySelector("#members").textContent == "luda")
                    document.querySelector("#words").value = "hello"
                    document.querySelector("#say").requestSubmit()
                    await until(() => document.querySelector("#heard").textContent)
                    return document.querySelector("#heard").textContent
                })()
                """, at: url)
        #expect(heard == "luda: hello")
        await browser.close()
        await loop.shutdown()
        #expect(await node.program.stop() == 0)
    }

    @Test func `a port of this machine is exposed by its tunnel, and reached`() async throws {
        let node = try await WholeNode("parts: [\"tunnel\", \"echo\"]")
        let hint = try #require(await node.program.lines.first { $0.contains("omniway expose") })
        let address = try #require(hint.split(separator: " ").last)
        let echo = try #require(await node.program.port("echo"))
        let expose = try await TestProgram([
            "env", "OMNIWAY_DATA=\(node.folder.file("client"))", BuiltProduct.path("omniway"), "expose", "tcp",
            "\(echo.port)", "--node", "\(address)",
        ]) { $0.hasPrefix("address ") }
        let exposed = try #require(await expose.lines.first { $0.hasPrefix("address ") }?.split(separator: "/").last)
        let port = try #require(SocketAddress(String(exposed))).port
        #expect(try PlainClient(.loopback(port: port)).ask("through the tunnel") == "through the tunnel")
        #expect(await expose.stop() == 0)
        #expect(await node.program.stop() == 0)
    }

    @Test func `a peer joins the mesh of a node, whose key is in its folder`() async throws {
        let node = try await WholeNode("parts: [\"mesh\"]")
        let address = try #require(await node.program.port("mesh luda"))
        let peer = try await TestProgram([
            "sh", "-c",
            "printf 'request luda echo hi\\npeers\\nexit\\n' | "
                + "\(BuiltProduct.path("omniway")) peer --join \(address); echo ended $?",
        ]) { $0.hasPrefix("ended") }
        #expect(await peer.lines.contains("hi"))
        let id = try #require(await peer.lines.first { $0.hasSuffix("luda \(address)") }?.split(separator: " ").first)
        let key = try String(contentsOfFile: "\(node.folder.path)/data/mesh.key", encoding: .utf8)
        await peer.stop()
        #expect(await node.program.stop() == 0)
        #expect(key.split(separator: "\n").count == 1)
        #expect(!key.hasPrefix(id), "the secret is not the id")
    }

    @Test func `a hang-up reads the file again, and says what changed and what needs a restart`() async throws {
        let node = try await WholeNode("parts: [\"echo\"], log: { level: \"warning\" }")
        try node.folder.write(
            "omniway.json5",
            "{ \(WholeNode.ports) parts: [\"echo\"], log: { level: \"debug\" }, echo: { maxConnections: 7 } }")
        kill(node.program.pid, SIGHUP)
        #expect(await node.program.wait { $0.contains("setting needs a restart") })
        #expect(await node.program.lines.contains { $0.contains("echo.maxConnections: 100000 → 7") })
        try node.folder.write("omniway.json5", "{ log: { levl: \"info\" } }")
        kill(node.program.pid, SIGHUP)
        #expect(
            await node.program.wait {
                $0.contains("settings are not changed") && $0.contains("did you mean log.level?")
            })
        #expect(await node.program.stop() == 0)
        // At the level that the file says now.
        #expect(await node.program.lines.contains { $0.contains("stopping") })
    }

    @Test func `flags count more than variables, and variables more than the file`() async throws {
        let folder = try TemporaryFolder()
        try folder.write("omniway.json5", "{ parts: [\"echo\"], adminAddr: \"none\", echo: { listen: \"nowhere\" } }")
        let up = "\(BuiltProduct.path("omniway")) up --config \(folder.file("omniway.json5"))"
        let by = try await TestProgram(["sh", "-c", "OMNIWAY_ECHO_LISTEN=nobody \(up); echo code $?"]) {
            $0 == "code 78"
        }
        #expect(await by.lines.first?.contains("echo.listen: \"nobody\"") == true)
        await by.stop()
        let word = "OMNIWAY_ECHO_LISTEN=nobody exec \(up) --set echo.listen=127.0.0.1:0"
        let running = try await TestProgram(["sh", "-c", word]) { $0.hasPrefix("Ctrl-C") }
        #expect(await running.stop() == 0)
    }

    @Test func `a check says of each part whether it could start, and why not`() async throws {
        let busy = try await RunningNode.start()
        let folder = try TemporaryFolder()
        try folder.write(
            "omniway.json5", "{ \(WholeNode.ports) parts: [\"mesh\", \"echo\"], echo: { listen: \"\(busy.address)\" } }"
        )
        let check = "\(BuiltProduct.path("omniway")) check --config \(folder.file("omniway.json5"))"
        let program = try await TestProgram(["sh", "-c", "\(check); echo code $?"]) { $0.hasPrefix("code ") }
        let lines = await program.lines
        #expect(lines.contains("mesh: well"))
        #expect(lines.contains { $0.hasPrefix("echo: ") && $0.contains("it is in use") })
        #expect(lines.last == "code 78")
        await program.stop()
        await busy.program.stop()
    }

    @Test func `the sample in the repository is what the program writes, and a node takes it`() async throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let path = "\(root)/docs/omniway.sample.json5"
        let shipped = try String(contentsOfFile: path, encoding: .utf8)
        let omniway = BuiltProduct.path("omniway")
        let program = try await TestProgram(["sh", "-c", "\(omniway) check --sample; echo done"]) { $0 == "done" }
        // Numbers and names that are the machine's own stand there as they were.
        let own = ["// loops: ", "// name: "]
        let written = await program.lines.dropLast()
        for (line, other) in zip(written, shipped.split(separator: "\n", omittingEmptySubsequences: false))
        where !own.contains(where: line.contains) {
            #expect(line == other, "docs/omniway.sample.json5 is not what `omniway check --sample` writes")
        }
        #expect(shipped.split(separator: "\n").count == written.count { !$0.isEmpty })
        await program.stop()
    }
}
