import ClusterSupport
import Omniway
import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@Suite(.timeLimit(.minutes(2))) struct ClusterViewTests {
    @Test func `the dashboard of an app server shows its cluster: servers, leases, the registry and the bus`()
        async throws
    {
        let (etcd, nats) = (try await EtcdServer(), try await NATSProgram())
        var settings = AppSettings()
        settings.cluster.etcd = EtcdSettings(etcd.endpoints[0])
        settings.cluster.nats = [nats.address]
        let app = App(type: "room", id: "room-1", settings: settings)
        var configuration = Node.Configuration()
        (configuration.loops, configuration.admin) = (1, .loopback())
        let node = try await Node(configuration)
        _ = try await node.start { loops in try await AppPart(app, joinsCluster: true, on: loops) }

        let link = try #require(await node.loginLink())
        let address = try #require(SocketAddress(String(link.dropFirst("http://".count).prefix { $0 != "/" })))
        let elsewhere = EventLoop()
        let client = await elsewhere.own { loop in
            HTTPClient(on: loop, StreamDialer(address), host: "\(address)", limits: HTTPClientLimits())
        }
        let secret = link.split(separator: "=").last ?? ""
        let login = try await client.post(
            "/api/login", Array("{\"secret\": \"\(secret)\"}".utf8), ["X-Omniway": "1"])
        let cookie = String(try #require(login.headers["Set-Cookie"]).prefix { $0 != ";" })
        func look() async throws -> JSON {
            try JSON.Reader.json5.read(try await client.get("/api/views/cluster", ["Cookie": cookie]).text)
        }
        func table(_ name: String, in view: JSON) throws -> [JSON] {
            let found = try view["tables"]?.array().first { $0["name"] == .string(name) }
            return try found?["rows"]?.array() ?? []
        }
        // It is written down a moment after its start.
        var view = try await look()
        while try table("servers", in: view).isEmpty { view = try await look() }
        let server = try table("servers", in: view)[0]
        #expect(server["key"] == "room room-1")
        let lease = try #require(try table("leases", in: view).first)
        #expect(lease["cells"]?[0] == server["cells"]?[7] && lease["cells"]?[1] == "room-1")
        let figures = try view["figures"]?.array() ?? []
        #expect(figures.contains(["registry", "good"]) && figures.contains(["servers", "1"]))
        #expect(figures.contains { $0[0] == "published" && $0[1] != "0" })

        await nats.program.stop()
        view = try await look()
        let said = try table("servers", in: view).first?["cells"]?[4]
        #expect(try said?.string().hasPrefix("silent: ") == true)
        await client.release()
        _ = await node.stop()
        await elsewhere.shutdown()
        await etcd.stop()
    }
}
