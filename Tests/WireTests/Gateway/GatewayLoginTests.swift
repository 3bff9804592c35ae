import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct GatewayLoginTests {
    private static let server: EndpointID = 0x0102_0304

    /// What the original answered to a challenge with a key. Both stand in the words of the recording.
    private static func recorded() throws -> [(challenge: [UInt8], key: [UInt8], answer: [UInt8])] {
        try Vector.load("gateway-primitives").filter { $0.name == "server-handshake" }.map { vector in
            let words = vector.meaning.split(separator: " ")
            let text = vector.meaning.split(separator: "\"", omittingEmptySubsequences: false)
            return (try #require(Vectors.bytes(String(words[2].dropLast()))), Array(text[1].utf8), vector.bytes)
        }
    }

    @Test func `an answer is the one that the original gives`() throws {
        let recorded = try Self.recorded()
        #expect(recorded.count == 15)
        for (challenge, key, answer) in recorded {
            #expect(GatewayLogin.answer(to: challenge, key: key, as: Self.server) == answer)
        }
    }

    @Test func `a right answer gives the server's id with any of the keys`() throws {
        for (challenge, key, answer) in try Self.recorded() {
            #expect(GatewayLogin.check(answer, to: challenge, keys: [key, [1, 2]]) == Self.server)
            #expect(GatewayLogin.check(answer, to: challenge, keys: [[1, 2], key]) == Self.server)
        }
    }

    @Test func `an answer to another challenge, by another key, changed or cut is wrong`() throws {
        let (challenge, key, answer) = try #require(try Self.recorded().last)
        #expect(GatewayLogin.check(answer, to: challenge.map { $0 ^ 1 }, keys: [key]) == nil)
        #expect(GatewayLogin.check(answer, to: challenge, keys: [key + [0]]) == nil)
        #expect(GatewayLogin.check(answer, to: challenge, keys: []) == nil)
        for index in 0..<16 {
            var changed = answer
            changed[index] ^= 1
            #expect(GatewayLogin.check(changed, to: challenge, keys: [key]) == nil)
        }
        for cut in answer.indices {
            #expect(GatewayLogin.check(Array(answer[..<cut]), to: challenge, keys: [key]) == nil)
        }
    }
}
