import OmniwayTransport

/// What became of a request: the answer, or why there is none. Its bytes are gone when the call that brought it
/// returns.
public enum BusOutcome: ~Escapable {
    case success(BusMessage)
    case failure(BusError)
}

/// Who is told, once.
public typealias BusAnswer = (BusOutcome) -> Void

/// The requests of a port that wait for answers, each by a token that is never used again.
struct BusRequests {
    struct Waiting {
        let subject: String
        let deadline: Duration
        let answer: BusAnswer
        var timer: TimerID?
    }
    private var slots: [(generation: UInt32, waiting: Waiting?)] = []
    private var free: [UInt32] = []
    private let limit: Int
    private(set) var count = 0

    init(limit: Int) { self.limit = min(limit, 1 << 24) }

    var isFull: Bool { count >= limit }

    /// The token: the slot in the low 24 bits, above them how often it was used.
    mutating func add(_ waiting: Waiting) -> UInt64 {
        let slot = free.popLast() ?? UInt32(slots.count)
        if Int(slot) == slots.count { slots.append((0, nil)) }
        slots[Int(slot)].generation &+= 1
        slots[Int(slot)].waiting = waiting
        count += 1
        return UInt64(slots[Int(slot)].generation) << 24 | UInt64(slot)
    }

    mutating func set(_ timer: TimerID, for token: UInt64) {
        if let slot = find(token) { slots[slot].waiting?.timer = timer }
    }

    /// Nil for one that has ended.
    mutating func take(_ token: UInt64) -> Waiting? {
        guard let slot = find(token), let waiting = slots[slot].waiting else { return nil }
        slots[slot].waiting = nil
        free.append(UInt32(slot))
        count -= 1
        return waiting
    }

    /// All of them, in the order of their slots.
    mutating func takeAll() -> [Waiting] {
        var all: [Waiting] = []
        for slot in slots.indices {
            guard let waiting = slots[slot].waiting else { continue }
            slots[slot].waiting = nil
            free.append(UInt32(slot))
            all.append(waiting)
        }
        count = 0
        return all
    }

    private func find(_ token: UInt64) -> Int? {
        let slot = Int(token & 0xff_ffff)
        guard slot < slots.count, UInt64(slots[slot].generation) == token >> 24 else { return nil }
        return slot
    }
}
