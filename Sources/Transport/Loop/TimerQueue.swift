/// Who is called when a timer is due. The token tells its timers apart.
public protocol TimerTarget: AnyObject {
    func timerFired(_ token: UInt64, on loop: Loop)
}

/// A timer of one loop. Stale ids are harmless: cancelling twice, or after it fired, does nothing.
public struct TimerID: Hashable, Sendable {
    let slot: UInt32
    let generation: UInt32
}

/// A binary heap of deadlines. Equal deadlines fire in the order they were set, so a simulated run repeats itself.
struct TimerQueue {
    private struct Entry {
        var target: (any TimerTarget)?
        var token: UInt64 = 0
        var deadline = Moment(nanoseconds: 0)
        var order: UInt64 = 0
        var generation: UInt32 = 0
        var position = 0
    }

    private var entries: [Entry] = []
    private var free: [UInt32] = []
    private var heap: [UInt32] = []
    private var nextOrder: UInt64 = 0

    var count: Int { heap.count }
    var bytes: Int { entries.capacity * MemoryLayout<Entry>.stride + (free.capacity + heap.capacity) * 4 }

    var nextDeadline: Moment? { heap.first.map { entries[Int($0)].deadline } }

    mutating func insert(_ target: any TimerTarget, token: UInt64, at deadline: Moment) -> TimerID {
        let slot: UInt32
        if let reused = free.popLast() {
            slot = reused
        } else {
            slot = UInt32(entries.count)
            entries.append(Entry())
        }
        let generation = entries[Int(slot)].generation &+ 1
        nextOrder += 1
        entries[Int(slot)] = Entry(
            target: target, token: token, deadline: deadline, order: nextOrder, generation: generation,
            position: heap.count)
        heap.append(slot)
        siftUp(heap.count - 1)
        return TimerID(slot: slot, generation: generation)
    }

    mutating func cancel(_ id: TimerID) {
        guard Int(id.slot) < entries.count, entries[Int(id.slot)].generation == id.generation,
            entries[Int(id.slot)].target != nil
        else { return }
        remove(at: entries[Int(id.slot)].position)
    }

    /// Tells the timers that are set already from those that are set from now on.
    var mark: UInt64 { nextOrder }

    /// The next timer that is due and was set before the mark, taken out.
    mutating func popDue(_ now: Moment, before mark: UInt64) -> (
        target: any TimerTarget, token: UInt64, deadline: Moment
    )? {
        // One set later is due at `now` at the earliest, so it stands behind all others that are due.
        guard let first = heap.first, entries[Int(first)].deadline <= now, entries[Int(first)].order <= mark,
            let target = entries[Int(first)].target
        else { return nil }
        let due = (target, entries[Int(first)].token, entries[Int(first)].deadline)
        remove(at: 0)
        return due
    }

    private mutating func remove(at position: Int) {
        let slot = heap[position]
        let last = heap.removeLast()
        if position < heap.count {
            heap[position] = last
            entries[Int(last)].position = position
            siftDown(position)
            siftUp(entries[Int(last)].position)
        }
        entries[Int(slot)].target = nil
        free.append(slot)
    }

    private func comesFirst(_ a: UInt32, _ b: UInt32) -> Bool {
        let (a, b) = (entries[Int(a)], entries[Int(b)])
        return a.deadline != b.deadline ? a.deadline < b.deadline : a.order < b.order
    }

    private mutating func siftUp(_ start: Int) {
        var position = start
        while position > 0, case let parent = (position - 1) / 2, comesFirst(heap[position], heap[parent]) {
            swap(position, parent)
            position = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var position = start
        while true {
            var first = position
            for child in [2 * position + 1, 2 * position + 2]
            where child < heap.count && comesFirst(heap[child], heap[first]) {
                first = child
            }
            if first == position { return }
            swap(position, first)
            position = first
        }
    }

    private mutating func swap(_ a: Int, _ b: Int) {
        heap.swapAt(a, b)
        entries[Int(heap[a])].position = a
        entries[Int(heap[b])].position = b
    }
}
