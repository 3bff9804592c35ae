/// Who sends messages to everybody: which of theirs have come, how many more may, and the tree along which they come.
struct GossipOrigins: Sendable {
    struct Origin: Sendable {
        let id: NodeID
        var seen: SeenWindow
        var count = 0
        var heardAt: Duration
        var tokens: Double
        var filledAt: Duration
        /// A bit for every link: set, the link only gets announcements.
        fileprivate(set) var lazy: UInt16
    }

    private(set) var all: [Origin] = []
    private var places: [NodeID: Int] = [:]
    /// What was learnt last, of whatever origin: one that is new begins with it.
    private(set) var shared: UInt16 = 0

    /// Where an origin is found, until one is added.
    func place(of origin: NodeID) -> Int? { places[origin] }

    subscript(place: Int) -> Origin {
        get { all[place] }
        _modify { yield &all[place] }
    }
    subscript(origin: NodeID) -> Origin? { places[origin].map { all[$0] } }

    /// A message of an origin that is not known, or of another start of it. When there are too many, the quarter gives
    /// way that was silent for longest.
    mutating func begin(_ id: GossipID, at known: Int?, tokens: Double, most: Int, _ now: Duration) -> Int {
        let seen = SeenWindow(epoch: id.epoch, first: id.sequence)
        if let known {
            all[known].seen = seen
            all[known].count = 0
            all[known].filledAt = now
            return known
        }
        if all.count >= most {
            all.sort { ($1.heardAt, $0.id) < ($0.heardAt, $1.id) }
            all.removeLast(max(1, all.count / 4))
            places = [:]
            for (place, origin) in all.enumerated() { places[origin.id] = place }
        }
        places[id.origin] = all.count
        all.append(Origin(id: id.origin, seen: seen, heardAt: now, tokens: tokens, filledAt: now, lazy: shared))
        return all.count - 1
    }

    // MARK: Trees

    func lazyBits(of origin: NodeID) -> UInt16 { places[origin].map { all[$0].lazy } ?? shared }

    /// Of an origin that is not known nothing is kept but what it says of others.
    mutating func setLazy(_ isLazy: Bool, _ slot: Int, of origin: NodeID) {
        let bit: UInt16 = 1 << slot
        let place = places[origin]
        if isLazy {
            if let place { all[place].lazy |= bit }
            shared |= bit
        } else {
            if let place { all[place].lazy &= ~bit }
            shared &= ~bit
        }
    }

    /// Another neighbour has this bit now, or nobody.
    mutating func reset(_ slot: Int) {
        let bit: UInt16 = 1 << slot
        shared &= ~bit
        for place in all.indices { all[place].lazy &= ~bit }
    }
}
