import Testing

@testable import OmniwayWire

@Suite struct RouteTableTests {
    private func id(_ number: UInt8) -> NodeID { NodeID([UInt8](repeating: number, count: 32))! }
    private func table(most: Int = 100) -> RouteTable { RouteTable(most: most, routeTime: .seconds(300)) }

    @Test func `hearsay does not replace what a node has said itself, unless nobody is there`() {
        var table = table()
        table.learn(MeshContact(id(1), address: "1:1"), isProved: false, at: .zero)
        table.learn(MeshContact(id(1), address: "1:2"), isProved: true, at: .zero)
        table.learn(MeshContact(id(1), address: "6:6"), isProved: false, at: .zero)
        #expect(table.contact(of: id(1))?.address == "1:2")
        table.unreachable(id(1), at: .zero)
        #expect(!table.isDialable(id(1), at: .seconds(59)))
        table.learn(MeshContact(id(1), address: "1:3"), isProved: false, at: .seconds(59))
        #expect(table.contact(of: id(1))?.address == "1:3")
        #expect(table.isDialable(id(1), at: .seconds(59)))
    }

    @Test func `of several of one name the lowest is meant, and who is renamed loses it`() {
        var table = table()
        for number in [3, 1, 2] as [UInt8] {
            table.learn(MeshContact(id(number), name: "luda"), isProved: true, at: .zero)
        }
        #expect(table.holder(of: "luda") == id(1))
        table.learn(MeshContact(id(1), name: "yoghurt"), isProved: true, at: .zero)
        #expect(table.holder(of: "luda") == id(2))
        #expect(table.holder(of: "yoghurt") == id(1))
    }

    @Test func `a way is forgotten after a while`() {
        var table = table()
        table.learn(id(1), epoch: 5, via: id(2), at: .zero)
        #expect(table.via(id(1), at: .seconds(299)) == id(2))
        #expect(table.via(id(1), at: .seconds(300)) == nil)
        #expect(table.epoch(of: id(1)) == 5)
    }

    @Test func `a full table forgets those that nobody has used for longest`() {
        var table = table(most: 8)
        for number in 0..<20 as Range<UInt8> {
            table.learn(MeshContact(id(number), name: "n\(number)"), isProved: true, at: .seconds(Int(number)))
            #expect(table.count <= 8)
        }
        #expect(table.holder(of: "n0") == nil)
        #expect(table.holder(of: "n19") == id(19))
    }
}
