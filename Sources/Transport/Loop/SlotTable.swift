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

    /// A tenant's slot. It is the tenant's until it moves out; whoever keeps a handle knows when that is.
    @safe
    struct Handle {
        fileprivate let slot: UnsafeMutablePointer<Slot>
        let id: SlotID

        // Safe because slots never move, and a payload is plain bytes: a stale handle reads another tenant's, no more.
        @inline(__always) var payload: Payload {
            get { unsafe slot.pointee.payload }
            nonmutating _modify { yield unsafe &slot.pointee.payload }
        }
    }

    let capacity: Int
    private let slots: UnsafeMutablePointer<Slot>
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
    func insert(_ payload: Payload) -> Handle? {
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
        return unsafe Handle(slot: slots + Int(slot), id: SlotID(slot: slot, generation: generation))
    }

    /// The tenant's slot, or nil when it has moved out.
    @inline(__always)
    func find(_ id: SlotID) -> Handle? {
        guard id.slot < used else { return nil }
        let slot = unsafe slots + Int(id.slot)  // Safe because id.slot < used.
        return unsafe slot.pointee.generation == id.generation ? Handle(slot: slot, id: id) : nil
    }

    /// The payload of a slot that has been used, whoever its tenant is or was.
    @inline(__always)
    func at(_ slot: UInt32) -> Handle {
        precondition(slot < used, "a slot that nobody has had")
        return unsafe Handle(slot: slots + Int(slot), id: SlotID(slot: slot, generation: 0))
    }

    /// Ends the tenancy. The id is dead at once; the slot rests until `recycle()`.
    func remove(_ tenant: Handle) {
        guard find(tenant.id) != nil else { return }
        unsafe tenant.slot.pointee.generation &+= 1
        unsafe tenant.slot.pointee.nextFree = retired
        retired = tenant.id.slot
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

    /// Bytes of the slots that have ever been used.
    var bytes: Int { Int(used) * MemoryLayout<Slot>.stride }

    /// Calls `body` for tenants from `start` on, looking at so many slots at most; where to go on, or nil at the end.
    func forEach(from start: Int, atMost most: Int, _ body: (SlotID, Payload) -> Void) -> Int? {
        let end = min(Int(used), start + most)
        for slot in start..<max(start, end) where unsafe slots[slot].generation & 1 == 1 {
            unsafe body(SlotID(slot: UInt32(slot), generation: slots[slot].generation), slots[slot].payload)
        }
        return end < Int(used) ? end : nil
    }

    /// Calls `body` for every tenant, in the order of slots.
    func forEach(_ body: (SlotID, Payload) -> Void) {
        for slot in 0..<used where unsafe slots[Int(slot)].generation & 1 == 1 {
            unsafe body(SlotID(slot: slot, generation: slots[Int(slot)].generation), slots[Int(slot)].payload)
        }
    }
}
