import OmniwayTransport

/// Pushes for a client that is not in yet, as packets: a client takes none before its handshake is done.
struct EarlyPushes {
    private var packets: [SharedBytes] = []
    private var bytes = 0

    /// False when more would wait than may.
    mutating func keep(_ packet: SharedBytes, most: Int) -> Bool {
        let count = packet.count + Self.overhead
        guard bytes + count <= most else { return false }
        packets.append(packet)
        bytes += count
        return true
    }

    /// What a packet costs besides its bytes.
    private static let overhead = 64

    mutating func takeAll() -> [SharedBytes] {
        defer { self = EarlyPushes() }
        return packets
    }
}
