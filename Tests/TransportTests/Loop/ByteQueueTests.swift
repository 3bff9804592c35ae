import OmniwayTesting
import Testing

@testable import OmniwayTransport

@Suite struct ByteQueueTests {
    private func bytes(_ queue: ByteQueue) -> [UInt8] {
        var bytes: [UInt8] = []
        queue.withBytes { bytes.append(contentsOf: $0) }
        return bytes
    }

    private func append(_ bytes: [UInt8], to queue: inout ByteQueue, _ pool: BufferPool) {
        unsafe bytes.withUnsafeBytes { unsafe queue.append(RawSpan(_unsafeBytes: $0), pool: pool) }
    }

    @Test(arguments: 1...20) func `a queue holds what an array would, through any appends and drops`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let pool = BufferPool()
        var queue = ByteQueue()
        var model: [UInt8] = []
        for _ in 0..<500 {
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1:
                let count = Int.random(in: 0...Int.random(in: 0...20_000, using: &random), using: &random)
                let added = (0..<count).map { UInt8(truncatingIfNeeded: $0 &+ model.count) }
                append(added, to: &queue, pool)
                model += added
            case 2, 3:
                let count = Int.random(in: 0...model.count, using: &random)
                queue.drop(count, pool: pool)
                model.removeFirst(count)
            default:
                let count = Int.random(in: 0...min(model.count, 100), using: &random)
                queue.dropLast(count, pool: pool)
                model.removeLast(count)
            }
            #expect(queue.count == model.count, "seed \(seed)")
        }
        #expect(bytes(queue) == model, "seed \(seed)")
        queue.clear(pool: pool)
    }

    @Test func `an empty queue has given its block back, and the next one gets that block`() {
        let pool = BufferPool()
        var queue = ByteQueue()
        append([1, 2, 3], to: &queue, pool)
        #expect(pool.kept == 0)
        queue.drop(3, pool: pool)
        #expect(pool.kept == BufferPool.smallest)
        append([4], to: &queue, pool)
        #expect(pool.kept == 0)
        queue.clear(pool: pool)
    }

    @Test func `a pool keeps no more than its limit`() {
        let pool = BufferPool(keepLimit: 1 << 20)
        var queues = (0..<40).map { _ in ByteQueue() }
        for index in queues.indices { append([UInt8](repeating: 1, count: 60_000), to: &queues[index], pool) }
        for index in queues.indices { queues[index].clear(pool: pool) }
        #expect(pool.kept == 1 << 20)
    }
}

@Suite struct SlotTableTests {
    @Test func `a slot serves again after the turn, under another generation`() throws {
        let table = SlotTable<Int>(capacity: 2)
        let first = try #require(table.insert(1))
        let second = try #require(table.insert(2))
        #expect(table.insert(3) == nil)
        table.remove(first)
        #expect(table.find(first.id) == nil)
        #expect(table.insert(3) == nil)  // It rests until the turn is over.
        table.recycle()
        let third = try #require(table.insert(3))
        #expect(third.id.slot == first.id.slot)
        #expect(third.id != first.id)
        #expect(table.find(first.id) == nil)
        #expect(table.find(third.id)?.payload == 3)
        #expect(table.find(second.id)?.payload == 2)
        #expect(table.count == 2)
    }

    @Test func `no id is nobody's`() {
        #expect(SlotTable<Int>(capacity: 1).find(SlotID(rawValue: 0)) == nil)
        #expect(SlotTable<Int>(capacity: 1).find(SlotID(rawValue: .max)) == nil)
    }
}
