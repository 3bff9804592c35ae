import OmniwayCrypto
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// What a client says of a certificate that is not good enough.
@Suite struct CertificateErrorTests {
    private func refusal(of identity: TLSIdentity, host: String, _ trust: TLSTrust) async throws -> String? {
        let tls = try await TLSWorld(TLSServer(identity))
        let near = await tls.dial(try TLSClient(host: host, trust: trust))
        let reason = await near.reason
        if reason != nil { #expect(reason == .certificateRefused) }
        return reason?.detail
    }

    @Test func `an expired certificate is named with its date`() async throws {
        let (certificate, key) = try Certificate.selfSigned(names: ["localhost"], days: -1)
        let identity = try TLSIdentity.pem(certificate: certificate.pem, key: key.pem)
        let words = try await refusal(of: identity, host: "localhost", .roots(pem: certificate.pem))
        #expect(words == "certificate expired on \(certificate.validUntil)")
    }

    @Test func `a certificate for other hosts is named with those hosts`() async throws {
        let identity = try TLSIdentity.selfSigned("a.example", "10.1.2.3")
        let trust = TLSTrust.roots(pem: try identity.certificatePEM)
        #expect(
            try await refusal(of: identity, host: "b.example", trust)
                == "certificate is for DNS:a.example, IP Address:10.1.2.3, not for b.example")
        #expect(
            try await refusal(of: identity, host: "10.1.2.4", trust)
                == "certificate is for DNS:a.example, IP Address:10.1.2.3, not for 10.1.2.4")
        #expect(try await refusal(of: identity, host: "a.example", trust) == nil)
        #expect(try await refusal(of: identity, host: "10.1.2.3", trust) == nil)
    }

    @Test func `a self-signed certificate that nobody vouches for says what to do`() async throws {
        let identity = try TLSIdentity.selfSigned("localhost")
        let other = try TLSIdentity.selfSigned("localhost")
        let expected = "certificate is self-signed (CN = localhost) and not trusted here; give it as a root, or pin it"
        #expect(try await refusal(of: identity, host: "localhost", .roots(pem: other.certificatePEM)) == expected)
        #expect(try await refusal(of: identity, host: "localhost", .system) == expected)
        #expect(try await refusal(of: identity, host: "localhost", .anybody) == nil)
    }

    @Test func `the first certificate of a host is pinned, and another is refused`() async throws {
        let learned = Learned()
        let first = try TLSIdentity.selfSigned("anything")
        let second = try TLSIdentity.selfSigned("anything")
        let pins = TLSPins { host, fingerprint in learned.note("\(host) \(fingerprint)") }
        #expect(try await refusal(of: first, host: "office", .pinned(by: pins)) == nil)
        #expect(try await refusal(of: first, host: "office", .pinned(by: pins)) == nil)
        #expect(learned.lines == ["office \(try first.fingerprint)"])
        let words = try #require(try await refusal(of: second, host: "office", .pinned(by: pins)))
        #expect(
            words == "certificate of office has changed: pinned is \(try first.fingerprint), "
                + "shown was \(try second.fingerprint); if the host has a new certificate, forget the pin")
        #expect(try await refusal(of: second, host: "home", .pinned(by: pins)) == nil)
        pins.forget("office")
        #expect(try await refusal(of: second, host: "office", .pinned(by: pins)) == nil)
    }

    @Test func `pins that are told before learn nothing by themselves`() async throws {
        let known = try TLSIdentity.selfSigned("anything")
        let fingerprint = try #require(TLSFingerprint("\(try known.fingerprint)"))
        let pins = TLSPins(["office": fingerprint], learns: false)
        #expect(try await refusal(of: known, host: "office", .pinned(by: pins)) == nil)
        let words = try await refusal(of: known, host: "home", .pinned(by: pins))
        #expect(words == "no certificate is pinned for home; shown was \(fingerprint)")
        #expect(pins["home"] == nil)
    }

    @Test func `a pin is not learned from who only shows a certificate and has not its key`() async throws {
        let pins = TLSPins()
        let shown = try TLSIdentity.selfSigned("office")
        let own = try TLSIdentity.selfSigned("office")
        // Such a pair is refused where it is loaded; a liar would not load it here.
        #expect(throws: TLSError.keyMismatch(certificate: "the certificate given", key: "the key given")) {
            try TLSIdentity.pem(certificate: shown.certificatePEM, key: own.keyPEM)
        }
        // Cut anywhere, also after the certificate has come and before the proof of the key.
        var outcomes: Set<Bool> = []
        for cut in stride(from: 300, to: 2000, by: 20) {
            let tls = try await TLSWorld(TLSServer(own))
            var faults = SeededNetwork.Faults()
            faults.piece = 1...1
            faults.cutAfter = cut...cut
            let network = SeededNetwork(seed: 1, faults: faults)
            let near = await tls.dial(try TLSClient(host: "office", trust: .pinned(by: pins)), through: network)
            tls.world.advance(by: .seconds(30))
            let hasOpened = await near.events.contains(.opened)
            #expect((pins["office"] != nil) == hasOpened, "cut after \(cut) bytes")
            outcomes.insert(hasOpened)
            pins.forget("office")
        }
        #expect(outcomes == [true, false])
    }
}

private final class Learned: Sendable {
    private let kept = Lock<[String]>([])
    var lines: [String] { kept.withLock { $0 } }
    func note(_ line: String) { kept.withLock { $0.append(line) } }
}
