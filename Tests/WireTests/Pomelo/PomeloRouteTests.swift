import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct PomeloRouteTests {
    private struct File: Decodable {
        struct Decode: Decodable {
            let route: String
            let error: String?
            let serverType: String?
            let service: String?
            let method: String?
            let short: String?
            let string: String?
        }
        let decode: [Decode]
    }

    @Test func `routes are read as the original reads them`() throws {
        let vectors = try Vectors.decode(File.self, from: "pitaya-routes").decode
        #expect(vectors.count == 12)
        for vector in vectors {
            do {
                let route = try PomeloRoute(vector.route)
                #expect(vector.error == nil, "\(vector.route)")
                #expect(route.serverType == vector.serverType)
                #expect(route.service == vector.service)
                #expect(route.method == vector.method)
                #expect(route.short == vector.short)
                #expect(route.description == vector.string)
            } catch {
                #expect(error.description == vector.error, "\(vector.route)")
            }
        }
    }

    @Test func `a point counts even in front of an accent`() throws {
        #expect(try PomeloRoute("a.\u{301}b") == PomeloRoute(service: "a", method: "\u{301}b"))
    }

    @Test func `a dictionary knows codes and routes, and tells them in order`() throws {
        let dictionary = try PomeloDictionary([(" room.echo\n", 65535), ("onPush", 0), ("a.b", 7)])
        #expect(dictionary[route: "room.echo"] == 65535)
        #expect(dictionary[code: 0] == "onPush")
        #expect(dictionary[route: "onpush"] == nil)
        #expect(dictionary[code: 1] == nil)
        #expect(dictionary.pairs.map(\.route) == ["a.b", "onPush", "room.echo"])
        #expect(dictionary.head(for: "a.b") == .code(7))
        #expect(dictionary.head(for: "a.c") == .text("a.c"))
    }

    @Test func `no route and no code stands twice in a dictionary`() {
        #expect(throws: PomeloDictionary.Fault.repeatedRoute("a.b")) {
            try PomeloDictionary([("a.b", 1), (" a.b ", 2)])
        }
        #expect(throws: PomeloDictionary.Fault.repeatedCode(1, "a.b", "c.d")) {
            try PomeloDictionary([("a.b", 1), ("c.d", 1)])
        }
    }
}
