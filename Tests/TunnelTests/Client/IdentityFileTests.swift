import Glibc
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// Where a client keeps who it is.
@Suite struct IdentityFileTests {
    private let folder: TemporaryFolder
    private let identity = TunnelIdentity(
        client: "6f000000-0000-4000-8000-00000000000a", token: "t", tunnel: "12345678", authCode: "abcdefgh")

    init() throws { folder = try TemporaryFolder() }

    private var file: TunnelIdentityFile {
        TunnelIdentityFile(folder.file("client.json"), older: folder.file("node.json"))
    }

    @Test func `what was saved is read again, by its owner alone`() throws {
        #expect(try file.load() == nil)
        try file.save(identity)
        #expect(try file.load() == identity)
        var status = stat()
        #expect(unsafe stat(folder.file("client.json"), &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    @Test func `what else is in the file stays in it`() throws {
        try folder.write("client.json", #"{"nodeAddr": "tunnel.example", "heartBeatSeconds": 10}"#)
        #expect(try file.load() == nil)
        try file.save(identity)
        #expect(try file.load() == identity)
        #expect(try folder.read("client.json").contains("tunnel.example"))
    }

    @Test func `a file of the older name counts when there is no other`() throws {
        let older = #"{"TERMINALID": "6f000000-0000-4000-8000-00000000000a", "token": "t"}"#
        try folder.write("node.json", older)
        #expect(try file.load()?.client == identity.client)
        try file.save(identity)
        try folder.write("node.json", "{}")
        #expect(try file.load() == identity)
    }

    @Test(arguments: ["", "{", "[]", #"{"terminalId": "../x", "token": "t"}"#, #"{"terminalId": 1}"#])
    func `a torn file is no new client`(text: String) throws {
        try folder.write("client.json", text)
        #expect(throws: TunnelIdentityFileError.self) { try file.load() }
    }

    @Test func `a file that cannot be written leaves what was there`() throws {
        try file.save(identity)
        let elsewhere = TunnelIdentityFile(folder.file("missing/client.json"))
        #expect(throws: TunnelIdentityFileError.self) { try elsewhere.save(identity) }
        #expect(try file.load() == identity)
    }

    @Test func `certificates, nodes and targets are kept beside the identity`() throws {
        let node = try TunnelNodeAddress("wss://node.example/x")
        let fingerprint = try TLSIdentity.selfSigned("node.example").fingerprint
        #expect(try file.pin(of: node) == nil)
        try file.pin(fingerprint, of: node)
        try file.save(identity)
        try file.save(nodes: ["tls://a:1"])
        #expect(try file.pin(of: node) == fingerprint)
        #expect(try file.nodes() == ["tls://a:1"])
        #expect(try file.load() == identity)
        try file.pin(nil, of: node)
        #expect(try file.pin(of: node) == nil)
        #expect(try file.load() == identity)
        #expect(try file.allowTargets() == nil)
        try folder.write("client.json", #"{"nodeAddr": "b", "allowTargets": ["tcp://10.0.0.0/8:22"]}"#)
        #expect(try file.nodes() == ["b"])
        #expect(try file.allowTargets() == [try #require(TargetAllowance("tcp://10.0.0.0/8:22"))])
        try folder.write("client.json", #"{"allowTargets": ["everything"]}"#)
        #expect(throws: TunnelIdentityFileError.self) { try file.allowTargets() }
    }
}
