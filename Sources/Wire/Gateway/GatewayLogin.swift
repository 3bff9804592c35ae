import OmniwayCrypto

/// How a server proves that it knows the gateway's key, before any frame: it is sent a challenge, and answers with a
/// digest of challenge and key and with the id that it wants. A right answer is not answered.
package enum GatewayLogin {
    package static let challengeSize = 8
    package static let answerSize = 20

    package static func answer(to challenge: [UInt8], key: [UInt8], as server: EndpointID) -> [UInt8] {
        digest(challenge, key) + (0..<4).map { UInt8(truncatingIfNeeded: server.rawValue >> (8 * $0)) }
    }

    /// The id of the server, if it knows one of the keys.
    package static func check(_ answer: [UInt8], to challenge: [UInt8], keys: [[UInt8]]) -> EndpointID? {
        guard answer.count == answerSize else { return nil }
        // Every key is tried, so that the time says nothing about which was right.
        var isRight = false
        for key in keys where differences(answer.prefix(16), digest(challenge, key)) == 0 { isRight = true }
        guard isRight else { return nil }
        return EndpointID(rawValue: answer.suffix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }

    private static func digest(_ challenge: [UInt8], _ key: [UInt8]) -> [UInt8] { Digest.md5(challenge + key) }

    private static func differences(_ one: ArraySlice<UInt8>, _ other: [UInt8]) -> UInt8 {
        zip(one, other).reduce(0) { $0 | ($1.0 ^ $1.1) }
    }
}
