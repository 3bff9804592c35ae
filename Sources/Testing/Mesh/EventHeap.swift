/// What is going to happen, earliest first, and at the same moment in the order in which it was said. Times are
/// nanoseconds.
struct EventHeap<Event> {
    private struct Entry {
        let at: Int64
        let order: UInt32
        let slot: UInt32
        func comesBefore(_ other: Entry) -> Bool {
            // The order may wrap around: what waits at the same moment is less than half of its numbers apart.
            at == other.at ? Int32(truncatingIfNeeded: order &- other.order) < 0 : at < other.at
        }
    }
    private var heap: [Entry] = []
    private var slots: [Event?] = []
    private var free: [UInt32] = []
    private var lastOrder: UInt32 = 0

    var count: Int { heap.count }

    mutating func insert(_ event: Event, at time: Int64) {
        lastOrder &+= 1
        let slot: UInt32
        if let reused = free.popLast() {
            slot = reused
            slots[Int(slot)] = event
        } else {
            slot = UInt32(slots.count)
            slots.append(event)
        }
        let entry = Entry(at: time, order: lastOrder, slot: slot)
        heap.append(entry)
        var child = heap.count - 1
        while child > 0, entry.comesBefore(heap[(child - 1) / 4]) {
            heap[child] = heap[(child - 1) / 4]
            child = (child - 1) / 4
        }
        heap[child] = entry
    }

    /// The next one that is due by then.
    mutating func pop(upTo end: Int64) -> (at: Int64, event: Event)? {
        guard let first = heap.first, first.at <= end else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty { sink(last) }
        guard let event = exchange(&slots[Int(first.slot)], with: nil) else { return nil }
        free.append(first.slot)
        return (first.at, event)
    }

    private mutating func sink(_ entry: Entry) {
        var parent = 0
        while true {
            let start = 4 * parent + 1
            guard start < heap.count else { break }
            var least = start
            for child in (start + 1)..<max(start + 1, min(start + 4, heap.count))
            where heap[child].comesBefore(heap[least]) { least = child }
            guard heap[least].comesBefore(entry) else { break }
            heap[parent] = heap[least]
            parent = least
        }
        heap[parent] = entry
    }
}
