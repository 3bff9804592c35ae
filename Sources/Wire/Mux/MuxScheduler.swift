/// Whose turn it is while a carrier is full: streams that wait go round, one frame each. Those that have little to say
/// go before those with much, but for every ninth turn.
package struct MuxScheduler: Sendable {
    /// What one stream sends in a turn while others wait.
    package static let quantum = 16 << 10
    private static let smallInRow = 8

    private var small = Ring()
    private var bulk = Ring()
    private var inRow = 0

    package init() {}

    package var isEmpty: Bool { small.isEmpty && bulk.isEmpty }
    package var count: Int { small.count + bulk.count }

    /// A stream waits with so many bytes. It must not wait already.
    package mutating func wait(_ slot: Int, queued: Int) {
        if queued < Self.quantum { small.append(slot) } else { bulk.append(slot) }
    }

    /// The next stream; it waits no more.
    package mutating func next() -> Int? {
        if inRow >= Self.smallInRow || small.isEmpty, let slot = bulk.popFirst() {
            inRow = 0
            return slot
        }
        inRow += bulk.isEmpty ? 0 : 1
        return small.popFirst()
    }

    /// A queue in one array.
    private struct Ring: Sendable {
        private var slots: [Int] = []
        private var head = 0
        var count: Int { slots.count - head }
        var isEmpty: Bool { count == 0 }

        mutating func append(_ slot: Int) {
            if head > 0, slots.count == slots.capacity {
                slots.removeFirst(head)
                head = 0
            }
            slots.append(slot)
        }

        mutating func popFirst() -> Int? {
            guard head < slots.count else { return nil }
            defer {
                head += 1
                if head == slots.count {
                    slots.removeAll(keepingCapacity: true)
                    head = 0
                }
            }
            return slots[head]
        }
    }
}
