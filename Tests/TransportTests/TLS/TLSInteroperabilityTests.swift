import OmniwayTesting
import OmniwayTransport
import Testing

/// Against the openssl program and curl, over real sockets.
@Suite(.timeLimit(.minutes(2))) struct TLSInteroperabilityTests {
    /// A server that answers whatever comes with one text and ends, for the time of `body`.
    private func serve(
        _ server: TLSServer, answer: String = "welcome\n",
        _ body: (SocketAddress, EventLoops, Reports) async throws -> Void
    ) async throws {
        try await withLoops { loops in
            let reports = Reports()
            let intake = await loops.loops[0].own { _ in
                Reporter(
                    "server", reports,
                    onReceive: { _, link in
                        link.write(Array(answer.utf8))
                        link.close(.done)
                    })
            }
            let listening = try await server.over(StreamAcceptor(.loopback())).open(into: [intake])
            try await body(listening.address, loops, reports)
            await listening.stop()
        }
    }

    /// Everything that a shell command prints.
    private func run(_ command: String) async throws -> [String] {
        let program = try await TestProgram(["sh", "-c", command + "; echo; echo ended $?"]) { $0.hasPrefix("ended ") }
        let lines = await program.lines
        await program.stop()
        return lines
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"]) func `openssl s_client talks to our server, and resumes its session`(
        _ version: String
    ) async throws {
        let authority = try await TestAuthority()
        let server = try TLSServer(authority.identity("good"), protocols: ["omniway/1"])
        try await serve(server) { address, _, _ in
            let session = authority.file("session.pem")
            let connect =
                "openssl s_client -connect \(address) -servername localhost -verify_return_error \(version) "
                + "-CAfile \(authority.file("root.pem")) -alpn other,omniway/1"
            // It leaves when the server ends.
            let first = try await run("echo hello | \(connect) -ign_eof -sess_out \(session) 2>&1")
            #expect(first.contains("welcome") && first.contains { $0.contains("Verify return code: 0 (ok)") })
            #expect(first.contains { $0.contains("ALPN protocol: omniway/1") })
            #expect(first.contains { $0.hasPrefix("New, TLSv1") })
            let second = try await run("echo hello | \(connect) -ign_eof -sess_in \(session) 2>&1")
            #expect(second.contains("welcome") && second.contains { $0.hasPrefix("Reused, TLSv1") }, "\(second)")
        }
    }

    @Test func `our client talks to openssl s_server`() async throws {
        let authority = try await TestAuthority()
        let program = try await TestProgram([
            "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", authority.file("good-alone.pem"), "-cert_chain",
            authority.file("authority.pem"), "-key", authority.file("good.key"), "-rev",
        ]) { $0.hasPrefix("ACCEPT") }
        let line = try #require(await program.lines.first { $0.hasPrefix("ACCEPT") })
        let address = try #require(SocketAddress(String(line.dropFirst("ACCEPT ".count))))
        try await withLoops { loops in
            let reports = Reports()
            let client = try TLSClient(host: "localhost", trust: .roots(files: authority.file("root.pem")))
            await client.over(StreamDialer(address)).dial(on: loops.loops[0]) {
                Reporter("client", reports, onOpen: { $0.write(Array("stressed\n".utf8)) })
            }
            #expect(await reports.bytes("client", count: 9) == Array("desserts\n".utf8))
        }
        await program.stop()
    }

    @Test func `curl fetches from our server, and says why it would not`() async throws {
        let authority = try await TestAuthority()
        let server = try TLSServer(authority.identity("good"))
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"
        try await serve(server, answer: answer) { address, _, _ in
            let place = "localhost:\(address.port)"
            let curl = "curl -sS --noproxy '*' https://\(place)/ --resolve \(place):127.0.0.1"
            #expect(try await run("\(curl) --cacert \(authority.file("root.pem"))").contains("hello"))
            let refused = try await run("\(curl) 2>&1")
            #expect(refused.contains { $0.contains("unable to get local issuer certificate") }, "\(refused)")
        }
    }

    @Test func `a revoked certificate, and one of a revoked authority, are refused by name`() async throws {
        let authority = try await TestAuthority()
        let trust = TLSTrust.roots(
            files: authority.file("root.pem"),
            revocationLists: ["root.crl", "authority.crl", "lost.crl"].map(authority.file))
        let expected = [
            "good": nil, "revoked": "certificate-refused: certificate was revoked by CN = Test Authority",
            "orphan": "certificate-refused: certificate of the authority CN = Lost Authority was revoked by "
                + "CN = Test Root",
        ]
        let client = try TLSClient(host: "localhost", trust: trust)
        for (name, words) in expected {
            try await serve(TLSServer(authority.identity(name))) { address, loops, reports in
                await client.over(StreamDialer(address)).dial(on: loops.loops[0]) {
                    Reporter(name, reports, onOpen: { $0.close(.done) })
                }
                let reason = try await reports.next(name, .closed).reason
                #expect(reason == words ?? "done", "\(name)")
            }
        }
    }

    @Test func `a key exchange that costs much is not offered`() async throws {
        let authority = try await TestAuthority()
        try await serve(TLSServer(authority.identity("good"))) { address, _, _ in
            let connect = "echo hello | openssl s_client -connect \(address) -tls1_3 -ign_eof 2>&1 -groups"
            #expect(try await run("\(connect) P-256").contains("welcome"))
            let refused = try await run("\(connect) ffdhe8192")
            #expect(!refused.contains("welcome"), "\(refused)")
        }
    }
}
