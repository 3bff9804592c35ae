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
        #expect(pool.kept == pool.smallest)
        append([4], to: &queue, pool)
        #expect(pool.kept == 0)
        queue.clear(pool: pool)
    }

    @Test func `a queue that is filled again takes a block of the size that it needed before, once`() {
        let pool = BufferPool()
        var queue = ByteQueue()
        append([UInt8](repeating: 1, count: 60_000), to: &queue, pool)
        queue.drop(60_000, pool: pool)
        let kept = pool.kept
        append([2], to: &queue, pool)
        #expect(pool.kept == kept - 64 << 10)
        queue.drop(1, pool: pool)
        append([3], to: &queue, pool)
        #expect(pool.kept == kept)  // The smallest block is a new one.
        #expect(bytes(queue) == [3])
        queue.clear(pool: pool)
    }

    @Test func `a pool keeps no more than its limit`() {
        var limits = PoolLimits()
        limits.kept = 1 << 20
        let pool = BufferPool(limits)
        var queues = (0..<40).map { _ in ByteQueue() }
        for index in queues.indices { append([UInt8](repeating: 1, count: 60_000), to: &queues[index], pool) }
        for index in queues.indices { queues[index].clear(pool: pool) }
        #expect(pool.kept == 1 << 20)
    }
}

@Suite struct BufferPoolTests {
    private func limits(_ smallest: Int, _ largest: Int, factor: Int, keptPerSize: Int = 1 << 20) -> PoolLimits {
        var limits = PoolLimits()
        (limits.smallest, limits.largest, limits.factor) = (smallest, largest, factor)
        limits.keptPerSize = keptPerSize
        return limits
    }

    @Test func `sizes grow by the factor from the smallest to the largest`() {
        #expect(PoolLimits().sizes.first == 4 << 10)
        #expect(PoolLimits().sizes.last == 16 << 20)
        #expect(limits(64, 65_536, factor: 2).sizes.count == 11)
        let pool = BufferPool(limits(64, 2000, factor: 3))
        #expect([1, 64, 65, 192, 193, 1728].map(pool.blockSize) == [64, 64, 192, 192, 576, 1728])
        #expect([1729, 3000].map(pool.blockSize) == [2048, 4096])  // Beyond the largest: from the system.
    }

    @Test(arguments: 1...10) func `a queue keeps its bytes whatever the sizes are`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let pool = BufferPool(
            limits(
                Int.random(in: 16...5000, using: &random), Int.random(in: 16...100_000, using: &random),
                factor: Int.random(in: 2...5, using: &random), keptPerSize: 8192))
        var queue = ByteQueue()
        var model: [UInt8] = []
        for step in 0..<300 {
            let added = (0..<Int.random(in: 0...6000, using: &random)).map { UInt8(truncatingIfNeeded: $0 &+ step) }
            unsafe added.withUnsafeBytes { unsafe queue.append(RawSpan(_unsafeBytes: $0), pool: pool) }
            model += added
            let gone = Int.random(in: 0...model.count, using: &random)
            queue.drop(gone, pool: pool)
            model.removeFirst(gone)
        }
        var bytes: [UInt8] = []
        queue.withBytes { bytes.append(contentsOf: $0) }
        #expect(bytes == model, "seed \(seed)")
        queue.clear(pool: pool)
        #expect(pool.use.allSatisfy { $0.taken == 0 }, "seed \(seed)")
        #expect(pool.use.reduce(0) { $0 + $1.free * ($1.size ?? 0) } == pool.kept)
        #expect(pool.use.allSatisfy { $0.free * ($0.size ?? 0) < 8192 + pool.smallest })
    }

    @Test func `blocks are counted by size, also those that are never kept`() {
        let pool = BufferPool(limits(1024, 2048, factor: 2))
        let blocks = unsafe [pool.takeSmallest(), pool.take(1500), pool.take(2000), pool.take(9000)]
        #expect(pool.use.map(\.taken) == [1, 2, 1])
        unsafe pool.give(blocks[0], size: 1024)
        unsafe pool.give(blocks[1], size: 1500)
        unsafe pool.give(blocks[2], size: 2048)
        #expect(pool.use.map(\.free) == [1, 2, 0])
        #expect(pool.use.map(\.taken) == [0, 0, 1])
        unsafe pool.give(blocks[3], size: 9000)
        #expect(pool.use.map(\.taken) == [0, 0, 0])
        #expect(pool.use.map(\.size) == [1024, 2048, nil])
        #expect(pool.use.map(\.allocated) == [1, 2, 1])
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
