import OmniwayTelemetry

/// A two-way flow of bytes owned by one loop: a driver below it, a handler above it, a bounded queue in between.
/// It closes once, with a reason.
@safe
public final class Link {
    public let loop: Loop
    public enum State: Sendable { case connecting, open, closed }

    // Stored apart from their public names: only what the module alone can reach is free of run-time exclusivity checks.
    private var currentID = LinkID.none
    private var currentState = State.connecting
    private var currentTraits: LinkTraits
    private var currentHandler: any LinkHandler
    private var currentLimits: QueueLimits
    private var heardAt: Moment

    let driver: any LinkDriver
    var unread = ByteQueue()
    /// The bytes in the handler's hands, so that a link detached meanwhile can take the rest along.
    var chunk = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    var flags: Flags = []
    var holds: UInt32 = 0
    /// Links whose reading waits until this one is writable.
    var heldBack: [LinkID] = []
    private var parts: PartQueue?
    private let entry: UnsafeMutablePointer<LinkEntry>
    private var lastSent: Moment
    private var idleNanoseconds: Int64 = 0
    private var idleTimer: TimerID?
    private var closeReason = CloseReason.done

    struct Flags: OptionSet {
        let rawValue: UInt16
        static let pausedByHandler = Flags(rawValue: 1)
        static let pausedDriver = Flags(rawValue: 2)
        /// `finish()` was called; the driver hears of it after the last byte.
        static let finishing = Flags(rawValue: 4)
        static let finished = Flags(rawValue: 8)
        static let peerFinished = Flags(rawValue: 16)
        /// The handler has not heard of the peer's end yet: reading was paused.
        static let owesFinished = Flags(rawValue: 32)
        /// Unread bytes or a peer's end are to be delivered at the end of the turn.
        static let mustRedeliver = Flags(rawValue: 64)
        /// The rest of a message that did not fit is dropped too.
        static let droppingMessage = Flags(rawValue: 128)
        static let keepsMessages = Flags(rawValue: 256)
        /// The handler was replaced; what the old one leaves is the new one's.
        static let newHandler = Flags(rawValue: 512)
        static let hasEnded = Flags(rawValue: 1024)
    }

    /// A link whose driver will call `opened`. Nil when the loop has no slot for another.
    public init?(
        on loop: Loop, traits: LinkTraits, limits: QueueLimits = QueueLimits(),
        driver: any LinkDriver, handler: any LinkHandler
    ) {
        guard !loop.isEnding, let id = loop.links.insert(LinkEntry(highMark: limits.high)),
            let slot = unsafe loop.links.find(id)
        else {
            loop.counters.refusedLinks.add(1)
            return nil
        }
        self.loop = loop
        currentID = LinkID(id)
        currentTraits = traits
        currentLimits = limits
        currentHandler = handler
        self.driver = driver
        heardAt = loop.now
        lastSent = loop.now
        unsafe entry = SlotTable<LinkEntry>.payload(slot)
        unsafe entry.pointee.settle(self)
        unsafe entry.pointee.flags = traits.keepsMessages ? .blocked : [.blocked, .plain]
        if traits.keepsMessages {
            flags = .keepsMessages
            parts = PartQueue()
        }
        loop.counters.openedLinks.add(1)
    }

    public var id: LinkID { currentID }
    public var traits: LinkTraits { currentTraits }
    /// Connecting and open links take writes; later ones are counted and dropped.
    public var state: State { currentState }
    /// The last time that anything arrived.
    public var lastHeard: Moment { heardAt }

    /// May be replaced at any time, also by itself in `receive`: what it left unread goes to the new one.
    public var handler: any LinkHandler {
        get { currentHandler }
        set {
            currentHandler = newValue
            flags.insert(.newHandler)
        }
    }

    public var limits: QueueLimits {
        get { currentLimits }
        set {
            currentLimits = newValue
            limitsChanged()
        }
    }

    // MARK: Writing

    /// Queues bytes, to be sent at the end of the turn. On a link that keeps messages, pieces are one message
    /// up to the one that ends it.
    public func write(_ bytes: RawSpan, endOfMessage: Bool = true) {
        if endOfMessage || !traits.keepsMessages {
            loop.write(bytes, to: id)
        } else if state == .closed {
            loop.counters.lateWrites.add(1)
        } else {
            writePart(bytes, endOfMessage: false)
        }
    }

    public func write(_ bytes: [UInt8], endOfMessage: Bool = true) {
        unsafe bytes.withUnsafeBytes { unsafe write(RawSpan(_unsafeBytes: $0), endOfMessage: endOfMessage) }
    }

    /// Queues a whole message that many links send. Large ones are not copied.
    public func write(_ shared: SharedBytes) {
        guard shared.count >= Self.smallestShared else {
            return shared.withBytes(from: 0) { write($0) }
        }
        guard mayWrite(shared.count, endOfMessage: true) else { return }
        if parts == nil {
            var parts = PartQueue()
            let owned = unsafe entry.pointee.queue.count
            if owned > 0 { parts.appendOwned(owned, endsMessage: false) }
            self.parts = parts
            unsafe entry.pointee.flags.remove(.plain)
        }
        parts?.appendShared(shared)
        wasWritten()
    }
    private static let smallestShared = 4 << 10

    /// Bytes that wait to be sent.
    public var queued: Int {
        if state == .closed { return 0 }
        return unsafe entry.pointee.queue.count + (parts?.sharedCount ?? 0)
    }
    /// The queue is above its high mark; `writable` tells when it is low again.
    public var isFull: Bool { if state == .closed { return false } else { return unsafe entry.pointee.flags.contains(.full) } }

    /// The way of writes that are more than bytes at the end of a stream's queue.
    func writePart(_ bytes: RawSpan, endOfMessage: Bool) {
        guard mayWrite(bytes.byteCount, endOfMessage: endOfMessage) else { return }
        unsafe entry.pointee.queue.append(bytes, pool: loop.pool)
        parts?.appendOwned(bytes.byteCount, endsMessage: endOfMessage && traits.keepsMessages)
        wasWritten()
    }

    private func mayWrite(_ count: Int, endOfMessage: Bool) -> Bool {
        guard state != .closed, !flags.contains(.finishing) else {
            loop.counters.lateWrites.add(1)
            return false
        }
        if traits.isReliable || (!flags.contains(.droppingMessage) && queued + count <= limits.most) { return true }
        flags.insert(.droppingMessage)
        if endOfMessage {
            flags.remove(.droppingMessage)
            loop.counters.droppedMessages.add(1)
        }
        return false
    }

    private func wasWritten() {
        loop.markDirty(id)
        if queued > limits.high { queueIsHigh() }
    }

    func queueIsHigh() {
        unsafe entry.pointee.flags.insert(.full)
        if queued > limits.most { close(.slowReader.with("\(queued) bytes wait for it")) }
    }

    private func limitsChanged() {
        guard state != .closed else { return }
        unsafe entry.pointee.highMark = UInt32(limits.high)
        if queued > limits.high { queueIsHigh() }
    }

    // MARK: Sending

    /// Called by the loop for a dirty link that is not just a plain open stream.
    @inline(never)
    func flush() {
        guard state != .closed else { return }
        unsafe entry.pointee.flags.remove(.owesMore)
        if flags.contains(.mustRedeliver) { redeliver() }
        guard state == .open, unsafe !entry.pointee.flags.contains(.blocked) else { return }
        sendQueue()
        guard state == .open else { return }
        if unsafe entry.pointee.flags.contains(.full), queued <= limits.low {
            unsafe entry.pointee.flags.remove(.full)
            handler.writable(self)
            letGo()
        }
        if flags.contains(.finishing), !flags.contains(.finished), queued == 0 { finishNow() }
    }

    /// Something besides sending is to be done at the end of the turn.
    func owesMore() {
        unsafe entry.pointee.flags.insert(.owesMore)
        loop.markDirty(id)
    }

    private func sendQueue() {
        if unsafe entry.pointee.flags.contains(.plain) || parts == nil { sendBytes(on: loop) } else { sendParts() }
    }

    @inline(__always)
    func sendBytes(on loop: Loop) {
        let count = unsafe entry.pointee.queue.count
        if count == 0 { return }
        let taken = unsafe entry.pointee.queue.withBytes { driver.send($0, endOfMessage: false, for: self) }
        guard state == .open else { return }
        lastSent = loop.now
        unsafe entry.pointee.queue.drop(taken, pool: loop.pool)
        if taken < count { unsafe entry.pointee.flags.insert(.blocked) }
    }

    private func sendParts() {
        while let part = nextPart {
            let taken = send(part)
            guard state == .open else { return }
            if taken > 0 {
                lastSent = loop.now
                if part.shared == nil { unsafe entry.pointee.queue.drop(taken, pool: loop.pool) }
            }
            if taken > 0 || part.count == 0 { parts?.sent(taken) }
            if taken < part.count {
                unsafe entry.pointee.flags.insert(.blocked)
                return
            }
        }
        if !traits.keepsMessages {  // The shared bytes are out; writes are plain again.
            parts = nil
            if !flags.contains(.finishing) { unsafe entry.pointee.flags.insert(.plain) }
        }
    }

    /// A message goes to its driver whole.
    private var nextPart: PartQueue.Part? {
        guard let part = parts?.first, part.endsMessage || !traits.keepsMessages else { return nil }
        return part
    }

    private func send(_ part: PartQueue.Part) -> Int {
        if let shared = part.shared {
            return shared.withBytes(from: shared.count - part.count) {
                driver.send($0, endOfMessage: part.endsMessage, for: self)
            }
        }
        return unsafe entry.pointee.queue.withBytes {
            driver.send($0.extracting(first: part.count), endOfMessage: part.endsMessage, for: self)
        }
    }

    /// For drivers that took less than they were given: they can take more.
    public func sendable() {
        guard state != .closed else { return }
        unsafe entry.pointee.flags.remove(.blocked)
        loop.markDirty(id)
    }

    // MARK: Opening

    /// For drivers that learn the peer when they are connected.
    func setPeer(_ peer: SocketAddress) { currentTraits.peer = peer }

    /// For drivers: connected, and all handshakes are done.
    public func opened() {
        guard state == .connecting else { return }
        currentState = .open
        heardAt = loop.now
        lastSent = loop.now
        handler.opened(self)
        sendable()
    }

    // MARK: Ending

    /// No more will be written. What is queued goes out, then the peer hears the end; it may still send.
    public func finish() {
        guard state != .closed, !flags.contains(.finishing) else { return }
        flags.insert(.finishing)
        unsafe entry.pointee.flags.remove(.plain)
        owesMore()
    }

    private func finishNow() {
        flags.insert(.finished)
        if traits.halfCloses { driver.finish(self) }
        if flags.contains(.peerFinished) {
            close(.finished)
        } else if !traits.halfCloses {
            loop.after(Self.lingerLimit, self, token: Self.lingerToken)
        }
    }

    /// How long a link that cannot half-close waits for the peer's end after its own.
    static let lingerLimit = Duration.seconds(10)
    private static let lingerToken: UInt64 = 1
    private static let idleToken: UInt64 = 2
    static let letGoToken: UInt64 = 3

    /// Ends the link at once for its handler; what was written still goes out if the reason says so.
    public func close(_ reason: CloseReason) {
        guard state != .closed else { return }
        if state == .open, reason.sendsTheRest, unsafe !entry.pointee.flags.contains(.blocked) { sendQueue() }
        guard state != .closed else { return }
        let queue = leave(reason)
        // Messages that a driver has not taken are lost with it: their ends are known only here.
        if parts == nil {
            queue.withBytes { driver.close(reason, rest: $0, for: self) }
        } else {
            driver.close(reason, rest: RawSpan(), for: self)
        }
        discard(queue)
        loop.willTellClosed(self)
    }

    /// For drivers: nothing more goes through below.
    public func ended(_ reason: CloseReason) {
        guard state != .closed else { return }
        discard(leave(reason))
        loop.willTellClosed(self)
    }

    // MARK: Time

    /// Closes the link with `.idle` when nothing has gone either way for so long; zero means never.
    public var idleLimit: Duration {
        get { .nanoseconds(idleNanoseconds) }
        set {
            idleNanoseconds = newValue.nanoseconds
            if let idleTimer { loop.cancel(idleTimer) }
            idleTimer = idleNanoseconds > 0 && state != .closed ? loop.after(newValue, self, token: Self.idleToken) : nil
        }
    }

    private func checkIdle() {
        let quiet = loop.now - max(lastHeard, lastSent)
        if quiet >= idleLimit {
            close(.idle.with("nothing went either way for \(idleLimit)"))
        } else {
            idleTimer = loop.after(idleLimit - quiet, self, token: Self.idleToken)
        }
    }

    func heard() { heardAt = loop.now }

    // MARK: Moving

    /// What was written and not sent, for a link that takes it along.
    func takeUnsent(_ body: (RawSpan) -> Void) {
        while let part = parts?.first {
            if let shared = part.shared {
                shared.withBytes(from: shared.count - part.count, body)
            } else {
                unsafe entry.pointee.queue.withBytes { body($0.extracting(first: part.count)) }
                unsafe entry.pointee.queue.drop(part.count, pool: loop.pool)
            }
            parts?.sent(part.count)
        }
        unsafe entry.pointee.queue.withBytes { body($0) }
        unsafe entry.pointee.queue.clear(pool: loop.pool)
    }

    /// Goes on where the detached link stopped.
    func takeOver(_ detached: DetachedLink) {
        guard state != .closed else { return }
        if !detached.unsent.isEmpty { write(detached.unsent) }
        if detached.isFinishing { finish() }
        unsafe detached.unread.withUnsafeBytes { unsafe keep(RawSpan(_unsafeBytes: $0)) }
        if detached.peerFinished { flags.insert([.peerFinished, .owesFinished]) }
        flags.insert(.mustRedeliver)
        owesMore()
    }

    private func leave(_ reason: CloseReason) -> ByteQueue {
        currentState = .closed
        closeReason = reason
        let queue = unsafe entry.pointee.queue
        unsafe entry.pointee.flags = unsafe entry.pointee.flags.intersection(.dirty)
        if let idleTimer { loop.cancel(idleTimer) }
        loop.links.remove(id.slotID)
        loop.counters.closed(reason)
        letAllGo()
        return queue
    }

    private func discard(_ queue: ByteQueue) {
        var queue = queue
        queue.clear(pool: loop.pool)
        clearUnread()
    }

    /// The handler has heard of the end.
    public var hasEnded: Bool { flags.contains(.hasEnded) }

    /// At the end of the turn in which it was closed.
    func tellClosed() {
        flags.insert(.hasEnded)
        handler.closed(self, closeReason)
        currentHandler = loop.nobody  // It may hold the link.
        parts = nil
        unsafe entry.pointee.moveOut()
    }
}

extension Link: TimerTarget {
    public func timerFired(_ token: UInt64, on loop: Loop) {
        guard state != .closed else { return }
        switch token {
        case Self.idleToken: checkIdle()
        case Self.letGoToken: letGo()
        default: close(.lingered)
        }
    }
}
