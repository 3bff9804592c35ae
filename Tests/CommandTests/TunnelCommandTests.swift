import FoundationEssentials
import Glibc
import Omniway
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// `omniway node` as a real process, with a folder of its own, and others that go to it.
struct RunningTunnel {
    let folder: TemporaryFolder
    let program: TestProgram
    let address: SocketAddress
    let admin: SocketAddress

    /// The node may give away one port, which is free.
    static func start(
        _ arguments: String = "", carrier: String = "tls", at port: UInt16 = 0, in known: TemporaryFolder? = nil
    ) async throws -> RunningTunnel {
        let folder = try known ?? TemporaryFolder()
        let free = try await freePort()
        let program = try await TestProgram([
            "sh", "-c",
            """
            exec \(BuiltProduct.path("omniway")) node --data \(folder.path) --listen \(carrier)://127.0.0.1:\(port) \
            --admin-addr 127.0.0.1:0 --allow-ports \(free) \(arguments)
            """,
        ]) { $0.hasPrefix("Ctrl-C") }
        func address(behind words: String) async throws -> SocketAddress {
            let line = try #require(await program.lines.first { $0.contains(words) })
            let place = try #require(line.firstRange(of: words)).upperBound
            return try #require(SocketAddress(String(line[place...])))
        }
        return RunningTunnel(
            folder: folder, program: program, address: try await address(behind: "\(carrier)://"),
            admin: try await address(behind: "admin        http://"))
    }

    /// One that the system gives to nobody who asks for any.
    static func freePort() async throws -> UInt16 {
        let loop = EventLoop()
        let intake = await loop.own { _ in RecordingIntake() }
        while true {
            let port = UInt16.random(in: 10_000...29_999)
            guard let listening = try? await StreamAcceptor(.loopback(port: port)).open(into: [intake]) else {
                continue
            }
            await listening.stop()
            await loop.shutdown()
            return port
        }
    }

    var omniway: String { "OMNIWAY_DATA=\(folder.path) \(BuiltProduct.path("omniway"))" }

    /// A client, until it says this.
    func client(_ arguments: String, until words: String, within limit: Duration = .seconds(20)) async throws
        -> TestProgram
    {
        try await TestProgram(
            ["sh", "-c", "\(omniway.replacing("OMNIWAY", with: "exec env OMNIWAY")) \(arguments)"], within: limit
        ) {
            $0.contains(words)
        }
    }

    /// What a command says, with `code <number>` as its last line.
    func ask(_ arguments: String) async throws -> [String] {
        try await RunningGateway.script("\(omniway) \(arguments) 2>&1")
    }
}

/// A web server beside the client, which says how many bytes it was sent.
private func counter(on loop: EventLoop) async throws -> SocketAddress {
    let server = await loop.own { loop in
        var routes = HTTPRoutes()
        routes.get("/") { $0.respond(.ok, "hello\n") }
        routes.post("/", body: .whole(upTo: 32 << 20)) { $0.respond(.ok, "\($0.body.count) bytes\n") }
        return HTTPServer(on: loop, routes: routes)
    }
    return try await StreamAcceptor(.loopback()).open(into: [server]).address
}

@Suite(.timeLimit(.minutes(3))) struct TunnelCommandTests {
    private let loop = EventLoop()

    private func address(_ program: TestProgram) async throws -> String {
        let line = try #require(await program.lines.last { $0.hasPrefix("address ") })
        return String(line.dropFirst(7).drop { $0 == " " })
    }

    @Test func `a node says where its dashboard is, by a link that is good once`() async throws {
        let node = try await RunningTunnel.start()
        let start = "  dashboard    http://\(node.admin)/#login="
        let line = try #require(await node.program.lines.first { $0.hasPrefix(start) })
        let secret = line.dropFirst(start.count).prefix { $0 != "," }
        let login = """
            curl -s -o /dev/null -w '%{http_code}\\n' -H 'X-Omniway: 1' -d '{"secret": "\(secret)"}' \
            http://\(node.admin)/api/login
            """
        #expect(try await RunningGateway.script("\(login); \(login)") == ["200", "401", "code 0"])
        await node.program.stop()
    }

    @Test func `one line gives a port an address, for curl's uploads too, and the same one the next time`() async throws
    {
        let tunnel = try await RunningTunnel.start()
        let target = try await counter(on: loop)
        let command = "expose http \(target.port) --node \(tunnel.address)"
        var addresses: [String] = []
        for _ in 0..<2 {
            let expose = try await tunnel.client(command, until: "Ctrl-C")
            let url = try await address(expose)
            addresses.append(url)
            let said = try await RunningGateway.script(
                """
                head -c 8000000 /dev/zero > \(tunnel.folder.file("sent"))
                curl -sS -m 20 \(url)/
                curl -sS -m 20 -H Expect: --data-binary @\(tunnel.folder.file("sent")) \(url)/
                stat -c %a \(tunnel.folder.file("expose-http-127.0.0.1-\(target.port).json"))
                """)
            #expect(said == ["hello", "8000000 bytes", "600", "code 0"])
            #expect(await expose.stop(signal: SIGINT) == 0)
        }
        #expect(addresses[0].hasPrefix("http://127.0.0.1:"))
        #expect(Set(addresses).count == 1)
        // While nobody exposes it there is nothing.
        #expect(try await RunningGateway.script("curl -sS -m 5 \(addresses[0]) 2>/dev/null").last != "code 0")
        #expect(await tunnel.program.stop() == 0)
        await loop.shutdown()
    }

    @Test func `a WebSocket is a way to the same node`() async throws {
        let tunnel = try await RunningTunnel.start()
        let target = try await counter(on: loop)
        let url = "wss://127.0.0.1:\(tunnel.address.port)"
        let expose = try await tunnel.client("expose tcp \(target.port) --node \(url)", until: "Ctrl-C")
        let port = try await address(expose).split(separator: ":").last ?? ""
        #expect(try await RunningGateway.script("curl -sS -m 10 http://127.0.0.1:\(port)/").first == "hello")
        await expose.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }

    @Test func `another certificate than the first time is refused with what to do`() async throws {
        let tunnel = try await RunningTunnel.start()
        let command = "expose tcp 1 --node \(tunnel.address)"
        let first = try await tunnel.client(command, until: "Ctrl-C")
        await first.stop()
        await tunnel.program.stop()
        #expect(try await RunningGateway.script("cd \(tunnel.folder.path) && rm node.crt node.key").last == "code 0")
        let other = try await RunningTunnel.start(at: tunnel.address.port, in: tunnel.folder)
        let refused = try await tunnel.ask(command)
        #expect(refused.last == "code 1")
        #expect(refused.contains { $0.contains("certificate of 127.0.0.1 has changed") })
        #expect(refused.contains { $0.contains("--new-certificate") })
        let taken = try await tunnel.client("\(command) --new-certificate", until: "Ctrl-C")
        await taken.stop()
        // What was said beforehand counts as much as what was met.
        let line = try #require(await other.program.lines.first { $0.contains("certificate ") })
        let fingerprint = line.split(separator: " ").last ?? ""
        let flipped = fingerprint.hasPrefix("0") ? "1" : "0"
        let wrong = try await tunnel.ask("\(command) --certificate \(flipped)\(fingerprint.dropFirst())")
        #expect(wrong.last == "code 1")
        let right = try await tunnel.client("\(command) --certificate \(fingerprint)", until: "Ctrl-C")
        await right.stop()
        await other.program.stop()
    }

    @Test func `a client says who it is, and its rules are added, listed, looked at and removed`() async throws {
        let tunnel = try await RunningTunnel.start()
        let target = try await counter(on: loop)
        let client = try await tunnel.client("client --node \(tunnel.address)", until: "AuthCode ")
        #expect(await client.lines.contains { $0.hasPrefix("number    ") })
        #expect(try await tunnel.ask("tunnel list") == ["no rules", "code 0"])
        let listen = "tcp://127.0.0.1:\(try await RunningTunnel.freePort())"
        let added = try await tunnel.ask("tunnel add \(listen) tcp://\(target)")
        #expect(added.first?.hasPrefix("\(listen) leads to tcp://\(target) of ") == true)
        #expect(await client.wait { $0.hasPrefix("listens   \(listen)") })
        let port = listen.split(separator: ":").last ?? ""
        #expect(try await RunningGateway.script("curl -sS -m 10 http://127.0.0.1:\(port)/").first == "hello")

        let list = try await tunnel.ask("tunnel list")
        let identity = try #require(try TunnelIdentityFile(tunnel.folder.file("client.json")).load())
        #expect(list[0].contains("LISTENER") && list[0].contains("TARGET'S CLIENT"))
        #expect(list[1].hasPrefix("both  \(listen)  \(identity.client)  tcp://\(target)"))
        #expect(list[1].hasSuffix("\(identity.client)  ready"))
        let doctor = try await tunnel.ask("tunnel doctor")
        #expect(doctor.last == "code 0")
        #expect(doctor.dropLast().allSatisfy { $0.hasPrefix("ok ") })
        #expect(try await tunnel.ask("tunnel remove \(listen)") == ["\(listen) is gone", "code 0"])
        #expect(try await tunnel.ask("tunnel remove \(listen)").last == "code 1")
        #expect(try await tunnel.ask("tunnel kick").last == "code 0")
        #expect(await client.wait { $0.contains("omniway tunnel kick") })
        let ill = try await tunnel.ask("tunnel doctor")
        #expect(ill.last == "code 1")
        #expect(ill.contains { $0.hasPrefix("FAIL  client: is not logged in") })
        await client.stop()
        await tunnel.program.stop()
        let gone = try await tunnel.ask("tunnel doctor")
        #expect(gone.contains { $0.hasPrefix("FAIL  node tls://") })
        await loop.shutdown()
    }

    @Test func `a client reaches what it allows, and nothing else`() async throws {
        let tunnel = try await RunningTunnel.start()
        let (allowed, other) = (try await counter(on: loop), try await counter(on: loop))
        let client = try await tunnel.client(
            "client --node \(tunnel.address) --allow-target tcp://\(allowed)", until: "AuthCode ")
        for (target, answer) in [(allowed, "hello"), (other, "")] {
            let port = try await RunningTunnel.freePort()
            #expect(try await tunnel.ask("tunnel add tcp://127.0.0.1:\(port) tcp://\(target)").last == "code 0")
            #expect(await client.wait { $0.hasPrefix("listens   tcp://127.0.0.1:\(port)") })
            let said = try await RunningGateway.script("curl -sS -m 10 http://127.0.0.1:\(port)/ 2>/dev/null")
            #expect(answer.isEmpty ? said.last != "code 0" : said == [answer, "code 0"])
        }
        await client.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }

    @Test func `a rule keeps out who comes from elsewhere`() async throws {
        let tunnel = try await RunningTunnel.start()
        let target = try await counter(on: loop)
        let client = try await tunnel.client("client --node \(tunnel.address)", until: "AuthCode ")
        let listen = "tcp://127.0.0.1:\(try await RunningTunnel.freePort())"
        for (source, isWelcome) in [("10.0.0.0/8", false), ("127.0.0.0/8", true)] {
            let added = try await tunnel.ask("tunnel add \(listen) tcp://\(target) --allow-source \(source)")
            #expect(added.last == "code 0")
            #expect(await client.wait { $0.hasPrefix("listens   \(listen)") })
            let shown = try await tunnel.ask("tunnel list --json")
            #expect(shown.contains { $0.contains(source) })
            let port = listen.split(separator: ":").last ?? ""
            let said = try await RunningGateway.script("curl -sS -m 5 http://127.0.0.1:\(port)/ 2>/dev/null")
            #expect((said == ["hello", "code 0"]) == isWelcome)
        }
        #expect(try await tunnel.ask("tunnel add \(listen) tcp://\(target) --allow-source x").last == "code 1")
        await client.stop()
        await tunnel.program.stop()
        await loop.shutdown()
    }

    @Test func `two nodes of one registry know each other by their certificates`() async throws {
        let store = try TemporaryFolder()
        try store.write("key", "the secret of this cluster\n")
        let (ports, target) = (
            [try await RunningTunnel.freePort(), try await RunningTunnel.freePort()], try await counter(on: loop)
        )
        var nodes: [RunningTunnel] = []
        for port in ports {
            let cluster = "--advertise 127.0.0.1:\(port) --cluster-key-file \(store.file("key"))"
            nodes.append(try await RunningTunnel.start("--registry \(store.file("registry.db")) \(cluster)", at: port))
        }
        // The target's client is at the one, who listens at the other.
        let far = try await nodes[0].client("client --node \(nodes[0].address)", until: "AuthCode ")
        let near = try await nodes[1].client("client --node \(nodes[1].address)", until: "AuthCode ")
        let identity = try #require(try TunnelIdentityFile(nodes[0].folder.file("client.json")).load())
        try store.write("code", identity.authCode)
        let listen = "tcp://127.0.0.1:\(try await RunningTunnel.freePort())"
        let rule = "\(listen) tcp://\(target) --of \(identity.tunnel) --code-file \(store.file("code"))"
        #expect(try await nodes[1].ask("tunnel add \(rule)").last == "code 0")
        #expect(await near.wait { $0.hasPrefix("listens   \(listen)") })
        let port = listen.split(separator: ":").last ?? ""
        #expect(try await RunningGateway.script("curl -sS -m 10 http://127.0.0.1:\(port)/").first == "hello")
        // A node that is away is passed over.
        let either = "--node 127.0.0.1:1 --node \(nodes[0].address)"
        #expect(try await nodes[0].ask("tunnel list \(either)")[1].hasPrefix("in  \(listen)"))
        let list = try await nodes[0].ask("tunnel list")
        #expect(list[1].hasPrefix("in  \(listen)"))
        for program in [near, far, nodes[0].program, nodes[1].program] { await program.stop() }
        await loop.shutdown()
    }

    @Test func `operators see a node's health and meters, and it ends in good order`() async throws {
        let tunnel = try await RunningTunnel.start()
        let expose = try await tunnel.client("expose tcp 1 --node \(tunnel.address)", until: "Ctrl-C")
        let said = try await RunningGateway.script(
            """
            for path in healthz readyz; do curl -sS http://\(tunnel.admin)/$path; done
            curl -sS http://\(tunnel.admin)/metrics | grep '^omniway_tunnel_clients '
            curl -sS --cacert \(tunnel.folder.file("node.crt")) https://\(tunnel.address)/_zhangyu/readyz
            stat -c %a \(tunnel.folder.file("node.key"))
            """)
        #expect(said == ["ok", "ready", "omniway_tunnel_clients 1", "ready", "600", "code 0"])
        #expect(await tunnel.program.stop() == 0)
        #expect(await expose.wait { $0.contains("no connection to a node") })
        await expose.stop()
        // It is the same node after a restart, with what it knew.
        let again = try await RunningTunnel.start(in: tunnel.folder)
        let before = await tunnel.program.lines.first { $0.contains("certificate ") }
        #expect(await again.program.lines.first { $0.contains("certificate ") } == before)
        await again.program.stop()
    }

    @Test func `a node that wants a word of new clients has none without it`() async throws {
        let folder = try TemporaryFolder()
        try folder.write("word", "open sesame\n")
        let tunnel = try await RunningTunnel.start("--register-key-file \(folder.file("word"))")
        let without = try await tunnel.client("client --node \(tunnel.address)", until: "RegisterKey")
        await without.stop()
        let with = try await tunnel.client(
            "client --node \(tunnel.address) --register-key-file \(folder.file("word"))", until: "AuthCode ")
        await with.stop()
        await tunnel.program.stop()
    }

    @Test func `a port that the node cannot open is no address`() async throws {
        let loop = loop
        let intake = await loop.own { _ in RecordingIntake() }
        let busy = try await StreamAcceptor(.loopback()).open(into: [intake])
        let tunnel = try await RunningTunnel.start()
        await tunnel.program.stop()
        let other = try await TestProgram([
            "sh", "-c",
            """
            exec \(BuiltProduct.path("omniway")) node --data \(tunnel.folder.path) --listen 127.0.0.1:0 \
            --admin-addr none --allow-ports \(busy.address.port) --public-host 127.0.0.1
            """,
        ]) { $0.hasPrefix("Ctrl-C") }
        let line = try #require(await other.lines.first { $0.contains("tls://") })
        let node = line.split(separator: "/").last ?? ""
        let said = try await tunnel.ask("expose tcp 1 --node \(node)")
        #expect(said.last == "code 1")
        #expect(said.contains { $0.contains("in use") }, "\(said)")
        await other.stop()
        await busy.stop()
        await loop.shutdown()
    }

    @Test(arguments: [
        ("node --allow-ports 5-1", "--allow-ports"), ("node --id x", "--id x"), ("node --tls-cert a", "--tls-key"),
        ("node --advertise a:1", "--cluster-key-file"), ("node --domain 'a b'", "--domain a b"),
        ("node --http x", "--http x"), ("node --trust-proxy x", "--trust-proxy x"),
        ("node --listen nonsense", "--listen nonsense"),
        ("node --registry a --etcd http://b:1", "--etcd and --registry"), ("expose tcp nothing", "nothing to expose"),
        ("expose tcp 1 --bulk --node a", "--node tcp://"), ("expose tcp 1 --bulk --node ws://a", "ws://a"),
        ("expose udp 1 --bulk --node tcp://a:1", "datagrams"),
        ("expose http 1 --bulk --at a.b --node tcp://a:1", "names"), ("expose smtp 25", "tcp, http, udp"),
        ("client --node http://a", "http://"),
        ("client --allow-target 22", "--allow-target 22"), ("client --certificate ab", "--certificate ab"),
        ("client --ca system --new-certificate", "one of them"), ("tunnel list", "no identity"),
    ])
    func `a wrong command line says what to write`(arguments: String, words: String) async throws {
        let folder = try TemporaryFolder()
        let said = try await RunningGateway.script(
            "OMNIWAY_DATA=\(folder.path) \(BuiltProduct.path("omniway")) \(arguments) 2>&1")
        #expect(said.last == "code 64")
        #expect(said.contains { $0.contains(words) })
    }

    @Test func `ssh and scp reach a machine that listens on loopback alone, as the example says`() async throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let script = "PROGRAM=\(BuiltProduct.path("omniway")) \(root)/Examples/tunnel/run echo from behind NAT 2>&1"
        let said = try await RunningGateway.script(script)
        #expect(said.last == "code 0", "\(said)")
        #expect(said.contains { $0.hasPrefix("ssh -p ") && $0.hasSuffix(" says: from behind NAT") })
        #expect(said.contains("scp brought 5000000 bytes there and back"))
    }

    @Test func `the page's script manages rules by curl, with the node's own certificate`() async throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let page = try String(contentsOfFile: root + "/docs/tunnel.md", encoding: .utf8)
        let block = try #require(page.split(separator: "```bash\n").last?.split(separator: "```").first)
        let tunnel = try await RunningTunnel.start()
        let client = try await tunnel.client("client --node \(tunnel.address)", until: "AuthCode ")
        let identity = try #require(try TunnelIdentityFile(tunnel.folder.file("client.json")).load())
        let said = try await RunningGateway.script(
            """
            cd \(tunnel.folder.path)
            NODE=\(tunnel.address) CA=\(tunnel.folder.file("node.crt")) NUMBER=\(identity.tunnel)
            CLIENT_ID='\(identity.client)' TOKEN='\(identity.token)'
            \(block)
            """)
        #expect(said.count == 4 && said.last == "code 0", "\(said)")
        for line in said.dropLast() { #expect(line.contains(#""status":"success""#), "\(line)") }
        #expect(said[0].contains(#""ListenAddr":"node+tcp://:"#) && said[1].contains(#""Port":"open""#))
        #expect(said[2].contains(#""deleted":"node+tcp://:"#))
        await client.stop()
        await tunnel.program.stop()
    }
}
