import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayGateway

@Suite struct VirtualTableTests {
    private func connection(_ id: UInt32) -> VirtualConnection {
        VirtualConnection(
            ConnectionID(rawValue: id), client: Place(link: LinkID(rawValue: UInt64(id)), loop: 0),
            server: Place(link: .none, loop: 1))
    }

    @Test func `an id that nobody has is not found`() {
        let table = VirtualTable()
        #expect(table.find(0) == nil)
        #expect(table.find(1) == nil)
        table.insert(connection(1))
        #expect(table.find(2) == nil)
    }

    @Test func `an id is taken once`() {
        let table = VirtualTable()
        #expect(table.insert(connection(7)))
        #expect(!table.insert(connection(7)))
        #expect(table.count == 1)
    }

    @Test(arguments: [1, 2, 3]) func `it holds what a dictionary holds, whatever comes and goes`(_ seed: UInt64) throws
    {
        let table = VirtualTable()
        var model: [UInt32: UInt64] = [:]
        var random = SeededRandom(seed: seed)
        for step in 0..<30_000 {
            // Ids that count up, and ids around the end of their range.
            let id = UInt32(truncatingIfNeeded: step / 3) &+ (Bool.random(using: &random) ? 1 : .max - 2_000)
            if id != 0, Int.random(in: 0..<5, using: &random) < 3 {
                #expect(table.insert(connection(id)) == (model[id] == nil))
                model[id] = UInt64(id)
            } else {
                let some = model.isEmpty ? id : id &- UInt32.random(in: 0...400, using: &random)
                #expect((table.remove(ConnectionID(rawValue: some)) != nil) == (model.removeValue(forKey: some) != nil))
            }
        }
        #expect(table.count == model.count)
        for (id, link) in model {
            let position = try #require(table.find(ConnectionID(rawValue: id)))
            #expect(table[position].clientLink == LinkID(rawValue: link))
        }
    }

    @Test func `what is counted at a connection stays there while the table grows`() throws {
        let table = VirtualTable()
        table.insert(connection(1))
        let position = try #require(table.find(1))
        table[position].fromClient.add(72)
        for id in 2...1_000 as ClosedRange<UInt32> { table.insert(connection(id)) }
        let found = try #require(table.find(1))
        #expect(table[found].fromClient.frames == 1)
        #expect(table[found].fromClient.bytes == 72)
    }
}
