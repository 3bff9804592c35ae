/// How a loop's buffer pool cuts memory into blocks, and how much of it that is free it keeps.
public struct PoolLimits: Sendable, Equatable {
    /// Bytes of the smallest block, which an empty queue takes for its first bytes.
    public var smallest = 4 << 10
    /// Bytes of the largest block that is kept. Larger ones come from the system and go back there.
    public var largest = 16 << 20
    /// How many times larger each size of block is than the one before.
    public var factor = 2
    /// Most free bytes kept of each size.
    public var keptPerSize = 64 << 20
    /// Most free bytes kept in all.
    public var kept = 64 << 20

    public init() {}

    /// The sizes of blocks, the smallest first.
    var sizes: [Int] {
        precondition(smallest >= 16 && smallest <= ByteQueue.maxCount, "a smallest block of 16 bytes to 1 GiB")
        precondition(factor >= 2, "each size is at least twice the one before")
        var sizes = [smallest]
        while let last = sizes.last, last <= min(largest, ByteQueue.maxCount) / factor { sizes.append(last * factor) }
        return sizes
    }
}

/// What one size of block in a loop's pool is doing.
public struct PoolUse: Sendable, Equatable {
    /// Bytes of each block; nil for those larger than any that are kept.
    public let size: Int?
    /// Blocks that somebody has.
    public let taken: Int
    /// Blocks that wait for somebody.
    public let free: Int
    /// How often the system was asked for one, because none was free.
    public let allocated: UInt64

    public init(size: Int?, taken: Int, free: Int, allocated: UInt64) {
        (self.size, self.taken, self.free, self.allocated) = (size, taken, free, allocated)
    }
}
