package import OmniwayWire

extension Duration {
    static let never = Duration.seconds(1 << 60)

    /// Rounded down.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    var roundedUp: Duration { .nanoseconds((self + .nanoseconds(1) - Duration(attoseconds: 1)).nanoseconds) }
}

extension MeshMessage {
    /// About how many bytes it is on a link.
    package var size: Int {
        switch self {
        case .gossip(.payload(_, _, let payload)), .gossip(.repair(_, _, let payload)): payload.count + 70
        case .gossip(.have(let announcements)): announcements.count * 50 + 24
        case .packet(let packet): if case .message(let bytes) = packet.kind { bytes.count + 120 } else { 160 }
        case .hello, .ping, .pong, .close, .member, .gossip, .detector: 120
        }
    }
}
