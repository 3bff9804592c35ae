import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// What flags of the tunnel's commands change, by real processes.
@Suite(.timeLimit(.minutes(3))) struct TunnelFlagsTests {
    @Test func `an authority is asked for the certificate that it knows, and the name that it must have`() async throws
    {
        let tunnel = try await RunningTunnel.start()
        let (node, authority) = ("--node \(tunnel.address)", tunnel.folder.file("node.crt"))
        let right = try await tunnel.client("client \(node) --ca \(authority)", until: "AuthCode ")
        await right.stop()
        let named = try await tunnel.client(
            "client \(node) --ca \(authority) --server-name localhost", until: "AuthCode ")
        await named.stop()
        for wrong in ["--ca system", "--ca \(authority) --server-name elsewhere.example"] {
            let said = try await tunnel.ask("client \(node) \(wrong)")
            #expect(said.last == "code 1")
            #expect(said.contains { $0.contains("certificate") }, "\(said)")
        }
        await tunnel.program.stop()
    }

    @Test func `a certificate of one's own is shown instead of the kept one`() async throws {
        let folder = try TemporaryFolder()
        let identity = try TLSIdentity.selfSigned("127.0.0.1")
        try folder.write("crt", try identity.certificatePEM)
        try folder.write("key", try identity.keyPEM)
        let files = "--tls-cert \(folder.file("crt")) --tls-key \(folder.file("key"))"
        let tunnel = try await RunningTunnel.start(files)
        let fingerprint = try identity.fingerprint.description
        #expect(await tunnel.program.lines.contains { $0.contains("certificate  \(fingerprint)") })
        let client = try await tunnel.client("client --node \(tunnel.address)", until: "AuthCode ")
        #expect(await client.lines.contains { $0.hasSuffix(fingerprint) })
        await client.stop()
        await tunnel.program.stop()
    }

    @Test func `without TLS a node is reached by TCP and by WebSocket, and says so`() async throws {
        let tunnel = try await RunningTunnel.start("--listen tcp://127.0.0.1:0")
        let line = try #require(await tunnel.program.lines.first { $0.contains("  tcp://127") })
        let address = line.split(separator: "/").last ?? ""
        for node in ["tcp://\(address)", "ws://\(address)"] {
            let client = try await tunnel.client(
                "client --identity \(tunnel.folder.file("\(node.prefix(3)).json")) --node \(node)", until: "AuthCode ")
            #expect(await !client.lines.contains { $0.contains("certificate") })
            let doctor = try await tunnel.ask(
                "tunnel doctor --identity \(tunnel.folder.file("\(node.prefix(3)).json"))")
            #expect(doctor.contains { $0.hasSuffix("is ready, without TLS") })
            await client.stop()
        }
        await tunnel.program.stop()
    }

    @Test func `who is let go ends, if that is what it was told, and an exposure always does`() async throws {
        let tunnel = try await RunningTunnel.start()
        let node = "--node \(tunnel.address)"
        let client = try await tunnel.client("client \(node) --exit-on-kick", until: "AuthCode ")
        #expect(try await tunnel.ask("tunnel kick").last == "code 0")
        #expect(await client.wait { $0.contains("omniway tunnel kick") })
        #expect(await client.stop() == 1)
        let first = try await tunnel.client("expose tcp 1 \(node)", until: "Ctrl-C")
        let second = try await tunnel.client("expose tcp 1 \(node)", until: "Ctrl-C")
        #expect(await first.wait { $0.contains("this identity is taken away") })
        #expect(await first.stop() == 1)
        #expect(await second.stop() == 0)
        await tunnel.program.stop()
    }

    @Test func `a node that takes no new clients keeps the old ones`() async throws {
        let tunnel = try await RunningTunnel.start()
        let old = try await tunnel.client("client --node \(tunnel.address)", until: "AuthCode ")
        await old.stop()
        await tunnel.program.stop()
        let closed = try await RunningTunnel.start("--no-register", in: tunnel.folder)
        let node = "--node \(closed.address) --new-certificate"
        let again = try await closed.client("client \(node)", until: "AuthCode ")
        await again.stop()
        let new = try await closed.client(
            "client \(node) --identity \(tunnel.folder.file("new.json"))", until: "takes no new clients")
        await new.stop()
        await closed.program.stop()
    }

    @Test func `administrators log in with the secret of their file`() async throws {
        let folder = try TemporaryFolder()
        try folder.write("secret", "a word for administrators\n")
        let tunnel = try await RunningTunnel.start("--admin-key-file \(folder.file("secret"))")
        let said = try await RunningGateway.script(
            #"""
            own=\#(tunnel.folder.file("node.crt"))
            api() { curl -sS --cacert $own https://\#(tunnel.address)/_zhangyu/$1 "${@:2}"; }
            jwt=$(api auth/login -d '{"appId":"admin","secret":"a word for administrators"}' |
                sed 's/.*"tokenString":"\([^"]*\)".*/\1/')
            api node/list -H "Authorization: Bearer $jwt"; echo
            api auth/login -d '{"appId":"admin","secret":"a word"}'; echo
            """#)
        #expect(said[0].contains(#""nodeId""#) && said[0].contains("success"))
        #expect(said[1].contains(#""status":"error""#))
        await tunnel.program.stop()
    }

    @Test func `an address has so many connections and no more`() async throws {
        let tunnel = try await RunningTunnel.start("--max-connections-per-address 2")
        let client = try await tunnel.client("client --node \(tunnel.address)", until: "AuthCode ")
        // A client has two: its own login was the first of them, and one for streams.
        let said = try await RunningGateway.script(
            "curl -sS -m 5 --cacert \(tunnel.folder.file("node.crt")) https://\(tunnel.address)/_zhangyu/healthz 2>&1")
        #expect(said.last != "code 0")
        await client.stop()
        let later = try await RunningGateway.script(
            """
            own=\(tunnel.folder.file("node.crt"))
            for i in 1 2 3 4 5 6 7 8 9 10; do
                curl -sS -m 5 --cacert $own https://\(tunnel.address)/_zhangyu/healthz && break
                sleep 0.2
            done 2>/dev/null
            """)
        #expect(later == ["ok", "code 0"])
        await tunnel.program.stop()
    }

    @Test func `a memory's registry forgets, and a secret of the cluster may come from the environment`() async throws {
        let tunnel = try await RunningTunnel.start("--registry memory")
        let client = try await tunnel.client("client --node \(tunnel.address)", until: "AuthCode ")
        await client.stop()
        await tunnel.program.stop()
        let again = try await RunningTunnel.start("--registry memory", in: tunnel.folder)
        let stranger = try await tunnel.client(
            "client --node \(again.address) --new-certificate", until: "no such client")
        await stranger.stop()
        await again.program.stop()
        let short = try await RunningGateway.script(
            "OMNIWAY_CLUSTER_KEY=short \(BuiltProduct.path("omniway")) node --advertise a:1 2>&1")
        #expect(short.contains { $0.contains("16 bytes or more") })
        let alone = try await RunningGateway.script(
            "OMNIWAY_CLUSTER_KEY=0123456789abcdef \(BuiltProduct.path("omniway")) node 2>&1")
        #expect(alone.contains { $0.contains("needs both") })
    }
}
