import Glibc

/// Blocks of one loop in sizes of powers of two. What was freed last is given first, while it is still in the cache.
/// Blocks beyond `keepLimit` go back to the system; so do the few that are larger than the largest class.
@safe
final class BufferPool {
    static let smallest = 4 << 10
    private static let classes = 13  // 4 KiB to 16 MiB
    let keepLimit: Int
    private(set) var kept = 0
    private let free: UnsafeMutablePointer<UnsafeMutableRawPointer?>

    init(keepLimit: Int = 64 << 20) {
        self.keepLimit = keepLimit
        unsafe free = .allocate(capacity: Self.classes)
        unsafe free.initialize(repeating: nil, count: Self.classes)
    }

    deinit {
        for index in 0..<Self.classes {
            while let block = unsafe free[index] {
                unsafe free[index] = block.load(as: UnsafeMutableRawPointer?.self)
                unsafe Glibc.free(block)
            }
        }
        unsafe free.deallocate()
    }

    /// The size of the block that `take(count)` gives.
    static func blockSize(for count: Int) -> Int {
        count <= smallest ? smallest : 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
    }

    private static func classIndex(_ size: Int) -> Int { size.trailingZeroBitCount - smallest.trailingZeroBitCount }

    /// A block of `blockSize(for: count)` bytes.
    func take(_ count: Int) -> UnsafeMutableRawPointer {
        let size = Self.blockSize(for: count)
        let index = Self.classIndex(size)
        // Safe because a kept block holds the address of the next one in its first bytes.
        if index < Self.classes, let block = unsafe free[index] {
            unsafe free[index] = block.load(as: UnsafeMutableRawPointer?.self)
            kept -= size
            return unsafe block
        }
        guard let block = unsafe malloc(size) else { fatalError("out of memory for a block of \(size) bytes") }
        return unsafe block
    }

    @inline(__always)
    func takeSmallest() -> UnsafeMutableRawPointer {
        guard let block = unsafe free[0] else { return unsafe take(Self.smallest) }
        // Safe for the same reason.
        unsafe free[0] = block.load(as: UnsafeMutableRawPointer?.self)
        kept -= Self.smallest
        return unsafe block
    }

    @inline(__always)
    func give(_ block: UnsafeMutableRawPointer, size: Int) {
        guard size == Self.smallest, kept < keepLimit else { return unsafe giveAny(block, size: size) }
        unsafe block.storeBytes(of: free[0], as: UnsafeMutableRawPointer?.self)
        unsafe free[0] = block
        kept += Self.smallest
    }

    private func giveAny(_ block: UnsafeMutableRawPointer, size: Int) {
        let index = Self.classIndex(size)
        if index < Self.classes, kept + size <= keepLimit {
            unsafe block.storeBytes(of: free[index], as: UnsafeMutableRawPointer?.self)
            unsafe free[index] = block
            kept += size
        } else {
            unsafe Glibc.free(block)
        }
    }
}
