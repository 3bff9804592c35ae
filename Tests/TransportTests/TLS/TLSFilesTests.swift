import Glibc
import OmniwayCrypto
import OmniwayTesting
@testable import OmniwayTransport
import Testing

@Suite struct TLSFilesTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private func write(_ identity: TLSIdentity) throws {
        try folder.write("cert.pem", try identity.certificatePEM)
        try folder.write("key.pem", try identity.keyPEM)
    }

    private var files: TLSIdentity { .files(certificate: folder.file("cert.pem"), key: folder.file("key.pem")) }

    @Test func `files that cannot be used are named with what is wrong`() throws {
        let certificate = folder.file("cert.pem")
        let key = folder.file("key.pem")
        let (first, second) = (try TLSIdentity.selfSigned("a"), try TLSIdentity.selfSigned("b"))
        #expect(throws: TLSError.unreadable(file: certificate, SystemError(number: ENOENT))) { try TLSServer(files) }
        try folder.write("cert.pem", "nothing")
        try folder.write("key.pem", "nothing")
        #expect(throws: TLSError.noCertificate(certificate)) { try TLSServer(files) }
        try folder.write("cert.pem", try first.certificatePEM)
        #expect(throws: TLSError.noKey(key)) { try TLSServer(files) }
        try folder.write("key.pem", try second.keyPEM)
        #expect(throws: TLSError.keyMismatch(certificate: certificate, key: key)) { try TLSServer(files) }
        try write(first)
        #expect(throws: TLSError.noRevocationList(certificate)) {
            let trust = TLSTrust.roots(files: certificate, revocationLists: [certificate])
            return try TLSClient(host: "a", trust: trust)
        }
        #expect(throws: TLSError.badProtocolName("")) { try TLSServer(files, protocols: [""]) }
        #expect(throws: TLSError.noIdentity) { try TLSServer() }
        #expect(throws: Never.self) { try TLSServer(files) }
    }

    @Test func `a certificate that was replaced serves the very next handshake`() async throws {
        let (first, second) = (try TLSIdentity.selfSigned("a"), try TLSIdentity.selfSigned("a"))
        try write(first)
        let server = try TLSServer(files)
        try write(second)
        try await withLoops { loops in
            let reports = Reports()
            let accepting = await loops.loops[0].own { _ in Reporter("server", reports) }
            let listening = try await server.over(StreamAcceptor(.loopback())).open(into: [accepting])
            let client = try TLSClient(host: "a", trust: .anybody)
            await client.over(StreamDialer(listening.address)).dial(on: loops.loops[0]) {
                Reporter("client", reports) { link in
                    reports.note("shown", .received, link.tls?.peer?.fingerprint.bytes ?? [])
                }
            }
            #expect(try await reports.next("shown", .received).bytes == (try second.fingerprint.bytes))
            await listening.stop()
        }
    }

    @Test func `files that became unusable change nothing, until they are good again`() throws {
        let identity = try TLSIdentity.selfSigned("a")
        try write(identity)
        let files = files
        let source = try TLSContextSource(files: files.files) { () throws(TLSError) in
            try .server(.init(), identities: [files.load()], clients: .ignored, ticketKeys: TLSTicketKeys())
        }
        let before = source.context
        source.refresh()
        #expect(source.context === before, "nothing has changed")
        try folder.write("key.pem", "broken")
        source.refresh()
        #expect(source.context === before)
        try folder.write("key.pem", try identity.keyPEM)
        source.refresh()
        #expect(source.context !== before)
    }

    @Test func `files are looked at once a second at most, and never where there are none`() throws {
        try write(try .selfSigned("a"))
        let identity = files
        func source(_ files: [String]) throws -> TLSContextSource {
            try TLSContextSource(files: files) { () throws(TLSError) in
                try .server(
                    .init(), identities: [identity.load()], clients: .ignored, ticketKeys: TLSTicketKeys())
            }
        }
        let second: Int64 = 1_000_000_000
        let looking = try source(identity.files)
        let due = [5 * second, 5 * second + 1, 6 * second - 1, 6 * second].map {
            looking.isDue(Moment(nanoseconds: $0))
        }
        #expect(due == [true, false, false, true])
        #expect(try !source([]).isDue(Moment(nanoseconds: second)))
    }

    /// A certificate and a key as the openssl program makes them.
    private func make(_ name: String, key: String, alternatives: String) async throws -> TLSIdentity {
        let settings = "[req]\ndistinguished_name=n\nx509_extensions=x\n[n]\n[x]\nsubjectAltName=@a\n[a]\n"
        try folder.write("\(name).cnf", settings + alternatives + "\n")
        let path = folder.path
        let program = try await TestProgram([
            "sh", "-c",
            "cd \(path) && openssl req -x509 -config \(name).cnf -newkey \(key) -nodes -subj /CN=\(name) "
                + "-keyout \(name).key -out \(name).pem >log 2>&1; echo made",
        ]) { $0 == "made" }
        await program.stop()
        return .files(certificate: folder.file("\(name).pem"), key: folder.file("\(name).key"))
    }

    @Test func `the server name chooses among keys of different kinds`() async throws {
        let first = try TLSIdentity.selfSigned("first.example")
        let second = try await make("second", key: "rsa:2048", alternatives: "DNS.1=second.example")
        for (pair, host, expected) in [
            ((first, second), "second.example", second), ((first, second), "first.example", first),
            ((second, first), "first.example", first), ((second, first), "second.example", second),
            ((second, first), "else.example", second),
        ] {
            let identities = [try pair.0.inMemory, try pair.1.inMemory]
            let tls = try await TLSWorld(TLSServer(identities[0], identities[1]))
            let near = await tls.dial(try TLSClient(host: host, trust: .anybody))
            #expect(await near.tls?.peer?.fingerprint == (try expected.fingerprint), "\(host)")
        }
    }

    @Test func `every certificate of a server must be usable, not only the first`() async throws {
        let first = try TLSIdentity.selfSigned("first.example")
        let weak = try await make("weak", key: "rsa:1024", alternatives: "DNS.1=weak.example")
        #expect(throws: TLSError.self) { try TLSServer(weak) }
        #expect(throws: TLSError.self) { try TLSServer(first, weak) }
    }

    @Test func `a name with a comma in it is one name`() async throws {
        let sly = try await make("sly", key: "rsa:2048", alternatives: "URI.1=urn:x, DNS:admin.example")
        let names = try Certificate.all(inPEM: Array(sly.certificatePEM.utf8))[0].names
        #expect(names == ["URI:urn:x, DNS:admin.example"])
    }
}

extension TLSIdentity {
    /// The same, not read from its files again.
    fileprivate var inMemory: TLSIdentity {
        get throws { try .pem(certificate: certificatePEM, key: keyPEM) }
    }
}
