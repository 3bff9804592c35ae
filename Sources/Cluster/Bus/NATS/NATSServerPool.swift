import OmniwayTransport

/// The servers that can be tried, the next one first.
struct NATSServerPool {
    private let configured: [NATSServer]
    private var servers: [NATSServer]

    init(_ servers: [NATSServer], random: inout any RandomNumberGenerator) {
        configured = servers
        self.servers = servers
        // Not all clients of a cluster should go to its first server.
        for index in servers.indices.dropLast() {
            self.servers.swapAt(index, index + Int(random.next() % UInt64(servers.count - index)))
        }
    }

    var count: Int { servers.count }

    /// The next to try; it goes to the end. Nil when there is none but the excluded one.
    mutating func next(besides excluded: NATSServer? = nil) -> NATSServer? {
        guard let index = servers.firstIndex(where: { $0.address != excluded?.address }) else { return nil }
        let server = servers.remove(at: index)
        servers.append(server)
        return server
    }

    /// What a server knows of others, which may be more than before or fewer. Those that were configured stay.
    mutating func learn(_ addresses: [String], from teller: NATSServer) {
        let told = addresses.compactMap { NATSServer(discovered: $0, by: teller) }
        servers.removeAll { known in
            !configured.contains { $0.address == known.address } && !told.contains { $0.address == known.address }
                && known.address != teller.address
        }
        for server in told where !servers.contains(where: { $0.address == server.address }) { servers.append(server) }
    }
}
