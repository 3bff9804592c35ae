/// Deadlines of keys, earliest first, equal ones in the order in which they were set. A key whose deadline was set
/// again appears twice: whoever takes it out compares.
struct DeadlineQueue<Key: Sendable>: Sendable {
    private struct Entry: Sendable {
        let at: Duration
        let order: UInt64
        let key: Key
        func comesBefore(_ other: Entry) -> Bool { at == other.at ? order < other.order : at < other.at }
    }
    private var heap: [Entry] = []
    private var lastOrder: UInt64 = 0

    var first: Duration? { heap.first?.at }

    mutating func insert(_ key: Key, at deadline: Duration) {
        lastOrder += 1
        heap.append(Entry(at: deadline, order: lastOrder, key: key))
        var child = heap.count - 1
        while child > 0, heap[child].comesBefore(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The next key whose deadline has come.
    mutating func popDue(_ now: Duration) -> (key: Key, at: Duration)? {
        guard let first = heap.first, first.at <= now else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            var parent = 0
            while true {
                var least = parent
                for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                    if heap[child].comesBefore(heap[least]) { least = child }
                }
                if least == parent { break }
                heap.swapAt(parent, least)
                parent = least
            }
        }
        return (first.key, first.at)
    }
}
