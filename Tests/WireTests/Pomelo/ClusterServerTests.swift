import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct ClusterServerTests {
    private struct File: Decodable {
        struct Server: Decodable {
            let name: String
            let key: String
            let value: String
        }
        struct Entry: Decodable { let key: String }
        let prefix: String
        let servers: [Server]
        let binding: Entry
        let group: Entry
        let groupMember: Entry
    }

    @Test func `a server is written down as the original writes it`() throws {
        let file = try Vectors.decode(File.self, from: "pitaya-etcd")
        #expect(file.servers.count == 5)
        let keys = ClusterKeys(prefix: file.prefix)
        for entry in file.servers {
            let server = try lending(Array(entry.value.utf8)) { try ClusterServer(json: $0) }
            #expect(keys.server(server) == entry.key)
            let found = try #require(keys.server(at: entry.key))
            #expect(found.type == server.type && found.id == server.id)
            // Where another has written null, we write that there is nothing.
            let expected = entry.name == "nil-metadata" ? entry.value.replacing("null", with: "{}") : entry.value
            #expect(String(decoding: server.json, as: UTF8.self) == expected)
        }
    }

    @Test func `keys are those of the original`() throws {
        let file = try Vectors.decode(File.self, from: "pitaya-etcd")
        let keys = ClusterKeys(prefix: file.prefix)
        #expect(keys.binding("u1", at: "connector") == file.binding.key)
        #expect(keys.group("room") == file.group.key)
        #expect(keys.members(of: "room") + "u1" == file.groupMember.key)
    }

    @Test(arguments: [
        "pitaya/servers/a", "pitaya/servers/a/b/c", "pitaya/servers//b", "pitaya/servers/a/", "other/a/b",
    ])
    func `other keys are no servers`(key: String) { #expect(ClusterKeys(prefix: "pitaya/").server(at: key) == nil) }

    @Test func `what is not a server is an error`() {
        for text in ["", "[]", "{\"id\":1}", "{\"metadata\":[]}", "{\"frontend\":\"yes\"}"] {
            #expect(throws: PomeloError.self) { try lending(Array(text.utf8)) { try ClusterServer(json: $0) } }
        }
    }

    @Test(arguments: ["", "a b", "a.b", "a*", ">", "a/b", "a\nb", String(repeating: "a", count: 257)])
    func `a name that would change a subject is refused with a reason`(name: String) {
        #expect(ClusterSubject.fault(in: name) != nil)
    }

    @Test func `a name of any other letters can be part of a subject`() {
        #expect(ClusterSubject.fault(in: "ann-7_é") == nil)
        #expect(ClusterSubject.push("ann", at: "connector") == "pitaya/connector/user/ann/push")
    }
}

@Suite struct CallMetadataTests {
    private struct File: Decodable {
        struct Entry: Decodable {
            let name: String
            let json: String
        }
        let encoded: [Entry]
    }
    private struct Trace: Decodable {
        struct Message: Decodable {
            struct Decoded: Decodable { let metadata: String? }
            let decoded: Decoded
        }
        let messages: [Message]
    }

    @Test func `metadata is read and written as the original does it`() throws {
        var texts = try Vectors.decode(File.self, from: "pitaya-context").encoded.map(\.json)
        #expect(texts.count == 5)
        texts += try Vectors.decode(Trace.self, from: "pitaya-nats-trace").messages.compactMap(\.decoded.metadata)
        #expect(texts.count > 30)
        for text in texts where !text.isEmpty {
            let values = try lending(Array(text.utf8)) { try CallMetadata.read($0) }
            #expect(String(decoding: CallMetadata.bytes(values), as: UTF8.self) == text)
        }
        #expect(CallMetadata.bytes([:]) == [])
    }

    @Test func `keys are sorted all the way down`() {
        let values: JSON.Object = ["b": ["d": 1, "c": [["z": 1, "y": 2]]], "a": 1]
        #expect(
            String(decoding: CallMetadata.bytes(values), as: UTF8.self)
                == #"{"a":1,"b":{"c":[{"y":2,"z":1}],"d":1}}"#)
    }

    @Test func `metadata that is missing or no object is said to be that`() {
        #expect(throws: CallMetadata.Fault.missing) { try lending([]) { try CallMetadata.read($0) } }
        for text in ["xx", "[]", "1", "{", "{} {}"] {
            #expect(throws: CallMetadata.Fault.self) { try lending(Array(text.utf8)) { try CallMetadata.read($0) } }
        }
    }
}
