extension JSON.Object {
    /// The indices of members with the same key: each later one with one that stands before it.
    static func repeatedKeys(in members: ArraySlice<Member>) -> [(earlier: Int, later: Int)] {
        var pairs: [(earlier: Int, later: Int)] = []
        if members.count <= 8 {
            for later in members.indices {
                for earlier in members.startIndex..<later
                where members[earlier].key.hasSameBytes(as: members[later].key) { pairs.append((earlier, later)) }
            }
        } else {
            var last = Dictionary<KeyBytes, Int>(minimumCapacity: members.count)
            for index in members.indices {
                if let earlier = last.updateValue(index, forKey: KeyBytes(members[index].key)) {
                    pairs.append((earlier, index))
                }
            }
        }
        return pairs
    }
}

/// A key by its bytes. Swift's own hash of a string takes all spellings of a character for one: a peer could send as
/// many keys as it likes that collide.
private struct KeyBytes: Hashable {
    private let key: String
    init(_ key: String) { self.key = key }

    static func == (a: KeyBytes, b: KeyBytes) -> Bool { a.key.hasSameBytes(as: b.key) }
    func hash(into hasher: inout Hasher) {
        hasher.combine(key.utf8.count)
        var word: UInt64 = 0
        for (index, byte) in key.utf8.enumerated() {
            word = word << 8 | UInt64(byte)
            if index % 8 == 7 { hasher.combine(word) }
        }
        hasher.combine(word)
    }
}
