import Glibc

/// Bytes in one block of the loop's pool, appended at the tail and taken from the head. Empty, it owns nothing; it only
/// remembers what it needed, so that the next filling does not grow, and copy, step by step.
/// A plain value that its one owner must `clear`; it is `BitwiseCopyable` so that it can live in a `SlotTable`.
@safe
struct ByteQueue: BitwiseCopyable {
    private var block: UnsafeMutableRawPointer?
    private var head: UInt32 = 0
    private var tail: UInt32 = 0
    private var capacity: UInt32 = 0
    private var expected: UInt32 = 0

    init() { unsafe block = nil }

    /// Most bytes that one queue holds, whatever the limits of its owner say.
    static let maxCount = 1 << 30
    /// Most bytes that a first block has because they were needed before.
    private static let mostExpected = 1 << 20

    @inline(__always) var count: Int { Int(tail &- head) }
    /// Bytes of its block.
    var held: Int { Int(capacity) }
    @inline(__always) var isEmpty: Bool { head == tail }

    @inline(__always)
    mutating func append(_ bytes: RawSpan, pool: BufferPool) {
        let count = bytes.byteCount
        if Int(capacity &- tail) < count { makeRoom(count, pool: pool) }
        // Safe because there is room for count bytes behind the tail, and a span never overlaps a queue's free room.
        unsafe bytes.withUnsafeBytes { source in
            guard count > 0, let from = source.baseAddress else { return }
            unsafe memcpy(block.unsafelyUnwrapped + Int(tail), from, count)
        }
        tail &+= UInt32(truncatingIfNeeded: count)
    }

    @inline(__always)
    private mutating func makeRoom(_ count: Int, pool: BufferPool) {
        if capacity == 0, max(count, Int(expected)) <= pool.smallest {
            unsafe block = pool.takeSmallest()
            capacity = UInt32(truncatingIfNeeded: pool.smallest)
        } else {
            grow(count, pool: pool)
        }
    }

    @inline(never)
    private mutating func grow(_ count: Int, pool: BufferPool) {
        let live = self.count
        precondition(live + count <= Self.maxCount, "a queue limit above \(Self.maxCount) bytes")
        // Moving pays only when at least half of the block is free; otherwise long queues would be moved for every
        // write.
        if let block = unsafe block, Int(capacity) >= 2 * (live + count) {
            unsafe memmove(block, block + Int(head), live)
        } else {
            // Small queues grow in big steps: most that outgrow one block are on their way to many.
            let factor = live < 64 << 10 ? 4 : 2
            let before = capacity == 0 ? min(Int(expected), Self.mostExpected) : 0
            let wanted = max(min(factor * live, Self.maxCount), before)
            let size = pool.blockSize(for: max(live + count, wanted))
            let to = unsafe pool.take(size)
            if let block = unsafe block {
                unsafe memcpy(to, block + Int(head), live)
                unsafe pool.give(block, size: Int(capacity))
            }
            unsafe block = to
            capacity = UInt32(size)
        }
        head = 0
        tail = UInt32(live)
    }

    /// Forgets the first `count` bytes; the block goes back to the pool with the last of them.
    @inline(__always)
    mutating func drop(_ count: Int, pool: BufferPool) {
        head &+= UInt32(truncatingIfNeeded: min(count, self.count))
        guard head == tail, let block = unsafe block else { return }
        unsafe pool.give(block, size: Int(capacity))
        unsafe self.block = nil
        (head, expected, tail, capacity) = (0, tail, 0, 0)
    }

    /// Forgets the last `count` bytes.
    mutating func dropLast(_ count: Int, pool: BufferPool) {
        tail &-= UInt32(truncatingIfNeeded: min(count, self.count))
        if head == tail { clear(pool: pool) }
    }

    mutating func clear(pool: BufferPool) {
        if let block = unsafe block { unsafe pool.give(block, size: Int(capacity)) }
        self = ByteQueue()
    }

    /// The bytes in place. They end with the next change of the queue.
    @inline(__always)
    func withBytes<R>(_ body: (RawSpan) -> R) -> R {
        // Safe because head...tail lies within the block, and an empty queue gives an empty span.
        guard let block = unsafe block else { return body(RawSpan()) }
        return unsafe body(RawSpan(_unsafeStart: block + Int(head), byteCount: count))
    }

    /// The address of the first byte, for a reader that moves all bytes elsewhere.
    func copy(to destination: UnsafeMutableRawPointer) {
        guard let block = unsafe block else { return }
        unsafe memcpy(destination, block + Int(head), count)
    }
}
