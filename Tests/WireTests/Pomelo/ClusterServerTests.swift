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
        var again = 0
        for text in texts where !text.isEmpty {
            let values = try lending(Array(text.utf8)) { try CallMetadata.read($0) }
            #expect(Self.text(values) == text)
            // The same again, from what a caller says itself and what came to it in any order.
            guard let own = Self.own(in: values) else { continue }
            again += 1
            let others = values.reversed().reduce(into: JSON.Object()) { $0[$1.key] = $1.value }
            #expect(Self.text(own, over: others) == text)
        }
        #expect(again > 20)
    }

    @Test(arguments: [1, 127, 128, 300, 16_383, 16_384, 70_000]) func `metadata written into its place is the field`(
        count: Int
    ) {
        var request = PomeloProtos.Request(
            session: PomeloProtos.Session(id: 7, data: Array("{}".utf8)),
            msg: PomeloProtos.Msg(id: 1, route: "a.b.c", data: [UInt8](repeating: 1, count: count)), frontendID: "c-1")
        let metadata = [UInt8](repeating: 0x61, count: count)
        var bytes: [UInt8] = [9]
        request.append(to: &bytes) { $0 += metadata }
        request.metadata = metadata
        #expect(bytes == [9] + request.protobuf)
        #expect(lending(Array(bytes.dropFirst())) { try? PomeloProtos.Request(protobuf: $0) } == request)
    }

    @Test func `what a caller says stands over what came to it, but for the start, and all in order`() {
        let own = CallMetadata.Own(
            id: "room-1", type: "room", route: "a.b", started: 9, timeout: "5s", requestID: "R")
        let all = #"{"peer.id":"room-1","peer.service":"room","req-route":"a.b","req-start-time":9,"reqTimeout":"5s","#
            + #""request.id":"R"}"#
        #expect(Self.text(own, over: [:]) == all)
        #expect(Self.text(own, over: ["reqTimeout": "1s", "request.id": "Q", "req-route": "c.d"]) == all)
        #expect(
            Self.text(own, over: ["zone": "<", "req-start-time": 1, "b": ["d": 1, "c": [["z": 1, "y": 2]]], "pez": 0])
                == #"{"b":{"c":[{"y":2,"z":1}],"d":1},"peer.id":"room-1","peer.service":"room","pez":0,"#
                + #""req-route":"a.b","req-start-time":1,"reqTimeout":"5s","request.id":"R","zone":"\u003c"}"#)
        var nobody = own
        nobody.route = nil
        #expect(Self.text(nobody, over: ["req-route": "c.d"]).contains(#""req-route":"c.d","req-start-time":9"#))
    }

    private static func own(in values: JSON.Object) -> CallMetadata.Own? {
        func text(_ key: String) -> String? { try? values[key]?.string() }
        guard let id = text(CallMetadata.peerID), let type = text(CallMetadata.peerType),
            let timeout = text(CallMetadata.timeout), let requestID = text(CallMetadata.requestID)
        else { return nil }
        return CallMetadata.Own(
            id: id, type: type, route: text(CallMetadata.route), started: 1, timeout: timeout, requestID: requestID)
    }

    private static func text(_ own: CallMetadata.Own, over others: JSON.Object) -> String {
        var bytes = Array("before ".utf8)
        CallMetadata.append(own, over: others, to: &bytes)
        return String(decoding: bytes.dropFirst(7), as: UTF8.self)
    }

    private static func text(_ values: JSON.Object) -> String {
        String(decoding: JSON.Writer(escaping: .go).bytes(of: .object(values.sortedByKeys)), as: UTF8.self)
    }

    @Test func `metadata that is missing or no object is said to be that`() {
        #expect(throws: CallMetadata.Fault.missing) { try lending([]) { try CallMetadata.read($0) } }
        for text in ["xx", "[]", "1", "{", "{} {}"] {
            #expect(throws: CallMetadata.Fault.self) { try lending(Array(text.utf8)) { try CallMetadata.read($0) } }
        }
    }
}
