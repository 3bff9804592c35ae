import OmniwayWire
import Testing

/// Values that know where they stand, as configuration uses them.
@Suite struct JSONNodeTests {
    private let text = Array(
        """
        // Where everything listens
        {
          gateway: {
            clients: [{port: 10010}, {port: "信", 'x': 1}],
          },
          log: null,
        }
        """.utf8)

    @Test func `every value and every key has its position`() throws {
        let root = try JSON.Reader.json5.readNode(text)
        let clients = try #require(root["gateway"]?["clients"])
        #expect(root.position.description == "2:1")
        #expect(root.keyPosition == nil)
        #expect(root["gateway"]?.keyPosition?.description == "3:3")
        #expect(root["gateway"]?.position.description == "3:12")
        #expect(clients.position.description == "4:14")
        #expect(clients[0]?.position.description == "4:15")
        #expect(clients[0]?.keyPosition == nil)
        #expect(clients[1]?["port"]?.value == "信")
        #expect(clients[1]?["port"]?.position.description == "4:37")
        #expect(clients[1]?["x"]?.keyPosition?.description == "4:42")
        #expect(root["log"]?.position.description == "6:8")
        #expect(root["log"]?.value == .null)
    }

    @Test func `members and elements come in their order with their positions`() throws {
        let root = try JSON.Reader.json5.readNode(text)
        #expect(root.members.map(\.key) == ["gateway", "log"])
        #expect(root.members.map { $0.node.keyPosition?.line } == [3, 6])
        let clients = try #require(root["gateway"]?["clients"])
        #expect(clients.elements.map(\.position.column) == [15, 30])
        #expect(clients.members.isEmpty)
        #expect(root.elements.isEmpty)
    }

    @Test func `what is not there has no node`() throws {
        let root = try JSON.Reader.json5.readNode(text)
        #expect(root["nothing"] == nil)
        #expect(root[0] == nil)
        #expect(root["gateway"]?["clients"]?[2] == nil)
        #expect(root["log"]?["x"] == nil)
    }

    @Test func `positions stay right when an earlier member of the same key is dropped`() throws {
        let root = try JSON.Reader.go.readNode(Array(#"{"a":[1],"b":[2,[3]],"a":{"c":4},"d":[[5]]}"#.utf8))
        #expect(root.value == ["b": [2, [3]], "a": ["c": 4], "d": [[5]]])
        #expect(root["a"]?["c"]?.position.offset == 30)
        #expect(root["b"]?[1]?[0]?.position.offset == 17)
        #expect(root["d"]?[0]?[0]?.position.offset == 39)
        #expect(root.members.map { $0.node.keyPosition?.offset } == [9, 21, 33])
    }

    @Test func `a document of one value has a position as well`() throws {
        #expect(try JSON.Reader().readNode(Array("  7".utf8)).position.offset == 2)
        #expect(throws: JSON.ReadError.self) { try JSON.Reader().readNode([]) }
    }
}
