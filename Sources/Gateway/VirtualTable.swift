import OmniwayTransport
import OmniwayWire

/// The virtual connections that have an end on one loop, by id. In plain memory, because every frame looks here: open
/// addressing, at most half full, and an entry that leaves is closed over, so there are no graves to search through.
@safe
final class VirtualTable {
    private var entries: UnsafeMutablePointer<VirtualConnection>
    private var mask: UInt32
    private var shift: UInt32
    private(set) var count = 0

    init() {
        unsafe entries = Self.allocate(Self.smallest)
        (mask, shift) = (UInt32(Self.smallest - 1), UInt32(32 - Self.smallest.trailingZeroBitCount))
    }

    deinit { unsafe entries.deallocate() }

    var bytes: Int { (Int(mask) + 1) * MemoryLayout<VirtualConnection>.stride }

    private static let smallest = 64
    private static let nobody = VirtualConnection(
        0, client: Place(link: .none, loop: 0), server: Place(link: .none, loop: 0))

    private static func allocate(_ capacity: Int) -> UnsafeMutablePointer<VirtualConnection> {
        let entries = UnsafeMutablePointer<VirtualConnection>.allocate(capacity: capacity)
        unsafe entries.initialize(repeating: nobody, count: capacity)
        return unsafe entries
    }

    /// Where an entry is, until the next insertion or removal.
    struct Position { fileprivate let index: UInt32 }

    // Safe because a position lies within the table, and only `find` and `insert` make them.
    subscript(position: Position) -> VirtualConnection {
        @inline(__always) get { unsafe entries[Int(position.index)] }
        @inline(__always) _modify { yield unsafe &entries[Int(position.index)] }
    }

    /// Ids count up, so the golden ratio spreads those that live at a time almost evenly.
    @inline(__always)
    private func start(_ id: ConnectionID) -> UInt32 { (id.rawValue &* 0x9E37_79B1) >> shift }

    @inline(__always)
    func find(_ id: ConnectionID) -> Position? {
        var index = start(id)
        while true {
            let found = unsafe entries[Int(index)].id.rawValue  // Safe because the mask keeps it within the table.
            if found == id.rawValue { return id.rawValue == 0 ? nil : Position(index: index) }
            if found == 0 { return nil }
            index = (index + 1) & mask
        }
    }

    /// False when the id is taken.
    @discardableResult
    func insert(_ connection: VirtualConnection) -> Bool {
        precondition(connection.id.rawValue != 0, "no virtual connection has the id zero")
        if 2 * (count + 1) > Int(mask) { resize(to: 2 * (Int(mask) + 1)) }
        guard find(connection.id) == nil else { return false }
        place(connection)
        count += 1
        return true
    }

    private func place(_ connection: VirtualConnection) {
        var index = start(connection.id)
        while unsafe entries[Int(index)].id.rawValue != 0 { index = (index + 1) & mask }
        unsafe entries[Int(index)] = connection
    }

    func remove(_ id: ConnectionID) -> VirtualConnection? {
        guard let position = find(id) else { return nil }
        let removed = self[position]
        var gap = position.index
        var index = (gap + 1) & mask
        // Whoever stands behind the gap moves into it, unless it is at or behind the place where its search starts.
        while true {
            let next = unsafe entries[Int(index)]
            if next.id.rawValue == 0 { break }
            if (index &- start(next.id)) & mask >= (index &- gap) & mask {
                unsafe entries[Int(gap)] = next
                gap = index
            }
            index = (index + 1) & mask
        }
        unsafe entries[Int(gap)] = Self.nobody
        count -= 1
        return removed
    }

    private func resize(to capacity: Int) {
        let (old, oldCapacity) = unsafe (entries, Int(mask) + 1)
        unsafe entries = Self.allocate(capacity)
        (mask, shift) = (UInt32(capacity - 1), UInt32(32 - capacity.trailingZeroBitCount))
        for index in 0..<oldCapacity where unsafe old[index].id.rawValue != 0 { unsafe place(old[index]) }
        unsafe old.deallocate()
    }
}
