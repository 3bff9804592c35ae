import Glibc

/// Blocks of one loop in growing sizes. What was freed last is given first, while it is still in the cache.
/// Blocks beyond the limits go back to the system; so do the few that are larger than the largest size.
@safe
final class BufferPool {
    /// Free blocks as a list through their first bytes, and what is known without walking it.
    @safe
    private struct Size {
        let bytes: Int
        var next: UnsafeMutableRawPointer?
        /// Not counted for the smallest: `kept` says it.
        var free = 0
        var allocated: UInt64 = 0
        var returned: UInt64 = 0
    }

    let smallest: Int
    private let limits: PoolLimits
    private let sizes: UnsafeMutablePointer<Size>
    private let sizeCount: Int
    private(set) var kept = 0
    /// Bytes of `kept` that are not in smallest blocks.
    private var keptLarger = 0
    /// While less than this is kept, a smallest block is kept too. It moves with `keptLarger`.
    private var keepsSmallestBelow = 0
    private var larger = (allocated: UInt64(0), returned: UInt64(0))

    init(_ limits: PoolLimits = PoolLimits()) {
        self.limits = limits
        smallest = limits.smallest
        let bytes = limits.sizes
        unsafe sizes = .allocate(capacity: bytes.count)
        sizeCount = bytes.count
        for index in bytes.indices { unsafe (sizes + index).initialize(to: Size(bytes: bytes[index])) }
        largerChanged(by: 0)
    }

    deinit {
        for index in 0..<sizeCount {
            while let block = unsafe sizes[index].next {
                unsafe sizes[index].next = block.load(as: UnsafeMutableRawPointer?.self)
                unsafe Glibc.free(block)
            }
        }
        unsafe sizes.deallocate()
    }

    private func largerChanged(by bytes: Int) {
        keptLarger += bytes
        keepsSmallestBelow = min(limits.kept, limits.keptPerSize + keptLarger)
    }

    /// The size of the block that `take(count)` gives.
    func blockSize(for count: Int) -> Int {
        for index in 0..<sizeCount where unsafe sizes[index].bytes >= count { return unsafe sizes[index].bytes }
        return 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
    }

    /// The place of the size, or nil for one that is not kept.
    private func place(of size: Int) -> Int? {
        for index in 0..<sizeCount where unsafe sizes[index].bytes == size { return index }
        return nil
    }

    /// Two pieces as one, for as long as `body` runs.
    func join<R>(_ head: RawSpan, _ rest: RawSpan, _ body: (RawSpan) -> R) -> R {
        let count = head.byteCount + rest.byteCount
        let block = unsafe take(max(count, 1))
        defer { unsafe give(block, size: max(count, 1)) }
        let room = unsafe UnsafeMutableRawBufferPointer(start: block, count: count)
        // Safe because the room is as large as both.
        unsafe head.withUnsafeBytes { unsafe room.copyMemory(from: $0) }
        unsafe rest.withUnsafeBytes {
            unsafe UnsafeMutableRawBufferPointer(rebasing: room[head.byteCount...]).copyMemory(from: $0)
        }
        return body(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(room)))
    }

    /// A block of `blockSize(for: count)` bytes.
    func take(_ count: Int) -> UnsafeMutableRawPointer {
        let size = blockSize(for: count)
        let place = place(of: size)
        // Safe because a kept block holds the address of the next one in its first bytes.
        if let place, let block = unsafe sizes[place].next {
            unsafe sizes[place].next = block.load(as: UnsafeMutableRawPointer?.self)
            kept -= size
            if place > 0 {
                unsafe sizes[place].free -= 1
                largerChanged(by: -size)
            }
            return unsafe block
        }
        guard let block = unsafe malloc(size) else { fatalError("out of memory for a block of \(size) bytes") }
        if let place { unsafe sizes[place].allocated += 1 } else { larger.allocated += 1 }
        return unsafe block
    }

    @inline(__always)
    func takeSmallest() -> UnsafeMutableRawPointer {
        // Safe for the same reason, and because there is a first size.
        guard let block = unsafe sizes.pointee.next else { return unsafe take(smallest) }
        unsafe sizes.pointee.next = block.load(as: UnsafeMutableRawPointer?.self)
        kept -= smallest
        return unsafe block
    }

    @inline(__always)
    func give(_ block: UnsafeMutableRawPointer, size: Int) {
        guard size == smallest, kept < keepsSmallestBelow else { return unsafe giveAny(block, size: size) }
        unsafe block.storeBytes(of: sizes.pointee.next, as: UnsafeMutableRawPointer?.self)
        unsafe sizes.pointee.next = block
        kept += smallest
    }

    /// `count` is what was asked for, or the size of the block.
    private func giveAny(_ block: UnsafeMutableRawPointer, size count: Int) {
        let size = blockSize(for: count)
        guard let place = place(of: size), keeps(place, size) else {
            unsafe Glibc.free(block)
            if let place = place(of: size) { unsafe sizes[place].returned += 1 } else { larger.returned += 1 }
            return
        }
        unsafe block.storeBytes(of: sizes[place].next, as: UnsafeMutableRawPointer?.self)
        unsafe sizes[place].next = block
        kept += size
        guard place > 0 else { return }
        unsafe sizes[place].free += 1
        largerChanged(by: size)
    }

    private func keeps(_ place: Int, _ size: Int) -> Bool {
        if place == 0 { return kept < keepsSmallestBelow }
        return unsafe kept + size <= limits.kept && (sizes[place].free + 1) * size <= limits.keptPerSize
    }

    /// What each size is doing, the smallest first; the last are those that are never kept.
    var use: [PoolUse] {
        (0..<sizeCount).map { place in
            let (size, allocated, returned) = unsafe (sizes[place].bytes, sizes[place].allocated, sizes[place].returned)
            let free = place == 0 ? (kept - keptLarger) / smallest : unsafe sizes[place].free
            return PoolUse(size: size, taken: Int(allocated - returned) - free, free: free, allocated: allocated)
        } + [
            PoolUse(
                size: nil, taken: Int(larger.allocated - larger.returned), free: 0, allocated: larger.allocated)
        ]
    }
}
