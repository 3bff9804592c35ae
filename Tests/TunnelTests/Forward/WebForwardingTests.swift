import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// From a visitor of a name to a server of HTTP and back.
@Suite struct WebForwardingTests {
    @Test func `a request for a name reaches its target, which hears who asks`() async throws {
        let scene = try await WebScene()
        let visitor = await scene.ask(
            "GET /told/a?b=%20 HTTP/1.1\nHost: Shop.Example:80\nX-Forwarded-For: 6.6.6.6\nForwarded: for=6.6.6.6\n"
                + "Connection: X-Hop\nX-Hop: 1\nCookie: c\nAuthorization: Basic eDp5\n\n")
        let text = await visitor.text
        #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(text.contains("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"))
        #expect(!text.contains("X-Private"))
        let told = text.split(separator: "\r\n\r\n").last?.split(separator: "\n").map { String($0) } ?? []
        #expect(
            told == [
                "/told/a?b=%20", "host: 10.0.0.5:8080", "cookie: c", "authorization: Basic eDp5",
                "x-forwarded-for: 10.1.2.3", "x-forwarded-proto: http", "x-forwarded-host: Shop.Example:80",
            ])
    }

    @Test func `requests of one connection share one connection to the target`() async throws {
        let scene = try await WebScene()
        let two = "GET /told/1 HTTP/1.1\nHost: shop.example\n\nGET /told/2 HTTP/1.1\nHost: shop.example\n\n"
        let visitor = await scene.ask(two)
        #expect(await visitor.text.split(separator: "HTTP/1.1 200").count == 2)
        let other = await scene.ask("HEAD /told/3 HTTP/1.1\nHost: shop.example\nConnection: close\n\n")
        #expect(await other.hasEnded)
        #expect(await visitor.hasEnded == false)
        #expect(await scene.world.traffic(scene.scene.name).connections == 1)
        scene.advance(.seconds(100))
        #expect(await scene.world.nodes[0].run { _, node in node.transferCount } == 0)
    }

    @Test func `requests at the same time do not mix`() async throws {
        let scene = try await WebScene()
        var visitors: [LoopBound<Recorder>] = []
        for index in 0..<32 {
            let text = "GET /told/\(index) HTTP/1.1\r\nHost: shop.example\r\n\r\n"
            let pipe = scene.world.network.pipe("web")
            visitors.append(
                await scene.world.world.loops[3].own { loop in
                    let recorder = Recorder()
                    pipe.dial(on: loop, deadline: .seconds(5), handler: recorder)?.write(Array(text.utf8))
                    return recorder
                })
        }
        scene.advance(.seconds(1))
        for (index, visitor) in visitors.enumerated() {
            #expect(await visitor.text.contains("\r\n\r\n/told/\(index)\n"))
        }
    }

    @Test func `pieces of an answer arrive when they are written, however long the pauses are`() async throws {
        let scene = try await WebScene()
        let visitor = await scene.ask("GET /events HTTP/1.1\nHost: shop.example\n\n")
        #expect(await visitor.text.contains("9\r\ndata: 1\n\n\r\n"))
        #expect(await !visitor.text.contains("data: 2"))
        scene.advance(.seconds(120))
        #expect(await visitor.text.hasSuffix("9\r\ndata: 2\n\n\r\n0\r\n\r\n"))
    }

    @Test func `an answer that breaks off is not taken for whole`() async throws {
        let scene = try await WebScene()
        let visitor = await scene.ask("GET /cut HTTP/1.1\nHost: shop.example\n\n")
        scene.advance(.seconds(2))
        #expect(await visitor.text.hasSuffix("12345"))
        #expect(await visitor.closeReason == .reset)
    }

    @Test func `bodies of both kinds go on piece by piece`() async throws {
        let scene = try await WebScene()
        let body = String(repeating: "x", count: 1 << 20)
        let long = await scene.ask(
            "POST /count HTTP/1.1\nHost: shop.example\nContent-Length: \(body.utf8.count)\n\n" + body)
        scene.advance(.seconds(5))
        #expect(await long.text.hasSuffix("\r\n\r\n1048576"))
        let chunked = await scene.ask("POST /count HTTP/1.1\nHost: shop.example\nTransfer-Encoding: chunked\n\n")
        await chunked.write("3\r\nabc\r\n")
        scene.advance(.seconds(1))
        await chunked.write("2\r\nde\r\n0\r\n\r\n")
        scene.advance(.seconds(1))
        #expect(await chunked.text.hasSuffix("\r\n\r\n5"))
    }

    @Test func `a client that waits is told to go on`() async throws {
        let scene = try await WebScene()
        let visitor = await scene.ask(
            "POST /count HTTP/1.1\nHost: shop.example\nContent-Length: 3\nExpect: 100-continue\n\n")
        #expect(await visitor.text == "HTTP/1.1 100 Continue\r\n\r\n")
        await visitor.write("abc")
        scene.advance(.seconds(1))
        #expect(await visitor.text.hasSuffix("\r\n\r\n3"))
    }

    @Test func `a visitor that has said all still hears the answer`() async throws {
        let scene = try await WebScene()
        let visitor = await scene.ask("GET /told/1 HTTP/1.1\nHost: shop.example\n\n", finishes: true)
        #expect(await visitor.text.contains("\r\n\r\n/told/1\n"))
        #expect(await visitor.hasEnded)
    }

    @Test func `another protocol takes over, and each direction ends by itself`() async throws {
        let scene = try await WebScene()
        let visitor = await scene.ask(
            "GET /socket HTTP/1.1\nHost: shop.example\nConnection: Upgrade\nUpgrade: echo\n\nearly ")
        #expect(await visitor.text.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
        await visitor.write("late")
        await visitor.run { _, recorder in recorder.link?.finish() }
        scene.advance(.seconds(1))
        #expect(await visitor.text.hasSuffix("\r\n\r\nearly late"))
        #expect(await visitor.closeReason == .finished)
        #expect(await scene.world.nodes[0].run { _, node in node.transferCount } == 0)
    }

    @Test func `HTTP does not go on as another HTTP that nobody reads`() async throws {
        let scene = try await WebScene()
        let visitor = await scene.ask(
            "GET /told/1 HTTP/1.1\nHost: shop.example\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\n"
                + "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\n\n")
        #expect(await visitor.text.hasPrefix("HTTP/1.1 200 "))
        #expect(await !visitor.text.lowercased().contains("upgrade"))
        #expect(await !visitor.text.lowercased().contains("http2-settings"))
    }

    @Test func `an answer of another protocol that nobody asked for is none`() async throws {
        let scene = try await WebScene()
        let visitor = await scene.ask("GET /socket HTTP/1.1\nHost: shop.example\n\n")
        #expect(await visitor.text.hasPrefix("HTTP/1.1 502 "))
    }

    // MARK: Refusals

    @Test func `a name that nobody has, a target that is not there, and one that is offline have pages`() async throws {
        let scene = try await WebScene(serves: false)
        for host in ["other.example", "shop.example.evil", "[::1]", "shop"] {
            let visitor = await scene.ask("GET / HTTP/1.1\nHost: \(host)\n\n")
            #expect(await visitor.text.hasPrefix("HTTP/1.1 404 "))
        }
        let refused = await scene.ask("GET / HTTP/1.1\nHost: shop.example.\n\n")
        #expect(await refused.text.hasPrefix("HTTP/1.1 502 "))
        await scene.scene.target.close()
        scene.advance(.seconds(1))
        let offline = await scene.ask("GET / HTTP/1.1\nHost: shop.example\n\n")
        #expect(await offline.text.hasPrefix("HTTP/1.1 503 "))
        #expect(await offline.text.contains("<h1>503 Service Unavailable</h1>"))
        let stranger = await scene.ask("CONNECT shop.example:443 HTTP/1.1\nHost: shop.example\n\n")
        #expect(await stranger.text.hasPrefix("HTTP/1.1 404 "))
    }

    @Test func `a rule that is gone serves no more`() async throws {
        let scene = try await WebScene()
        let before = await scene.ask("GET /told/1 HTTP/1.1\nHost: shop.example\n\n")
        #expect(await before.text.hasPrefix("HTTP/1.1 200 "))
        #expect(await scene.world.remove("shop.example", by: scene.scene.listener))
        scene.advance(.seconds(1))
        #expect(await scene.world.nodes[0].run { _, node in node.transferCount } == 0)
        let after = await scene.ask("GET /told/1 HTTP/1.1\nHost: shop.example\n\n")
        #expect(await after.text.hasPrefix("HTTP/1.1 404 "))
    }

    @Test func `a name may ask for a password, which its target does not hear`() async throws {
        let scene = try await WebScene { _ in } rule: { $0.options.login = TunnelLogin(user: "me", password: "o:pen") }
        let logins = [
            ("", "401"), ("Basic bWU6eA==", "401"), ("Bearer x", "401"), ("basic bWU6bzpwZW4=", "200"),
        ]
        for (login, status) in logins {
            let field = login.isEmpty ? "" : "Authorization: \(login)\n"
            let visitor = await scene.ask("GET /told/1 HTTP/1.1\nHost: shop.example\n\(field)\n")
            #expect(await visitor.text.hasPrefix("HTTP/1.1 \(status) "))
            #expect(await visitor.text.contains("WWW-Authenticate: Basic realm=\"shop.example\"") == (status == "401"))
            #expect(await !visitor.text.contains("authorization: "))
        }
    }

    @Test func `who may not come is told so`() async throws {
        let scene = try await WebScene { _ in } rule: { $0.limits.sources = ["10.2.0.0/16"] }
        let visitor = await scene.ask("GET /told/1 HTTP/1.1\nHost: shop.example\n\n")
        #expect(await visitor.text.hasPrefix("HTTP/1.1 403 "))
    }

    @Test func `what others say about a visitor is believed of trusted proxies alone`() async throws {
        let scene = try await WebScene { $0.trustedProxies = ["10.1.0.0/16"].compactMap { AddressRange($0) } }
        let visitor = await scene.ask(
            "GET /told/1 HTTP/1.1\nHost: shop.example\nX-Forwarded-For: 7.7.7.7\nX-Forwarded-Proto: https\n\n")
        let text = await visitor.text
        #expect(text.contains("\nx-forwarded-for: 7.7.7.7, 10.1.2.3\nx-forwarded-proto: https\n"))
    }

    @Test(arguments: [
        "POST /count HTTP/1.1\nHost: shop.example\nContent-Length: 3\nTransfer-Encoding: chunked\n\n0\n\nGET /told/x",
        "POST /count HTTP/1.1\nHost: shop.example\nContent-Length: 3\nContent-Length: 4\n\nabc",
        "POST /count HTTP/1.1\nHost: shop.example\nTransfer-Encoding: chunked, identity\n\n0\n\n",
        "GET /told/1 HTTP/1.1\nHost: shop.example\nHost: other.example\n\n",
        "GET http://other.example/told/1 HTTP/1.1\nHost: shop.example\n\n",
        "GET /told/1 HTTP/1.1\nHost: shop.example\nX: a\n b\n\n",
        "GET /told/1 HTTP/1.1\nHost: shop.example\nX: a\rX-Forwarded-For: 1.2.3.4\n\n",
        "GET /told/1\r HTTP/1.1\nHost: shop.example\n\n",
        "GET /told/1 HTTP/1.1\nHost: shop.example\nContent-Length : 3\n\nabc",
        "GET /told/1 HTTP/1.1\nHost: shop.example\nX: a\0b\n\n",
    ])
    func `what two readers could understand in two ways is not passed on`(request: String) async throws {
        let scene = try await WebScene()
        let visitor = await scene.ask(request)
        #expect(await visitor.text.hasPrefix("HTTP/1.1 400 "))
        #expect(await scene.world.traffic(scene.scene.name).connections == 0)
    }

    @Test func `a whole URI and an old client are served too`() async throws {
        let scene = try await WebScene { _ in } rule: { $0.options.host = "*" }
        let uri = await scene.ask("GET http://shop.example/told/1?q HTTP/1.1\nHost: shop.example\n\n")
        #expect(await uri.text.contains("\r\n\r\n/told/1?q\nhost: shop.example\n"))
        let old = await scene.ask("GET /told/2 HTTP/1.0\nHost: shop.example\n\n")
        #expect(await old.text.contains("\r\n\r\n/told/2\nhost: shop.example\n"))
        #expect(await old.hasEnded)
    }

    @Test func `a rule without a name gets one, and chooses none where names are given`() async throws {
        let world = try await TunnelWorld { $0.domain = "tunnel.example" }
        let client = await world.client()
        let identity = try #require(await client.identity)
        var request = TunnelRuleRequest(listen: "", target: "http://10.0.0.5", of: identity.tunnel)
        var names: Set<String> = []
        for _ in 0..<3 {
            let name = try #require(await world.add(request, by: client).rule).listenAddress.text
            #expect(name.hasSuffix(".tunnel.example") && name.hasPrefix("c") && name.utf8.count == 22)
            names.insert(name)
        }
        #expect(names.count == 3)
        for (listen, code) in [
            ("x.tunnel.example", 403), ("tunnel.example", 403), (names.sorted()[0], 200), ("xtunnel.example", 200),
        ] {
            request.listenAddress = listen
            #expect(await world.add(request, by: client).code == code)
        }
        (request.listenAddress, request.options.group) = ("", "x")
        #expect(await world.add(request, by: client).code == 400)
        (request.options.group, request.targetAddress) = ("", "tcp://10.0.0.5:22")
        #expect(await world.add(request, by: client).code == 400)
    }

    @Test func `the door of a node answers for names besides itself`() async throws {
        let scene = try await WebScene()
        let (entrance, node) = (scene.world.network.pipe("door"), scene.world.nodes[0])
        _ = try await scene.world.world.run { try await entrance.open(into: [await TunnelDoor.open(for: node)]) }
        for (path, host, status) in [
            ("/told/1", "shop.example", "200"), ("/_zhangyu/healthz", "shop.example", "200"),
            ("/_zhangyu/healthz", "node.example", "200"), ("/told/1", "node.example", "404"),
        ] {
            let visitor = await scene.world.visitor(
                to: "door", "GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\r\n")
            scene.advance(.seconds(1))
            #expect(await visitor.text.hasPrefix("HTTP/1.1 \(status) "))
        }
        #expect(await scene.world.traffic(scene.scene.name).connections == 1)
    }

    // MARK: TLS

    @Test func `TLS ends at the node, which says so to the target`() async throws {
        let identity = try TLSIdentity.selfSigned("shop.example")
        let scene = try await WebScene(secured: .terminated(try TLSServer(identity)))
        let tls = try TLSClient(host: "shop.example", trust: .roots(pem: identity.certificatePEM))
        let visitor = await scene.world.visitor(
            over: tls, to: "web", "GET /told/1 HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        #expect(await visitor.text.contains("\nx-forwarded-proto: https\n"))
    }

    @Test(arguments: [false, true])
    func `TLS goes on to the target whose name it asks for, and ends in each direction`(hasOwn: Bool) async throws {
        let identity = try TLSIdentity.selfSigned("shop.example")
        let own = TunnelWeb.Security.terminated(try TLSServer(try TLSIdentity.selfSigned("node.example")))
        let scene = try await WebScene(to: "https://10.0.0.5:443", serves: false, secured: hasOwn ? own : .passed) {
            _ in
        } rule: { $0.options.passesTLS = true }
        let echo = await scene.world.world.loops[3].own { _ in EchoIntake() }
        let pipe = scene.world.network.pipe("10.0.0.5:443")
        let secured = try TLSServer(identity).over(pipe)
        _ = try await scene.world.world.run { try await secured.open(into: [echo]) }
        let tls = try TLSClient(host: "shop.example", trust: .roots(pem: identity.certificatePEM))
        let visitor = await scene.world.visitor(over: tls, to: "web", "to the target itself", finishes: true)
        #expect(await visitor.text == "to the target itself")
        #expect(await visitor.hasEnded)
        // Another name is somebody else's, or nobody's.
        let other = try TLSClient(host: "node.example", trust: .anybody)
        let stranger = await scene.world.visitor(over: other, to: "web", "GET / HTTP/1.1\r\nHost: node.example\r\n\r\n")
        #expect(await stranger.text.hasPrefix("HTTP/1.1 404 ") == hasOwn)
        #expect(await scene.world.traffic(scene.scene.name).connections == 1)
    }

    @Test(.timeLimit(.minutes(1))) func `a target may speak TLS itself`() async throws {
        let scene = try await WebScene(to: "https://10.0.0.5:443", serves: false) { _ in
        } rule: { $0.options.trustsAnyCertificate = true }
        let (pipe, origin) = (scene.world.network.pipe("10.0.0.5:443"), scene.origin)
        let secured = try TLSServer(try TLSIdentity.selfSigned("10.0.0.5")).over(pipe)
        _ = try await scene.world.world.run { try await secured.open(into: [origin]) }
        let visitor = await scene.ask("GET /told/1 HTTP/1.1\nHost: shop.example\n\n")
        // Certificates are read on a thread of their own.
        while await visitor.text.isEmpty {
            scene.advance(.milliseconds(1))
            await Task.yield()
        }
        #expect(await visitor.text.contains("\r\n\r\n/told/1\nhost: 10.0.0.5\n"))
    }
}
