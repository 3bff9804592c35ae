import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// All that a tunnel forwards, by its commands and real programs.
@Suite(.timeLimit(.minutes(3))) struct TunnelKindsTests {
    private let loop = EventLoop()

    /// A web server that says who it was asked for, and for whom.
    private func web() async throws -> SocketAddress {
        let server = await loop.own { loop in
            var routes = HTTPRoutes()
            routes.get("/") { exchange in
                let fields = exchange.request.headers
                exchange.respond(.ok, "\(fields["host"] ?? "") for \(fields["x-forwarded-for"] ?? "")\n")
            }
            return HTTPServer(on: loop, routes: routes)
        }
        return try await StreamAcceptor(.loopback()).open(into: [server]).address
    }

    private func curl(_ arguments: String) async throws -> [String] {
        try await RunningGateway.script("curl -sS -m 10 \(arguments) 2>&1")
    }

    @Test func `a name is served over HTTP, over TLS, and at the node's own port`() async throws {
        let tunnel = try await RunningTunnel.start("--http 127.0.0.1:0 --https 127.0.0.1:0")
        let target = try await web()
        let expose = try await tunnel.client(
            "expose http \(target.port) --at shop.example --node \(tunnel.address)", until: "Ctrl-C")
        let here = tunnel.address.port
        #expect(await expose.lines.contains { $0 == "address   https://shop.example:\(here)" })
        var places = ["https://shop.example:\(here)"]
        for scheme in ["http", "https"] {
            let line = try #require(await tunnel.program.lines.first { $0.contains("names        \(scheme)://") })
            places.append("\(scheme)://shop.example:\(line.split(separator: ":").last ?? "")")
        }
        for place in places {
            let port = place.split(separator: ":").last ?? ""
            let said = try await curl("-k --resolve shop.example:\(port):127.0.0.1 \(place)/")
            #expect(said == ["127.0.0.1:\(target.port) for 127.0.0.1", "code 0"], "\(place)")
            let quiet = "-k -o /dev/null -w '%{http_code}\\n'"
            let other = try await curl(
                "\(quiet) -H 'Host: other.example' \(place) --resolve shop.example:\(port):127.0.0.1"
            )
            #expect(other.first?.hasPrefix("404") == true)
        }
        await expose.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }

    @Test(arguments: [("", "for 127.0.0.1"), ("--trust-proxy 127.0.0.0/8", "for 10.9.9.9, 127.0.0.1")])
    func `who a request comes for is believed from proxies that are trusted`(flags: String, words: String) async throws
    {
        let tunnel = try await RunningTunnel.start("--http 127.0.0.1:0 \(flags)")
        let target = try await web()
        let expose = try await tunnel.client(
            "expose http \(target.port) --at shop.example --node \(tunnel.address)", until: "Ctrl-C")
        let line = try #require(
            await tunnel.program.lines.first { $0.contains("http://127.0.0.1") && $0.contains("names") })
        let place = "http://127.0.0.1:\(line.split(separator: ":").last ?? "")"
        let said = try await curl("-H 'Host: shop.example' -H 'X-Forwarded-For: 10.9.9.9' \(place)/")
        #expect(said.first?.hasSuffix(words) == true, "\(said)")
        await expose.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }

    private final class EchoBack: LinkIntake, LinkHandler {
        func accept(_ link: Link) -> (any LinkHandler)? { self }
        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
            link.write(bytes, endOfMessage: endOfMessage)
            return bytes.byteCount
        }
    }

    @Test func `datagrams of two visitors come back to whom they belong`() async throws {
        let tunnel = try await RunningTunnel.start()
        let echo = await loop.own { _ in EchoBack() }
        let target = try await DatagramAcceptor(.loopback()).open(into: [echo])
        let expose = try await tunnel.client(
            "expose udp \(target.address.port) --node \(tunnel.address)", until: "Ctrl-C")
        let line = try #require(await expose.lines.first { $0.hasPrefix("address   udp://127.0.0.1:") })
        let said = try await RunningGateway.script(
            """
            python3 - <<'END'
            import socket
            visitors = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
            for i, visitor in enumerate(visitors):
                visitor.settimeout(10)
                visitor.sendto(b"visitor %d" % i, ("127.0.0.1", \(line.split(separator: ":").last ?? "")))
            for visitor in visitors: print(visitor.recv(100).decode())
            END
            """)
        #expect(said == ["visitor 0", "visitor 1", "code 0"])
        await expose.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }

    @Test func `through SOCKS5 visitors reach what the client allows, if they know the password`() async throws {
        let tunnel = try await RunningTunnel.start()
        let target = try await web()
        try tunnel.folder.write("login", "ann:a password\n")
        let client = try await tunnel.client(
            "client --node \(tunnel.address) --allow-target tcp://127.0.0.1:\(target.port)", until: "AuthCode ")
        let listen = "socks5://127.0.0.1:\(try await RunningTunnel.freePort())"
        let added = try await tunnel.ask("tunnel add \(listen) --login-file \(tunnel.folder.file("login"))")
        #expect(added.last == "code 0", "\(added)")
        #expect(await client.wait { $0.hasPrefix("listens   \(listen)") })
        let proxy = listen.replacing("socks5://", with: "")
        #expect(try await curl("-x socks5://ann:a%20password@\(proxy) http://\(target)/").first == "\(target) for ")
        #expect(try await curl("-x socks5://ann:wrong@\(proxy) http://\(target)/").last != "code 0")
        #expect(try await curl("-x socks5://ann:a%20password@\(proxy) http://127.0.0.1:1/").last != "code 0")
        await client.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }

    @Test func `a rule has the options that it was added with`() async throws {
        let tunnel = try await RunningTunnel.start("--http 127.0.0.1:0 --domain given.example")
        let target = try await web()
        try tunnel.folder.write("login", "ann:a password\n")
        try tunnel.folder.write("group", "a word that is shared\n")
        let client = try await tunnel.client("client --node \(tunnel.address)", until: "AuthCode ")
        let (login, group) = (tunnel.folder.file("login"), tunnel.folder.file("group"))
        let rules = [
            (
                "tcp://127.0.0.1:\(try await RunningTunnel.freePort()) tcp://\(target) --proxy-protocol v2",
                #""ProxyProtocol": "v2""#
            ),
            ("a.example http://\(target) --host '*' --login-file \(login)", #""HostRewrite": "*""#),
            ("b.example https://\(target) --trust-any-certificate", #""InsecureSkipVerify": true"#),
            ("c.example https://\(target) --pass-tls --group-file \(group)", #""Tls": "passthrough""#),
            ("d.example http://\(target) --bandwidth 1M --monthly-bytes 1G", #""Bandwidth": 1048576"#),
        ]
        for (rule, shown) in rules {
            let said = try await tunnel.ask("tunnel add \(rule)")
            #expect(said.last == "code 0", "\(said)")
            #expect(try await tunnel.ask("tunnel list --json").contains { $0.contains(shown) }, "\(shown)")
        }
        let given = try await tunnel.ask("tunnel add '' http://\(target)")
        #expect(given.first?.contains(".given.example leads to http://\(target)") == true, "\(given)")
        #expect(try await tunnel.ask("tunnel add mine.given.example http://\(target)").last == "code 1")
        let list = try await tunnel.ask("tunnel list --json")
        #expect(list.contains { $0.contains(#""MonthlyBytes": 1073741824"#) })
        #expect(!list.contains { $0.contains("a password") || $0.contains("a word that is shared") })
        let line = try #require(
            await tunnel.program.lines.first { $0.contains("http://127.0.0.1") && $0.contains("names") })
        let place = "-H 'Host: a.example' http://127.0.0.1:\(line.split(separator: ":").last ?? "")/"
        #expect(try await curl("-u 'ann:a password' \(place)") == ["a.example for 127.0.0.1", "code 0"])
        #expect(try await curl("-o /dev/null -w '%{http_code}\\n' \(place)").first?.hasPrefix("401") == true)
        await client.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }

    @Test func `a client that has moved all that it may in a month moves no more`() async throws {
        let tunnel = try await RunningTunnel.start("--monthly-bytes 300")
        let target = try await web()
        let expose = try await tunnel.client("expose http \(target.port) --node \(tunnel.address)", until: "Ctrl-C")
        let line = try #require(await expose.lines.first { $0.hasPrefix("address   http://") })
        let url = line.split(separator: " ").last ?? ""
        #expect(try await curl("-H 'X-Long: \(String(repeating: "a", count: 400))' \(url)/").last == "code 0")
        #expect(try await curl("\(url)/").last != "code 0")
        await expose.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }
}
