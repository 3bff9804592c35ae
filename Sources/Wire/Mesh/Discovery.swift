/// Finding nodes of the local network, and being found: when to send a beacon, and what to make of those of others. It
/// has no socket and no clock.
package struct Discovery: Sendable {
    package struct Settings: Sendable {
        /// A few soon after the start, and then.
        package var first = 5
        package var firstInterval = Duration.milliseconds(250)
        package var interval = Duration.seconds(5)
        /// Who was silent for so long is found again when it is heard.
        package var forgetAfter = Duration.seconds(30)
        package var most = 256
        /// Most datagrams that are looked at in a second, and at once: anybody can send them.
        package var rate = 64.0
        package var burst = 256.0
        package init() {}
    }

    package enum Action: Equatable, Sendable {
        case send([UInt8])
        /// Somebody who was not heard there before: at this port of the machine that the datagram has come from.
        case found(NodeID, port: UInt16)
    }

    /// With its place: who claims to be another at a place of its own does not hide it.
    private struct Heard: Hashable {
        let node: NodeID
        let host: String
        let port: UInt16
    }

    package let own: NodeID
    /// Where this node listens; nil while it does not, and then it only hears.
    package var port: UInt16?
    private let groupSecret: [UInt8]?
    private let settings: Settings
    private var sent = 0
    package private(set) var deadline: Duration
    private var heardAt: [Heard: Duration] = [:]
    private var tokens: Double
    private var filledAt: Duration
    package private(set) var ignored = 0

    package init(_ own: NodeID, groupSecret: [UInt8]?, _ settings: Settings = Settings(), at now: Duration) {
        (self.own, self.groupSecret, self.settings) = (own, groupSecret, settings)
        (deadline, tokens, filledAt) = (now, settings.burst, now)
    }

    /// What is due when `deadline` has come.
    package mutating func tick(at now: Duration, random: inout SeededRandom) -> [Action] {
        guard deadline <= now else { return [] }
        deadline = now + (sent < settings.first ? settings.firstInterval : random.around(settings.interval))
        guard let port else { return [] }
        sent += 1
        let beacon = Beacon(node: own, port: port, nonce: random.next())
        return [.send(beacon.bytes(groupSecret: groupSecret))]
    }

    /// A datagram that has come from a machine.
    package mutating func receive(_ bytes: [UInt8], from host: String, at now: Duration) -> [Action] {
        // Cheap first: whoever floods us is not worth a digest for each datagram.
        guard bytes.count == Beacon.size, takes(now), let beacon = Beacon(bytes, groupSecret: groupSecret) else {
            ignored += 1
            return []
        }
        guard beacon.node != own, beacon.port > 0 else { return [] }
        let heard = Heard(node: beacon.node, host: host, port: beacon.port)
        if heardAt.count >= settings.most { heardAt = heardAt.filter { now - $0.value < settings.forgetAfter } }
        guard heardAt[heard] != nil || heardAt.count < settings.most else {
            ignored += 1
            return []
        }
        let before = heardAt.updateValue(now, forKey: heard)
        if let before, now - before < settings.forgetAfter { return [] }
        return [.found(beacon.node, port: beacon.port)]
    }

    private mutating func takes(_ now: Duration) -> Bool {
        tokens = min(settings.burst, tokens + (now - filledAt) / .seconds(1) * settings.rate)
        filledAt = now
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}
