import OmniwayTelemetry
import OmniwayTransport

/// What somebody wants to hear of a port. It lives on the port's loop.
public final class BusSubscription {
    /// What was subscribed to.
    public let subject: String
    /// Of those who subscribe in the same group, each message goes to one.
    public let group: String?
    let sid: UInt64
    private weak var port: BusPort?
    private var receive: (BusMessage) -> Void
    private var state = State.active
    private var waiting = BusQueue()
    private var isHandingOut = false
    private var ended: [() -> Void] = []
    /// Messages that were dropped because too many waited.
    public private(set) var dropped: UInt64 = 0
    /// Messages that wait, and then their bytes, may be so many; the newest are dropped beyond.
    public var pendingLimits: (messages: Int, bytes: Int)

    private enum State { case active, flushing, flushed, ended }

    /// While it is paused messages wait.
    public private(set) var isPaused = false

    init(_ subject: String, group: String?, sid: UInt64, of port: BusPort, _ receive: @escaping (BusMessage) -> Void) {
        (self.subject, self.group, self.sid, self.port, self.receive) = (subject, group, sid, port, receive)
        pendingLimits = (port.limits.pendingMessages, port.limits.pendingBytes)
    }

    /// Messages that wait.
    public var pending: Int { waiting.count }
    /// It was cancelled, or drained.
    public var hasEnded: Bool { state == .ended }

    /// Messages wait from now on, up to `pendingLimits`: for a consumer that is busy.
    public func pause() { isPaused = true }

    /// Hands out what has waited, until it is paused again.
    public func resume() {
        isPaused = false
        guard !isHandingOut, let port else { return }
        isHandingOut = true
        while !isPaused, let envelope = waiting.takeFirst() {
            port.counters.pending.add(-1)
            envelope.open(on: port) { receive($0) }
        }
        isHandingOut = false
        endIfDrained()
    }

    /// Ends it at once. What waits is dropped.
    public func cancel() {
        if state == .ended { return }
        if state == .active { port?.unsubscribe(sid) }
        end()
    }

    /// Takes no more; what has been published before still comes. Then `done` is called.
    public func drain(_ done: @escaping () -> Void = {}) {
        if state == .ended { return done() }
        ended.append(done)
        guard state == .active, let port else { return }
        state = .flushing
        port.unsubscribe(sid)
        // A connection that is lost brings nothing more either.
        port.flush { [weak self] _ in
            guard let self, self.state == .flushing else { return }
            self.state = .flushed
            self.endIfDrained()
        }
    }

    private func endIfDrained() { if state == .flushed, waiting.isEmpty, !isHandingOut { end() } }

    private func end() {
        state = .ended
        port?.forget(self)
        port?.counters.pending.add(-Int64(waiting.count))
        waiting = BusQueue()
        receive = { _ in }
        for done in exchange(&ended, with: []) { done() }
    }

    /// Still wanted of the bus.
    var isActive: Bool { state == .active }

    @inline(__always)
    func deliver(_ message: BusMessage, from port: BusPort) {
        if isPaused || isHandingOut || !waiting.isEmpty { keep(message, port) } else { receive(message) }
    }

    private func keep(_ message: BusMessage, _ port: BusPort) {
        guard state != .ended else { return }
        let size = message.payload.byteCount
        guard waiting.count < pendingLimits.messages, waiting.bytes + size <= pendingLimits.bytes else {
            dropped += 1
            port.counters.dropped.add(1)
            return
        }
        waiting.append(message.envelope)
        port.counters.pending.add(1)
    }
}

/// Messages in the order in which they came. Empty, it owns nothing.
struct BusQueue {
    private var envelopes: [BusEnvelope?] = []
    private var head = 0
    /// Of their payloads.
    private(set) var bytes = 0

    var count: Int { envelopes.count - head }
    var isEmpty: Bool { envelopes.isEmpty }

    mutating func append(_ envelope: BusEnvelope) {
        bytes += envelope.parts.payload.count
        envelopes.append(envelope)
    }

    mutating func takeFirst() -> BusEnvelope? {
        guard head < envelopes.count, let first = envelopes[head] else { return nil }
        envelopes[head] = nil
        head += 1
        bytes -= first.parts.payload.count
        if head == envelopes.count {
            envelopes = []
            head = 0
        } else if head >= 64, head * 2 >= envelopes.count {
            envelopes.removeFirst(head)
            head = 0
        }
        return first
    }
}

/// The subscriptions of a port, each by a number that is never used again: messages of one that has ended may still be
/// on their way.
struct BusSubscriptions {
    private var slots: [(generation: UInt32, subscription: BusSubscription?)] = [(0, nil)]
    private var free: [UInt32] = []
    private(set) var count = 0

    /// That of answers to requests. Slot zero is nobody's.
    static let inbox: UInt64 = 1 << 24

    /// The number for the next: the slot in the low 24 bits, above them how often it was used.
    mutating func reserve() -> UInt64 {
        let slot = free.popLast() ?? UInt32(slots.count)
        if Int(slot) == slots.count { slots.append((0, nil)) }
        return UInt64(slots[Int(slot)].generation) << 24 | UInt64(slot)
    }

    mutating func set(_ subscription: BusSubscription) {
        slots[Int(subscription.sid & 0xff_ffff)].subscription = subscription
        count += 1
    }

    @inline(__always)
    func find(_ sid: UInt64) -> BusSubscription? {
        let slot = Int(sid & 0xff_ffff)
        guard slot < slots.count, UInt64(slots[slot].generation) == sid >> 24 else { return nil }
        return slots[slot].subscription
    }

    mutating func remove(_ sid: UInt64) {
        guard find(sid) != nil else { return }
        let slot = Int(sid & 0xff_ffff)
        slots[slot].subscription = nil
        slots[slot].generation &+= 1
        free.append(UInt32(slot))
        count -= 1
    }

    /// Those that the bus is to know of, from a slot on, in the order of their slots, until `body` says false. Where
    /// it stopped, or nil at the end.
    func active(from start: Int, _ body: (BusSubscription) -> Bool) -> Int? {
        for slot in slots.indices.dropFirst(start) {
            if let subscription = slots[slot].subscription, subscription.isActive, !body(subscription) {
                return slot + 1
            }
        }
        return nil
    }

    var all: [BusSubscription] { slots.compactMap(\.subscription) }

    static func slot(of sid: UInt64) -> Int { Int(sid & 0xff_ffff) }
}
