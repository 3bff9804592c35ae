import BrowserSupport
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// Programs of others go through a tunnel.
@Suite(.timeLimit(.minutes(3))) struct TunnelProgramsTests {
    private let loop = EventLoop()

    private func port(of expose: TestProgram) async throws -> String {
        let line = try #require(await expose.lines.first { $0.hasPrefix("address ") })
        return String(line.split(separator: ":").last ?? "")
    }

    /// Answers every question for an address with one.
    private final class NameServer: LinkIntake, LinkHandler {
        func accept(_ link: Link) -> (any LinkHandler)? { self }
        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
            guard let end = (12..<bytes.byteCount).first(where: { bytes.byte($0) == 0 }), end + 5 <= bytes.byteCount
            else { return bytes.byteCount }
            let question = bytes.array(12..<end + 5)
            let head = bytes.array(0..<2) + [0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]
            link.write(head + question + [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 53])
            return bytes.byteCount
        }
    }

    @Test func `dig asks a name server behind the tunnel`() async throws {
        let tunnel = try await RunningTunnel.start()
        let server = await loop.own { _ in NameServer() }
        let target = try await DatagramAcceptor(.loopback()).open(into: [server])
        let expose = try await tunnel.client(
            "expose udp \(target.address.port) --node \(tunnel.address)", until: "Ctrl-C")
        let port = try await port(of: expose)
        let said = try await RunningGateway.script("dig @127.0.0.1 -p \(port) +short +tries=3 shop.example A")
        #expect(said == ["192.0.2.53", "code 0"])
        await expose.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }

    @Test func `iperf3 measures the way in both directions, and so it does of a bulk rule`() async throws {
        let tunnel = try await RunningTunnel.start("--listen tcp://127.0.0.1:0")
        let plain = try #require(await tunnel.program.lines.first { $0.contains("  tcp://127") })
        let hidden = try await RunningTunnel.freePort()
        let client = try await tunnel.client(
            "client --node tcp://\(plain.split(separator: "/").last ?? "")", until: "AuthCode ")
        let server = try await TestProgram(["iperf3", "-s", "-p", "\(hidden)", "--forceflush"]) {
            $0.contains("listening")
        }
        for flags in ["", "--bulk"] {
            let listen = try await RunningTunnel.freePort()
            let added = try await tunnel.ask("tunnel add tcp://127.0.0.1:\(listen) tcp://127.0.0.1:\(hidden) \(flags)")
            #expect(added.last == "code 0", "\(added)")
            #expect(await client.wait { $0.hasPrefix("listens   tcp://127.0.0.1:\(listen)") })
            for direction in ["", "-R"] {
                // The server takes the next one a moment after it was left.
                let said = try await RunningGateway.script(
                    """
                    for i in 1 2 3 4 5 6 7 8 9 10; do
                        iperf3 -c 127.0.0.1 -p \(listen) -n 30M -P 2 \(direction) && break
                        sleep 0.2
                    done 2>&1
                    """)
                #expect(said.last == "code 0" && said.contains { $0.contains("iperf Done") }, "\(said)")
            }
        }
        await server.stop()
        await client.stop()
        await tunnel.program.stop()
    }

    @Test func `a page in Chromium, and its WebSocket, come through names of the node`() async throws {
        let tunnel = try await RunningTunnel.start("--http 127.0.0.1:0")
        let loop = loop
        let page = await loop.own { loop in
            var routes = HTTPRoutes()
            routes.get("/") { exchange in
                exchange.respond(.ok, "<title>behind NAT</title>", ["Content-Type": "text/html"])
            }
            return HTTPServer(on: loop, routes: routes)
        }
        let site = try await StreamAcceptor(.loopback()).open(into: [page])
        let echo = await loop.own { _ in MessageEcho() }
        let sockets = try await WebSocket(path: "/echo").over(StreamAcceptor(.loopback())).open(into: [echo])
        let client = try await tunnel.client("client --node \(tunnel.address)", until: "AuthCode ")
        for (name, target) in [("page", site), ("echo", sockets)] {
            let added = try await tunnel.ask("tunnel add \(name).localhost http://\(target.address)")
            #expect(added.last == "code 0", "\(added)")
        }
        let line = try #require(await tunnel.program.lines.first { $0.contains("names        http://") })
        let port = line.split(separator: ":").last ?? ""
        let browser = try await Chromium(on: loop)
        let heard = try await browser.result(
            of: """
                new Promise((resolve, reject) => {
                    const heard = [document.title]
                    const socket = new WebSocket("ws://echo.localhost:\(port)/echo")
                    socket.onopen = () => { socket.send("first"); socket.send("x".repeat(200000)) }
                    socket.onmessage = ({ data }) => {
                        heard.push(data.length > 100 ? data.length : data)
                        if (heard.length == 3) { socket.close(1000) }
                    }
                    socket.onclose = ({ code }) => resolve(heard.concat(code).join(" "))
                    setTimeout(() => reject("too late"), 20000)
                })
                """, at: "http://page.localhost:\(port)/")
        #expect(heard == "behind NAT first 200000 1000")
        await browser.close()
        await client.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }

    private final class MessageEcho: LinkIntake, LinkHandler {
        func accept(_ link: Link) -> (any LinkHandler)? { self }
        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
            link.outgoingKind = link.incomingKind
            link.write(bytes, endOfMessage: endOfMessage)
            return bytes.byteCount
        }
    }

    @Test func `each name has the certificate that was given for it, and a renewed one without a restart`() async throws
    {
        let folder = try TemporaryFolder()
        func make(_ name: String) throws {
            let identity = try TLSIdentity.selfSigned(name)
            try folder.write("\(name).key", try identity.keyPEM)
            try folder.write("\(name).crt", try identity.certificatePEM)
        }
        let names = ["127.0.0.1", "one.example", "two.example"]
        var flags = "--https 127.0.0.1:0"
        for name in names {
            try make(name)
            flags += " --tls-cert \(folder.file("\(name).crt")) --tls-key \(folder.file("\(name).key"))"
        }
        let tunnel = try await RunningTunnel.start(flags)
        let loop = loop
        let web = await loop.own { loop in
            var routes = HTTPRoutes()
            routes.get("/") { $0.respond(.ok, "\($0.request.headers["x-forwarded-host"] ?? "")\n") }
            return HTTPServer(on: loop, routes: routes)
        }
        let target = try await StreamAcceptor(.loopback()).open(into: [web])
        let client = try await tunnel.client("client --node \(tunnel.address)", until: "AuthCode ")
        let line = try #require(await tunnel.program.lines.first { $0.contains("names        https://") })
        let port = line.split(separator: ":").last ?? ""
        func curl(_ name: String, at port: some StringProtocol, knows: String) async throws -> String? {
            try await RunningGateway.script(
                """
                curl -sS -m 10 --cacert \(folder.file("\(knows).crt")) \
                --resolve \(name):\(port):127.0.0.1 https://\(name):\(port)/ 2>/dev/null
                """
            ).last
        }
        for name in names.dropFirst() {
            #expect(try await tunnel.ask("tunnel add \(name) http://\(target.address)").last == "code 0")
            #expect(try await curl(name, at: port, knows: name) == "code 0")
            #expect(try await curl(name, at: "\(tunnel.address.port)", knows: name) == "code 0")
        }
        #expect(try await curl("one.example", at: port, knows: "two.example") != "code 0")
        try make("one.example")
        // Files are looked at once in a second.
        var renewed: String?
        for _ in 0..<30 where renewed != "code 0" {
            renewed = try await curl("one.example", at: port, knows: "one.example")
            if renewed != "code 0" { try await Task.sleep(for: .milliseconds(200)) }
        }
        #expect(renewed == "code 0")
        #expect(try await curl("two.example", at: port, knows: "two.example") == "code 0")
        await client.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }

    @Test func `through SOCKS5 a program sends datagrams too`() async throws {
        let tunnel = try await RunningTunnel.start()
        let server = await loop.own { _ in NameServer() }
        let target = try await DatagramAcceptor(.loopback()).open(into: [server])
        let client = try await tunnel.client(
            "client --node \(tunnel.address) --allow-target udp://127.0.0.1:\(target.address.port)", until: "AuthCode ")
        let listen = try await RunningTunnel.freePort()
        #expect(try await tunnel.ask("tunnel add socks5://127.0.0.1:\(listen)").last == "code 0")
        #expect(await client.wait { $0.hasPrefix("listens   socks5://127.0.0.1:\(listen)") })
        let said = try await RunningGateway.script(
            """
            python3 - <<'END'
            import socket, struct
            control = socket.create_connection(("127.0.0.1", \(listen)), 10)
            control.sendall(b"\\5\\1\\0")
            assert control.recv(2) == b"\\5\\0"
            control.sendall(b"\\5\\3\\0\\1" + bytes(6))
            answer = control.recv(10)
            port = struct.unpack(">H", answer[8:10])[0]
            flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            flow.settimeout(10)
            there = b"\\0\\0\\0\\1\\x7f\\0\\0\\1" + struct.pack(">H", \(target.address.port))
            question = b"\\1\\2\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\4shop\\7example\\0\\0\\1\\0\\1"
            flow.sendto(there + question, ("127.0.0.1", port))
            answer = flow.recv(1000)
            print(answer[:10] == there, ".".join(map(str, answer[-4:])))
            END
            """)
        #expect(said == ["True 192.0.2.53", "code 0"])
        await client.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }
}
