import OmniwayCrypto
import OmniwayTesting
@testable import OmniwayTransport
import Testing

/// Whom a side believes when a session is resumed, when files change, and when a host is written oddly.
@Suite struct TLSTrustTests {
    /// Dials until the handshake is over, which may wait for a helper that looks at files.
    private func dial(_ client: TLSClient, _ tls: TLSWorld) async -> LoopBound<Recorder> {
        let near = await tls.dial(client)
        while await near.events.isEmpty {
            await Task.yield()
            tls.world.settle()
        }
        await near.write("x")
        tls.world.settle()
        return near
    }

    @Test func `a client whose authority is trusted no longer cannot resume its session`() async throws {
        let folder = try TemporaryFolder()
        let (known, other) = (try TLSIdentity.selfSigned("player-1"), try TLSIdentity.selfSigned("player-2"))
        try folder.write("players.pem", try known.certificatePEM)
        let identity = try TLSIdentity.selfSigned("localhost")
        let server = try TLSServer(identity, clients: .required(.roots(files: folder.file("players.pem"))))
        let tls = try await TLSWorld(server)
        let client = try TLSClient(host: "localhost", trust: .anybody, identity: known)
        for isResumed in [false, true] {
            tls.world.advance(by: .seconds(2))
            let near = await dial(client, tls)
            #expect(await near.reason == nil)
            #expect(await near.tls?.isResumed == isResumed)
        }
        try folder.write("players.pem", try other.certificatePEM)
        tls.world.advance(by: .seconds(2))
        let near = await dial(client, tls)
        #expect(await near.reason == .tlsBroken)
        await tls.intake.run { _, intake in #expect(intake.recorders.count == 2) }
    }

    @Test func `a session is not resumed when the certificate of either side has expired`() async throws {
        let (certificate, key) = try Certificate.selfSigned(names: ["localhost"], days: -1)
        let expired = try TLSIdentity.pem(certificate: certificate.pem, key: key.pem)
        let good = try TLSIdentity.selfSigned("localhost")
        for (identity, own, isResumed) in [(good, good, true), (good, expired, false), (expired, good, false)] {
            // Who trusts anybody lets them in the first time, and no test waits for a day to pass.
            let tls = try await TLSWorld(TLSServer(identity, clients: .required(.anybody)))
            let client = try TLSClient(host: "localhost", trust: .anybody, identity: own)
            for expected in [false, isResumed] {
                let near = await dial(client, tls)
                #expect(await near.tls?.isResumed == expected)
            }
        }
    }

    @Test func `a host that is trusted no longer is refused, though it offers to resume`() async throws {
        let folder = try TemporaryFolder()
        let (identity, other) = (try TLSIdentity.selfSigned("localhost"), try TLSIdentity.selfSigned("localhost"))
        try folder.write("roots.pem", try identity.certificatePEM)
        let tls = try await TLSWorld(TLSServer(identity))
        let client = try TLSClient(host: "localhost", trust: .roots(files: folder.file("roots.pem")))
        for isResumed in [false, true] {
            tls.world.advance(by: .seconds(2))
            let near = await dial(client, tls)
            #expect(await near.tls?.isResumed == isResumed)
        }
        try folder.write("roots.pem", try other.certificatePEM)
        tls.world.advance(by: .seconds(2))
        let near = await dial(client, tls)
        #expect(await near.reason == .certificateRefused)
    }

    @Test func `a host that no certificate can name is refused before anything is dialled`() throws {
        for host in ["", ".example", "a\u{0}.example"] {
            #expect(throws: TLSError.badHost(host)) { try TLSClient(host: host) }
        }
    }

    @Test func `an address with a scope is looked for in the certificate without it`() async throws {
        let right = try TLSIdentity.selfSigned("fe80::1")
        let wrong = try TLSIdentity.selfSigned("localhost")
        for (identity, expected) in [(right, nil), (wrong, CloseReason.certificateRefused)] {
            let tls = try await TLSWorld(TLSServer(identity))
            let trust = TLSTrust.roots(pem: try identity.certificatePEM)
            let near = await dial(try TLSClient(host: "fe80::1%1", trust: trust), tls)
            #expect(await near.reason == expected)
        }
    }

    @Test func `a pin that was forgotten is not learned again by resuming, where nothing is learned`() async throws {
        let identity = try TLSIdentity.selfSigned("office")
        let pins = TLSPins(["office": try identity.fingerprint], learns: false)
        let tls = try await TLSWorld(TLSServer(identity))
        let client = try TLSClient(host: "office", trust: .pinned(by: pins))
        #expect(await dial(client, tls).reason == nil)
        pins.forget("office")
        #expect(await dial(client, tls).reason == .certificateRefused)
        #expect(pins["office"] == nil)
    }
}
