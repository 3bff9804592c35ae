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

    subscript(id: GossipID) -> Cached? { entries[id] }
    var count: Int { entries.count }

    /// In the order in which they came.
    var all: some Sequence<(id: GossipID, cached: Cached)> {
        order[head...].lazy.compactMap { one in entries[one.id].map { (one.id, $0) } }
    }

    func lowest(of origin: NodeID) -> UInt64? {
        order[head...].lazy.filter { $0.id.origin == origin }.map(\.id.sequence).min()
    }

    mutating func insert(
        _ id: GossipID, hops: UInt8, _ payload: [UInt8], isRepair: Bool = false, at now: Duration,
        _ settings: Gossip.Settings
    ) {
        guard entries[id] == nil else { return }
        entries[id] = Cached(hops: hops, payload: payload, isRepair: isRepair)
        order.append((id, now))
        bytes += payload.count
        while bytes > settings.cacheBytes, head < order.count - 1 { removeOldest() }
    }

    /// A repair has brought it, and its tree has not yet.
    func isAheadOfTree(_ id: GossipID) -> Bool { entries[id]?.isRepair == true }

    /// The same, asked once: the next copy is one too many.
    mutating func followsRepair(_ id: GossipID) -> Bool {
        guard entries[id]?.isRepair == true else { return false }
        entries[id]?.isRepair = false
        return true
    }

    mutating func expire(before time: Duration) {
        while head < order.count, order[head].at < time { removeOldest() }
    }

    private mutating func removeOldest() {
        if let removed = entries.removeValue(forKey: order[head].id) { bytes -= removed.payload.count }
        head += 1
        if head >= 64, head * 2 >= order.count {
            order.removeFirst(head)
            head = 0
        }
    }
}

/// For each origin a bit for every link: set, the link only gets announcements. An origin that is new begins with what
/// was learnt last, of whatever origin.
struct GossipTrees: Sendable {
    private struct Tree: Sendable {
        var lazy: UInt16
        var used: UInt64
    }
    private var trees: [NodeID: Tree] = [:]
    private var shared: UInt16 = 0
    private var clock: UInt64 = 0

    mutating func lazyBits(of origin: NodeID, most: Int) -> UInt16 {
        touch(origin, most)
        return trees[origin]?.lazy ?? shared
    }

    mutating func setLazy(_ isLazy: Bool, _ slot: Int, of origin: NodeID, most: Int) {
        touch(origin, most)
        let bit: UInt16 = 1 << slot
        if isLazy {
            trees[origin]?.lazy |= bit
            shared |= bit
        } else {
            trees[origin]?.lazy &= ~bit
            shared &= ~bit
        }
    }

    /// Another neighbour has this bit now, or nobody.
    mutating func reset(_ slot: Int) {
        let bit: UInt16 = 1 << slot
        shared &= ~bit
        for origin in trees.keys { trees[origin]?.lazy &= ~bit }
    }

    private mutating func touch(_ origin: NodeID, _ most: Int) {
        clock += 1
        if trees[origin] == nil {
            if trees.count >= most {
                let oldest = trees.map { ($0.value.used, $0.key) }.sorted { $0 < $1 }.prefix(max(1, most / 4))
                for (_, node) in oldest { trees[node] = nil }
            }
            trees[origin] = Tree(lazy: shared, used: clock)
        }
        trees[origin]?.used = clock
    }
}
