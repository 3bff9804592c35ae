import Testing

@testable import OmniwayCrypto

@Suite struct CertificateTests {
    @Test func `a certificate says of itself what it was made with, and survives being written`() throws {
        let (certificate, key) = try Certificate.selfSigned(names: ["a.example", "*.b.example", "::1"], days: 10)
        let read = try #require(try Certificate.all(inPEM: Array((certificate.pem + certificate.pem).utf8)).last)
        #expect(read.fingerprint == certificate.fingerprint)
        #expect(read.subject == "CN = a.example")
        #expect(read.issuer == read.subject)
        #expect(read.names == ["DNS:a.example", "DNS:*.b.example", "IP Address:0:0:0:0:0:0:0:1"])
        #expect(read.validFrom < read.validUntil)
        #expect(read.covers(host: "x.b.example", byWildcard: true))
        #expect(!read.covers(host: "x.b.example", byWildcard: false))
        #expect(!read.covers(host: "b.example", byWildcard: true))
        #expect(try PrivateKey(pem: Array(key.pem.utf8)).matches(read))
        let (_, other) = try Certificate.selfSigned(names: ["a.example"], days: 10)
        #expect(!other.matches(read))
    }

    @Test func `two certificates of the same names differ`() throws {
        let first = try Certificate.selfSigned(names: ["a"], days: 1).0
        let second = try Certificate.selfSigned(names: ["a"], days: 1).0
        #expect(first.fingerprint != second.fingerprint)
    }

    @Test(arguments: ["", "a,b", "a b", "DNS:x,IP:1.2.3.4", "a\nb", "1.2.3.4.5", "é.example"])
    func `what is no name is refused, and cannot smuggle another`(_ name: String) {
        #expect(throws: SelfSignedError.self) { try Certificate.selfSigned(names: [name], days: 1) }
    }

    @Test func `texts that are no certificate or key say so`() throws {
        #expect(throws: PEMError.noCertificate) { try Certificate.all(inPEM: []) }
        #expect(throws: PEMError.noCertificate) { try Certificate.all(inPEM: Array("hello".utf8)) }
        #expect(throws: PEMError.noKey) { try PrivateKey(pem: Array("hello".utf8)) }
        let (certificate, key) = try Certificate.selfSigned(names: ["a"], days: 1)
        #expect(throws: PEMError.noKey) { try PrivateKey(pem: Array(certificate.pem.utf8)) }
        #expect(throws: PEMError.noCertificate) { try Certificate.all(inPEM: Array(key.pem.utf8)) }
        // Damaged in the second of two: not taken for a chain of one.
        var lines = certificate.pem.split(separator: "\n").map(String.init)
        lines[2] = String(lines[2].reversed())
        let damaged = certificate.pem + lines.joined(separator: "\n") + "\n"
        #expect(throws: PEMError.self) { try Certificate.all(inPEM: Array(damaged.utf8)) }
    }
}
