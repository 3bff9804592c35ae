/// Finds the slot of a stream by its id: open addressing in plain memory, no hashing beyond a multiplication.
struct MuxStreamTable: Sendable {
    private var ids: [UInt32]
    private var slots: [Int32]
    private(set) var count = 0

    init() {
        ids = [UInt32](repeating: 0, count: 16)
        slots = [Int32](repeating: 0, count: 16)
    }

    private func home(_ id: UInt32) -> Int { Int(truncatingIfNeeded: id &* 0x9e37_79b1) & (ids.count - 1) }

    func find(_ id: UInt32) -> Int? {
        guard id != 0 else { return nil }
        var at = home(id)
        while ids[at] != 0 {
            if ids[at] == id { return Int(slots[at]) }
            at = (at + 1) & (ids.count - 1)
        }
        return nil
    }

    mutating func insert(_ id: UInt32, _ slot: Int) {
        if 2 * (count + 1) > ids.count { grow() }
        var at = home(id)
        while ids[at] != 0 { at = (at + 1) & (ids.count - 1) }
        (ids[at], slots[at]) = (id, Int32(slot))
        count += 1
    }

    mutating func remove(_ id: UInt32) {
        var hole = home(id)
        while ids[hole] != id {
            if ids[hole] == 0 { return }
            hole = (hole + 1) & (ids.count - 1)
        }
        count -= 1
        // Those behind move up, unless that would put them before their home.
        var at = hole
        while true {
            at = (at + 1) & (ids.count - 1)
            if ids[at] == 0 { break }
            let distance = (at - home(ids[at])) & (ids.count - 1)
            guard distance >= (at - hole) & (ids.count - 1) else { continue }
            (ids[hole], slots[hole]) = (ids[at], slots[at])
            hole = at
        }
        ids[hole] = 0
    }

    private mutating func grow() {
        let old = (ids, slots)
        ids = [UInt32](repeating: 0, count: old.0.count * 2)
        slots = [Int32](repeating: 0, count: old.0.count * 2)
        count = 0
        for (index, id) in old.0.enumerated() where id != 0 { insert(id, Int(old.1[index])) }
    }
}
