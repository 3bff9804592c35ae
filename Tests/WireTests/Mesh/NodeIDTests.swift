import OmniwayTesting
import Testing

@testable import OmniwayWire

@Suite struct NodeIDTests {
    @Test func `an id is 32 bytes, and 52 letters`() throws {
        let id = try #require(NodeID((0..<32).map { UInt8($0) }))
        #expect(id.description == "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq")
        #expect(id.description.utf8.count == 52)
        #expect(NodeID(id.description) == id)
        #expect(NodeID(id.description.uppercased()) == id)
        #expect(id.bytes == (0..<32).map { UInt8($0) })
        #expect(NodeID([1, 2, 3]) == nil)
        for text in ["", "abc", String(repeating: "1", count: 52), id.description.dropLast() + "r"] {
            #expect(NodeID(String(text)) == nil)
        }
    }

    @Test func `ids are in the order of their bytes`() {
        let ids = [0, 1, 255].flatMap { first in
            [0, 9].compactMap { last in NodeID([UInt8(first)] + [UInt8](repeating: 7, count: 30) + [UInt8(last)]) }
        }
        #expect(ids == ids.sorted())
        #expect(ids.map(\.bytes) == ids.sorted().map(\.bytes))
        #expect(Set(ids).count == 6)
    }

    @Test func `an identity signs, and its id tells whether it did`() throws {
        let identity = NodeIdentity.random()
        let signature = identity.signature(of: [1, 2, 3])
        #expect(identity.id.verifies(signature, of: [1, 2, 3]))
        #expect(!identity.id.verifies(signature, of: [1, 2, 4]))
        #expect(!NodeIdentity.random().id.verifies(signature, of: [1, 2, 3]))
        #expect(NodeIdentity(secret: [1]) == nil)
    }

    @Test func `an offer in a greeting is read by those who know it, and passed over by the original`() throws {
        let id = NodeIdentity.random().id
        let upgrade = MeshUpgrade(id: id, nonce: [UInt8](repeating: 5, count: 16))
        let greeting = PheromoneMessage.greeting(from: "luda", PheromoneGreeting(address: "127.0.0.1:1", account: 1))
        let bytes = greeting.bytes(offering: upgrade)
        #expect(MeshUpgrade(in: bytes) == upgrade)
        #expect(try PheromoneMessage(bytes) == greeting)
        #expect(MeshUpgrade(in: greeting.bytes) == nil)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.hasSuffix(#","v":2,"id":"\#(id)","n":"BQUFBQUFBQUFBQUFBQUFBQ=="}"#))
        for (part, other) in [
            (#""v":2"#, #""v":1"#), ("BQUF", "****"), (#""v":2"#, #""v":"2""#), (#""id":""#, #""id":"!"#),
        ] {
            #expect(MeshUpgrade(in: Array(text.replacing(part, with: other).utf8)) == nil)
        }
    }

    @Test func `of two links at once both ends keep the same one`() {
        let ids = [NodeIdentity.random().id, NodeIdentity.random().id].sorted()
        let (small, large) = (ids[0], ids[1])
        #expect(SimultaneousOpen.verdict(own: small, peer: large, openedByUs: true) == .keep)
        #expect(SimultaneousOpen.verdict(own: large, peer: small, openedByUs: false) == .keep)
        #expect(SimultaneousOpen.verdict(own: large, peer: small, openedByUs: true) == .close)
        #expect(SimultaneousOpen.verdict(own: small, peer: large, openedByUs: false) == .waitForClose)
        #expect(SimultaneousOpen.verdict(own: small, peer: small, openedByUs: true) == .refuse)
        #expect(SimultaneousOpen.isInitiator(drawn: 2, peer: 1) == true)
        #expect(SimultaneousOpen.isInitiator(drawn: 1, peer: 2) == false)
        #expect(SimultaneousOpen.isInitiator(drawn: 1, peer: 1) == nil)
    }
}
