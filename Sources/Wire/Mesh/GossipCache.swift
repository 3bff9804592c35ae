/// Payloads of the last while, for those who ask.
struct GossipCache: Sendable {
    struct Cached: Sendable {
        let hops: UInt8
        let payload: [UInt8]
        /// It came in answer to a digest, and has not come along its tree yet.
        var isRepair: Bool
    }

    private var entries: [GossipID: Cached] = [:]
    /// In the order in which they came.
    private var order: [(id: GossipID, at: Duration)] = []
    private var head = 0
    private(set) var bytes = 0
    /// How many have come as repairs and not along their trees yet.
    private var repairs = 0

    subscript(id: GossipID) -> Cached? { entries[id] }
    var count: Int { entries.count }

    /// In the order in which they came.
    var all: some Sequence<(id: GossipID, cached: Cached)> {
        order[head...].lazy.compactMap { one in entries[one.id].map { (one.id, $0) } }
    }

    mutating func insert(
        _ id: GossipID, hops: UInt8, _ payload: [UInt8], isRepair: Bool = false, at now: Duration,
        _ settings: Gossip.Settings
    ) {
        let before = entries.updateValue(Cached(hops: hops, payload: payload, isRepair: isRepair), forKey: id)
        if let before { forget(before) }
        order.append((id, now))
        bytes += payload.count
        if isRepair { repairs += 1 }
        while bytes > settings.cacheBytes, head < order.count - 1 { removeOldest() }
    }

    /// A repair has brought it, and its tree has not yet.
    func isAheadOfTree(_ id: GossipID) -> Bool { repairs > 0 && entries[id]?.isRepair == true }

    /// The same, asked once: the next copy is one too many.
    mutating func followsRepair(_ id: GossipID) -> Bool {
        guard isAheadOfTree(id) else { return false }
        entries[id]?.isRepair = false
        repairs -= 1
        return true
    }

    mutating func expire(before time: Duration) {
        while head < order.count, order[head].at < time { removeOldest() }
    }

    private mutating func removeOldest() {
        if let removed = entries.removeValue(forKey: order[head].id) { forget(removed) }
        head += 1
        if head >= 64, head * 2 >= order.count {
            order.removeFirst(head)
            head = 0
        }
    }

    private mutating func forget(_ removed: Cached) {
        bytes -= removed.payload.count
        if removed.isRepair { repairs -= 1 }
    }
}
