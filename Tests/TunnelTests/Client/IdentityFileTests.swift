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
}
