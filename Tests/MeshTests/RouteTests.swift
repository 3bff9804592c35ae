import OmniwayTesting
import OmniwayWire
import Testing

@testable import OmniwayMesh

/// The tables on their own, by what the original's routers did in `mesh-router.json`.
@Suite struct RouteTests {
    private func number(_ body: () throws(MeshError) -> Void) -> Int {
        do throws(MeshError) {
            try body()
            return 0
        } catch { return error.number ?? -1 }
    }

    @Test func `short routes give the results that were recorded`() throws {
        let steps = try RecordedRouting.sequence("short-add").steps
        var routes = ShortRoutes(most: 100)
        func expect(_ step: Int, _ number: Int) {
            #expect(number == steps[step].error, "\(steps[step].call)")
            let names = Set(routes.all.map(\.name)).sorted()
            if let after = steps[step].routesAfter { #expect(names == after, "\(steps[step].call)") }
        }
        expect(0, number { () throws(MeshError) in try routes.add("a", at: "127.0.0.1:1") })
        expect(1, number { () throws(MeshError) in try routes.add("a", at: "127.0.0.1:2") })
        #expect(routes.holders(of: "a").map(\.address) == ["127.0.0.1:2"], "the new address replaces the old one")
        expect(2, number { () throws(MeshError) in try routes.add("b", at: "") })
        // Step 3 adds a number as an address, which no Swift program can.
        expect(4, number { () throws(MeshError) in try routes.add("", at: "127.0.0.1:3") })
        expect(5, number { () throws(MeshError) in try routes.add("c", at: "not an address") })
        routes.delete("a")
        expect(6, 0)
        routes.delete("a")
        expect(7, 0)
    }

    @Test func `the same name and address again is 2002, and changes nothing`() throws {
        var routes = ShortRoutes(most: 100)
        try routes.add("a", at: "127.0.0.1:1")
        #expect(throws: MeshError.endpointExists("'a' has the address 127.0.0.1:1 already")) {
            try routes.add("a", at: "127.0.0.1:1")
        }
        #expect(throws: MeshError.self) { try routes.learn("a", at: "127.0.0.1:1") }
        #expect(routes.all.count == 1)
    }

    @Test func `long routes give the results that were recorded`() throws {
        let steps = try RecordedRouting.sequence("long-add").steps
        var routes = LongRoutes(most: 100)
        func expect(_ step: Int, _ number: Int) {
            #expect(number == steps[step].error, "\(steps[step].call)")
            let names = Set(routes.all.map(\.name)).sorted()
            if let after = steps[step].routesAfter { #expect(names == after, "\(steps[step].call)") }
        }
        expect(0, number { () throws(MeshError) in try routes.learn("a", at: "x:1", over: 1) })
        expect(1, number { () throws(MeshError) in try routes.learn("a", at: "x:1", over: 1) })
        expect(2, number { () throws(MeshError) in try routes.learn("a", at: "x:1", over: 2) })
        #expect(routes.holders(of: "a").map(\.connections) == [[1, 2]], "nothing is closed")
        #expect(routes.delete("a").count == 1)
        #expect(routes.delete("a").isEmpty, "which is 2001 for the application")
        #expect(steps[8].error == 2001)
    }

    @Test func `what the application added comes before what made itself known, whatever its address`() throws {
        var routes = ShortRoutes(most: 100)
        try routes.learn("a", at: "1:1")
        try routes.add("a", at: "9:9")
        try routes.learn("a", at: "0:0")
        try routes.learn("b", at: "1:1")
        #expect(routes.holders(of: "a").map(\.address) == ["9:9", "0:0", "1:1"])
        #expect(routes.all.map(\.name) == ["a", "a", "a", "b"])
        try routes.add("a", at: "0:0")
        #expect(routes.holders(of: "a").map(\.address) == ["0:0", "1:1"])
    }

    @Test func `greetings cannot fill a table beyond its limits`() throws {
        var routes = ShortRoutes(most: 20)
        for port in 0..<8 { try routes.learn("a", at: "x:\(port)") }
        #expect(throws: MeshError.tooManyRoutes(8)) { try routes.learn("a", at: "x:8") }
        for port in 0..<12 { try routes.learn("b\(port)", at: "x:1") }
        #expect(throws: MeshError.tooManyRoutes(20)) { try routes.learn("c", at: "x:1") }
        #expect(throws: MeshError.tooManyRoutes(20)) { try routes.add("c", at: "x:1") }
        var long = LongRoutes(most: 9)
        for number in 0..<8 { try long.learn("a", at: "x", over: UInt64(number)) }
        #expect(throws: MeshError.tooManyRoutes(8)) { try long.learn("a", at: "x", over: 8) }
        for number in 9..<16 { try long.learn("a", at: "y\(number)", over: UInt64(number)) }
        #expect(throws: MeshError.tooManyRoutes(8)) { try long.learn("a", at: "z", over: 17) }
        try long.learn("b", at: "x", over: 17)
        #expect(throws: MeshError.tooManyRoutes(9)) { try long.learn("c", at: "x", over: 18) }
        #expect(throws: MeshError.tooManyRoutes(9)) { try long.add("c", at: "x", over: 18) }
    }

    @Test func `a connection has the last name that it gave itself`() throws {
        var routes = LongRoutes(most: 100)
        try routes.learn("a", at: "x:1", over: 1)
        try routes.learn("b", at: "x:1", over: 1)
        #expect(routes.all.map(\.name) == ["b"])
        routes.remove(1)
        #expect(routes.all.isEmpty)
    }

    @Test func `a connection that was added keeps the name that the application gave it`() throws {
        var routes = LongRoutes(most: 100)
        try routes.add("mine", at: "x:1", over: 1)
        #expect(throws: MeshError.self) { try routes.learn("mine", at: "y:2", over: 1) }
        try routes.learn("theirs", at: "x:1", over: 1)
        #expect(routes.all.map(\.name) == ["mine", "theirs"])
        routes.remove(1)
        #expect(routes.all.isEmpty)
    }

    /// Whatever is done, names, order and limits hold.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `a table that is asked anything stays in order`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var (short, long) = (ShortRoutes(most: 30), LongRoutes(most: 30))
        for _ in 0..<500 {
            let name = "n\(random.next() % 5)"
            let address = "a\(random.next() % 12)"
            let connection = random.next() % 20
            switch random.next() % 6 {
            case 0: _ = number { () throws(MeshError) in try short.add(name, at: address) }
            case 1: _ = number { () throws(MeshError) in try short.learn(name, at: address) }
            case 2: short.delete(name)
            case 3: _ = number { () throws(MeshError) in try long.learn(name, at: address, over: connection) }
            case 4: long.remove(connection)
            default: _ = long.delete(name)
            }
            #expect(short.all == short.all.sorted() && short.all.count <= 30, "seed \(seed)")
            #expect(short.holders(of: name) == short.all.filter { $0.name == name }, "seed \(seed)")
            #expect(Set(short.all.map { "\($0.name) \($0.address)" }).count == short.all.count, "seed \(seed)")
            let learnt = long.all.flatMap(\.connections)
            #expect(Set(learnt).count == learnt.count, "a connection has one route, seed \(seed)")
            #expect(long.all.allSatisfy { !$0.connections.isEmpty && $0.connections.count <= 8 }, "seed \(seed)")
        }
    }
}

/// `mesh-router.json`.
struct RecordedRouting: Decodable {
    struct Step: Decodable {
        let call: String
        let error: Int
        let routesAfter: [String]?

        private enum CodingKeys: String, CodingKey {
            case call, error
            case routesAfter = "routes_after"
        }
    }
    struct Sequence: Decodable {
        let id: String
        let steps: [Step]
    }
    let sequences: [Sequence]

    static func sequence(_ id: String) throws -> Sequence {
        let all = try Vectors.decode(Self.self, from: "mesh-router").sequences
        return try #require(all.first { $0.id == id })
    }
}
