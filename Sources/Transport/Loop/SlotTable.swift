import Glibc

/// A slot and the generation of its tenant. Never zero, so zero can mean nobody.
struct SlotID: Equatable {
    var rawValue: UInt64
    init(rawValue: UInt64) { self.rawValue = rawValue }
    init(slot: UInt32, generation: UInt32) { rawValue = UInt64(generation) << 32 | UInt64(slot) }
    var slot: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
    var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }
}

/// Plain values by slot, at addresses that never change: room for `capacity` is reserved at once and paid page by page.
/// A slot that was freed serves again only after `recycle()`, and then under another generation.
@safe
final class SlotTable<Payload: BitwiseCopyable> {
    struct Slot {
        var generation: UInt32  // Odd while somebody lives here.
        var nextFree: UInt32
        var payload: Payload
    }

    /// The address of a slot's payload; it is the payload's for as long as its tenant lives.
    static func payload(_ slot: UnsafeMutablePointer<Slot>) -> UnsafeMutablePointer<Payload> {
        // Safe because the key path names a stored property of the slot.
        unsafe UnsafeMutableRawPointer(slot).advanced(by: MemoryLayout<Slot>.offset(of: \.payload) ?? 0)
            .assumingMemoryBound(to: Payload.self)
    }

    let capacity: Int
    let slots: UnsafeMutablePointer<Slot>
    private var used: UInt32 = 0
    private var free = UInt32.max
    private var retired = UInt32.max
    private(set) var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        let memory = unsafe mmap(
            nil, capacity * MemoryLayout<Slot>.stride, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | Int32(MAP_NORESERVE), -1, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            fatalError("no address space for a table of \(capacity) slots")
        }
        unsafe slots = memory.bindMemory(to: Slot.self, capacity: capacity)
    }

    deinit { unsafe munmap(slots, capacity * MemoryLayout<Slot>.stride) }

    /// A new tenant, or nil when the table is full.
    func insert(_ payload: Payload) -> SlotID? {
        let slot: UInt32
        if free != .max {
            slot = free
            free = unsafe slots[Int(slot)].nextFree
        } else if used < UInt32(capacity) {
            slot = used
            used += 1
        } else {
            return nil
        }
        // Safe because slot < used <= capacity; fresh pages are zero, which is a valid generation.
        let generation = unsafe slots[Int(slot)].generation &+ 1
        unsafe slots[Int(slot)] = Slot(generation: generation, nextFree: .max, payload: payload)
        count += 1
        return SlotID(slot: slot, generation: generation)
    }

    /// The tenant's payload, or nil when it has moved out.
    @inline(__always)
    func find(_ id: SlotID) -> UnsafeMutablePointer<Slot>? {
        guard id.slot < used else { return nil }
        let slot = unsafe slots + Int(id.slot)
        return unsafe slot.pointee.generation == id.generation ? slot : nil
    }

    /// Ends the tenancy. The id is dead at once; the slot rests until `recycle()`.
    func remove(_ id: SlotID) {
        guard let slot = unsafe find(id) else { return }
        unsafe slot.pointee.generation &+= 1
        unsafe slot.pointee.nextFree = retired
        retired = id.slot
        count -= 1
    }

    func recycle() {
        while retired != .max {
            let slot = retired
            retired = unsafe slots[Int(slot)].nextFree
            unsafe slots[Int(slot)].nextFree = free
            free = slot
        }
    }

    /// Calls `body` for every tenant, in the order of slots.
    func forEach(_ body: (SlotID, Payload) -> Void) {
        for slot in 0..<used where unsafe slots[Int(slot)].generation & 1 == 1 {
            unsafe body(SlotID(slot: slot, generation: slots[Int(slot)].generation), slots[Int(slot)].payload)
        }
    }
}
