import FoundationEssentials
import OmniwayTesting
import OmniwayWire
import Testing

@testable import OmniwayApp

private struct Place: Codable {
    var x: Int
    var y: Double
}
private enum Colour: String, Codable, CaseIterable { case red, green }
private enum Mood: String, Codable { case good, bad }
private struct Thing: Codable {
    var name: String
    var place: Place
    var way: [Place]
    var tags: Set<String>?
    var seen: Date
    var picture: Data
    var bytes: [UInt8]
    var levels: [String: Int]
    var areas: [String: Place]
    var colour: Colour
    var isOpen: Bool?
    var id: UUID
    var page: URL
    private enum CodingKeys: String, CodingKey {
        case name = "n"
        case place, way, tags, seen, picture, bytes, levels, areas, colour, isOpen, id, page
    }
}
private struct Tree: Codable {
    var value: Int
    var children: [Tree]
    var parent: [String: Tree]?
}
private final class Chain: Codable { var next: Chain? }
private struct Moody: Codable {
    var before: Int
    var mood: Mood
    var after: Int
}
private struct Sometimes: Codable {
    var mood: Mood?
    var after: Int
}
private struct Told: Encodable { var n = 1 }
private struct Pair: Decodable {
    init(from decoder: any Decoder) throws {
        var list = try decoder.unkeyedContainer()
        _ = try (list.decode(Int.self), list.decode(Int.self))
    }
}
private struct ByHand: Decodable {
    private enum Keys: CodingKey { case outer, inner }
    init(from decoder: any Decoder) throws {
        let outer = try decoder.container(keyedBy: Keys.self)
        let inner = try outer.nestedContainer(keyedBy: Keys.self, forKey: .outer)
        _ = try inner.decode(Bool.self, forKey: .inner)
    }
}

@Suite struct DocumentationTests {
    private static var samples: [(type: any Decodable.Type, text: String)] {
        [
            (
                Thing.self,
                """
                {"areas":{"map[string]":{"x":"int","y":"float64"}},"bytes":"[]byte","colour":"string","id":"string",\
                "isOpen":"bool","levels":"map[string]int","n":"string","page":"string","picture":"[]byte",\
                "place":{"x":"int","y":"float64"},"seen":"time.Time","tags":["string"],\
                "way":[{"x":"int","y":"float64"}]}
                """
            ),
            (Tree.self, #"{"children":["Tree"],"parent":"map[string]Tree","value":"int"}"#),
            (Chain.self, #"{"next":"Chain"}"#),
            (Moody.self, #"{"...":"Moody","before":"int","mood":"string"}"#),
            (Sometimes.self, #"{"after":"int","mood":"string"}"#),
            (Pair.self, #"["int"]"#),
            (ByHand.self, #"{"outer":{"inner":"bool"}}"#),
            ([[Place]].self, #"[[{"x":"int","y":"float64"}]]"#),
            (String.self, #""string""#),
        ]
    }

    @Test func `a type is shown by what it asks for`() {
        for (type, text) in Self.samples { #expect("\(TypeShape(of: type).json)" == text) }
    }

    @Test func `a type that can only be written is shown by its name`() {
        #expect(TypeShape(of: Told.self).json == "Told")
    }

    @Test func `handlers are listed by their whole routes, before the start and after`() async throws {
        let app = App(type: "room")
        app.on("room.raw") { (body: [UInt8], context) in body }
        app.on("room.where") { context in Place(x: 1, y: 2) }
        app.onNotify("room.move") { (place: Place, context) in }
        app.addDocumentation(route: "room.docs")
        let expected = """
            {"handlers":{\
            "room.room.docs":{"input":"[]byte","output":["[]byte","error"]},\
            "room.room.move":{"input":{"x":"int","y":"float64"},"output":[]},\
            "room.room.raw":{"input":"[]byte","output":["[]byte","error"]},\
            "room.room.where":{"input":null,"output":[{"x":"int","y":"float64"},"error"]}\
            },"remotes":{}}
            """
        #expect("\(app.documentation)" == expected)
        let world = try await AppWorld(app)
        #expect("\(app.documentation)" == expected)
        let player = await world.player()
        #expect(await player.ask("room.docs") == expected)
        #expect(await player.ask("room.docs", id: 2) == expected)
    }

    @Test func `an app whose bodies are protobuf answers with the message Doc`() async throws {
        let app = App(type: "room", serializer: ProtobufSerializer())
        app.addDocumentation(route: "room.docs")
        let player = await (try AppWorld(app)).player()
        await player.request("room.docs")
        let body = try #require(await player.message()).body
        let text = #"{"handlers":{"room.room.docs":{"input":"[]byte","output":["[]byte","error"]}},"remotes":{}}"#
        #expect(body == [0x0a, UInt8(text.utf8.count)] + Array(text.utf8))
    }
}
