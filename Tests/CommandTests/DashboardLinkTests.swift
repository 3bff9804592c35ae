import Omniway
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@Suite(.timeLimit(.minutes(2))) struct DashboardLinkTests {
    private static let omniway = BuiltProduct.path("omniway")

    @Test(arguments: [
        ("gateway", "\(omniway) gateway -ClientAddr 127.0.0.1:0 -ServerAddr 127.0.0.1:0 --admin-addr 127.0.0.1:0"),
        ("app", "\(BuiltProduct.path("conformance-server")) --tcp 127.0.0.1:0 --admin 127.0.0.1:0"),
        ("tunnel", "\(omniway) node --listen 127.0.0.1:0 --admin-addr 127.0.0.1:0 --data ."),
    ]) func `what has a dashboard prints a link to it, which is good once`(_ view: String, _ command: String)
        async throws
    {
        let folder = try TemporaryFolder()
        let program = try await TestProgram(["sh", "-c", "cd \(folder.path) && exec \(command)"]) {
            $0.contains("/#login=")
        }
        let line = try #require(await program.lines.first { $0.contains("/#login=") })
        #expect(line.contains("dashboard ") && line.hasSuffix(", good once"))
        let link = try #require(line.split { $0 == " " || $0 == "," }.first { $0.hasPrefix("http://") })
        let address = try #require(SocketAddress(String(link.dropFirst(7).prefix { $0 != "/" })))
        let loop = EventLoop()
        let client = await loop.own { loop in HTTPClient(on: loop, StreamDialer(address), host: "\(address)") }
        let secret = Array("{\"secret\": \"\(link.split(separator: "=").last ?? "")\"}".utf8)
        let login = try await client.post("/api/login", secret, ["X-Omniway": "1"])
        let cookie = String(try #require(login.headers["Set-Cookie"]).prefix { $0 != ";" })
        let console = try JSON.Reader.json5.read(try await client.get("/api/console", ["Cookie": cookie]).text)
        #expect(console["role"] == "operate")
        #expect(try console["views"]?.array().contains(.string(view)) == true, "\(console)")
        #expect(try await client.post("/api/login", secret, ["X-Omniway": "1"]).status == .unauthorized)
        await client.release()
        await loop.shutdown()
        #expect(await program.stop() == 0)
    }

    @Test func `who cannot be reached by a browser, or has no dashboard, prints no link`() async throws {
        for admin in ["none", "unix:admin.sock"] {
            let gateway = try await RunningGateway.start(
                "-ClientAddr 127.0.0.1:0 -ServerAddr 127.0.0.1:0 --admin-addr \(admin)")
            _ = await gateway.program.stop()
            #expect(await !gateway.says("login"))
        }
    }
}
