import OmniwayTesting
import Testing

@testable import OmniwayWire

/// Beacons of the local network, and what is made of them.
@Suite struct DiscoveryTests {
    private static let secret = [UInt8](repeating: 7, count: 32)
    private static func id(_ number: UInt8) -> NodeID { NodeID([number] + [UInt8](repeating: 7, count: 31))! }
    private func beacon(_ number: UInt8, port: UInt16 = 12345, secret: [UInt8]? = nil) -> [UInt8] {
        Beacon(node: Self.id(number), port: port, nonce: 0x0102_0304_0506).bytes(groupSecret: secret)
    }

    @Test func `a beacon is 54 bytes, and reads as it was written`() throws {
        for secret in [nil, Self.secret] {
            let bytes = beacon(1, secret: secret)
            #expect(bytes.count == 54)
            #expect(Array(bytes[..<4]) == [0x4f, 0x4d, 0x57, 2])
            #expect(Array(bytes[36..<46]) == [0x30, 0x39, 0, secret == nil ? 0 : 1, 1, 2, 3, 4, 5, 6])
            let read = try #require(Beacon(bytes, groupSecret: secret))
            #expect(read == Beacon(node: Self.id(1), port: 12345, nonce: 0x0102_0304_0506))
        }
    }

    @Test func `within a group every byte counts, and other groups are not heard`() {
        let bytes = beacon(1, secret: Self.secret)
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1
            #expect(Beacon(changed, groupSecret: Self.secret) == nil)
            #expect(Beacon(Array(bytes[..<index]), groupSecret: Self.secret) == nil)
        }
        #expect(Beacon(bytes, groupSecret: nil) == nil)
        #expect(Beacon(beacon(1), groupSecret: Self.secret) == nil)
        #expect(Beacon(bytes, groupSecret: [UInt8](repeating: 8, count: 32)) == nil)
    }

    @Test func `five beacons follow one another at once, and then one every five seconds`() {
        var random = SeededRandom(seed: 1)
        var discovery = Discovery(Self.id(1), groupSecret: nil, at: .zero)
        var sentAt: [Duration] = []
        while discovery.deadline < .seconds(60) {
            let now = discovery.deadline
            discovery.port = now < .milliseconds(700) ? nil : 7
            for case .send in discovery.tick(at: now, random: &random) { sentAt.append(now) }
        }
        let soon = [750, 1000, 1250, 1500, 1750].map { Duration.milliseconds($0) }
        #expect(Array(sentAt.prefix(5)) == soon)
        #expect((10...15) ~= sentAt.count - 5, "\(sentAt)")
    }

    @Test func `who is heard again is not found again, until it was silent for long`() {
        var discovery = Discovery(Self.id(1), groupSecret: nil, at: .zero)
        let found = [Discovery.Action.found(Self.id(2), port: 12345)]
        #expect(discovery.receive(beacon(2), from: "a", at: .zero) == found)
        #expect(discovery.receive(beacon(2), from: "a", at: .seconds(29)).isEmpty)
        #expect(discovery.receive(beacon(2), from: "a", at: .seconds(58)).isEmpty)
        #expect(discovery.receive(beacon(2), from: "b", at: .seconds(58)) == found, "somebody else may lie")
        #expect(discovery.receive(beacon(2), from: "a", at: .seconds(88)) == found)
        #expect(discovery.receive(beacon(1), from: "a", at: .seconds(88)).isEmpty, "itself")
        #expect(discovery.receive(beacon(3, port: 0), from: "a", at: .seconds(88)).isEmpty)
    }

    @Test func `a flood costs no more than it may, and the table has an end`() {
        var settings = Discovery.Settings()
        settings.most = 20
        var discovery = Discovery(Self.id(255), groupSecret: nil, settings, at: .zero)
        var found = 0
        for number in 0..<1000 {
            let bytes = beacon(2, port: UInt16(number + 1))
            found += discovery.receive(bytes, from: "a", at: .milliseconds(number)).count
        }
        #expect(found == 20)
        #expect(discovery.ignored == 980)
        #expect(discovery.receive(beacon(3), from: "a", at: .seconds(40)).count == 1, "those that were silent go")
        #expect(discovery.receive([1, 2, 3], from: "a", at: .seconds(40)).isEmpty)
    }
}
