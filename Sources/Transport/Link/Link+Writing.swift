import OmniwayTelemetry

/// The way down: from whoever writes, through the outbound queue, to the driver.
extension Link {
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

    /// Queues a frame of two parts: one look at the queue of a stream, one message on a link that keeps them.
    @inline(__always)
    public func write(_ head: RawSpan, _ rest: RawSpan) {
        // The slot of a link that has ended may be another's.
        guard state != .closed, slot.payload.flags.contains(.plain) else { return writeJoined(head, rest) }
        slot.payload.queue.append(head, pool: loop.pool)
        slot.payload.queue.append(rest, pool: loop.pool)
        slot.payload.writes &+= 1
        if !slot.payload.flags.contains(.dirty) { loop.markDirty(id) }
        if slot.payload.isHigh { queueIsHigh() }
    }

    @inline(never)
    private func writeJoined(_ head: RawSpan, _ rest: RawSpan) {
        guard keepsMessages else {
            write(head)
            return write(rest)
        }
        if mayPassOn {
            flags.insert(.sending)
            sendingKind = outgoingKind
            let taken = driver.send(head, rest, for: self)
            guard stillOpenAfterSend() else { return }
            if taken > 0 { return lastSent = loop.now }
        }
        loop.pool.join(head, rest) { write($0) }
    }

    /// Writes bytes of a stream that come from elsewhere, with what goes before them. While nothing waits, many go out
    /// at once from where they are, and only what the driver leaves is queued.
    public func pass(_ head: RawSpan, _ bytes: RawSpan) {
        guard bytes.byteCount >= Self.smallestPassed, state == .open, slot.payload.sendsNow,
            slot.payload.queue.isEmpty, !flags.contains(.sending)
        else { return write(head, bytes) }
        flags.insert(.sending)
        let taken =
            head.isEmpty ? driver.send(bytes, endOfMessage: false, for: self) : driver.send(head, bytes, for: self)
        guard stillOpenAfterSend() else { return }
        lastSent = loop.now
        guard taken < head.byteCount + bytes.byteCount else { return }
        if taken > 0 || head.isEmpty { slot.payload.block(limits) }
        let begun = min(taken, head.byteCount)
        write(head.extracting(droppingFirst: begun), bytes.extracting(droppingFirst: taken - begun))
    }
    /// Fewer are gathered until the turn ends: to ask the driver costs more than to copy them.
    private static let smallestPassed = 16 << 10

    /// Bytes of a stream that would not wait here. Who feeds the link reads no more at a time.
    public var room: Int { state == .open ? max(0, driver.room(for: self) - queued) : .max }

    /// For drivers: there is no room, whatever of the last bytes was taken. `sendable` tells of more.
    public func hasNoRoom() {
        guard state == .open else { return }
        slot.payload.block(limits)
        slot.payload.flags.formUnion([.full, .noRoom])
    }

    public func write(_ bytes: [UInt8], endOfMessage: Bool = true) {
        unsafe bytes.withUnsafeBytes { unsafe write(RawSpan(_unsafeBytes: $0), endOfMessage: endOfMessage) }
    }

    /// Queues a whole message that many links send. Large ones are not copied.
    public func write(_ shared: SharedBytes) {
        // A message that was begun is one piece in the queue, so its end is copied there.
        guard shared.count >= Self.smallestShared, !(keepsMessages && parts?.isUnended == true) else {
            return shared.withBytes(from: 0) { write($0) }
        }
        guard mayWrite(shared.count, endOfMessage: true) else { return }
        if flags.contains(.watched) { shared.withBytes(from: 0) { showWatch($0, isInbound: false) } }
        if parts == nil {
            var parts = PartQueue()
            let owned = slot.payload.queue.count
            if owned > 0 { parts.appendOwned(owned, endsMessage: false, outgoingKind) }
            self.parts = parts
            slot.payload.flags.remove(.plain)
        }
        parts?.appendShared(shared, outgoingKind)
        flags.insert(.hasParts)
        wasWritten()
    }
    private static let smallestShared = 4 << 10

    /// Bytes that wait to be sent.
    public var queued: Int {
        if state == .closed { return 0 }
        return slot.payload.queue.count + (parts?.sharedCount ?? 0)
    }
    /// The queue is above its high mark; `writable` tells when it is low again.
    public var isFull: Bool { if state == .closed { return false } else { return slot.payload.flags.contains(.full) } }

    /// The way of writes that are more than bytes at the end of a stream's queue.
    func writePart(_ bytes: RawSpan, endOfMessage: Bool) {
        if endOfMessage, mayPassOn { passOn(bytes) } else { queuePart(bytes, endOfMessage: endOfMessage) }
    }

    private var mayPassOn: Bool {
        flags.isDisjoint(with: [.hasParts, .finishing, .sending, .watched]) && flags.contains(.passesOn)
            && state == .open && !slot.payload.flags.contains(.blocked)
    }

    /// A whole message that nothing waits before goes to the driver without a stay in the queue.
    private func passOn(_ message: RawSpan) {
        flags.insert(.sending)
        sendingKind = outgoingKind
        let taken = driver.send(message, endOfMessage: true, for: self)
        guard stillOpenAfterSend() else { return }
        lastSent = loop.now
        guard taken < message.byteCount else { return }
        queuePart(message.extracting(droppingFirst: taken), endOfMessage: true)
        if state == .open { slot.payload.block(limits) }
    }

    private func queuePart(_ bytes: RawSpan, endOfMessage: Bool) {
        guard mayWrite(bytes.byteCount, endOfMessage: endOfMessage) else { return }
        if flags.contains(.watched) { showWatch(bytes, isInbound: false) }
        flags.insert(.hasParts)
        slot.payload.queue.append(bytes, pool: loop.pool)
        parts?.appendOwned(bytes.byteCount, endsMessage: endOfMessage && traits.keepsMessages, outgoingKind)
        wasWritten()
    }

    private func mayWrite(_ count: Int, endOfMessage: Bool) -> Bool {
        guard state != .closed, !flags.contains(.finishing) else {
            loop.counters.lateWrites.add(1)
            return false
        }
        let fits = queued + count <= limits.most && (parts?.count ?? 0) < PartQueue.most
        if traits.isReliable || (fits && !flags.contains(.droppingMessage)) { return true }
        // A message goes whole or not at all: what was queued of it before goes too.
        dropUnended()
        flags.insert(.droppingMessage)
        if endOfMessage {
            flags.remove(.droppingMessage)
            loop.counters.droppedMessages.add(1)
        }
        return false
    }

    private func dropUnended() {
        let count = parts?.cutUnended() ?? 0
        if count > 0 { slot.payload.queue.dropLast(count, pool: loop.pool) }
    }

    private func wasWritten() {
        loop.markDirty(id)
        if queued > limits.high || waitingMessages > mostMessages / 2 { queueIsHigh() }
    }

    func queueIsHigh() {
        // A connection that was not asked to take anything yet is not slow: what one turn writes may be much.
        if slot.payload.sendsNow || maySendNow && (queued > limits.most || slot.payload.hasManyWrites) {
            sendQueue()
            guard state == .open else { return }
        }
        let (messages, most) = (waitingMessages, mostMessages)
        queueWaits(queued)
        if queued > limits.most || messages > most {
            return close(.slowReader.with("\(queued) bytes in \(max(1, messages)) pieces wait for it"))
        }
        // A message that has not ended cannot leave: whoever writes it must be let, up to the limit.
        if queued - (parts?.unended ?? 0) > limits.high || messages > most / 2 { slot.payload.flags.insert(.full) }
    }

    private var maySendNow: Bool {
        state == .open && !keepsMessages && !flags.contains(.sending) && !slot.payload.flags.contains(.blocked)
    }

    private var mostMessages: Int { parts == nil ? limits.messages : min(limits.messages, PartQueue.most) }

    /// What is written within one turn does not wait yet, unless the connection takes no more. How many writes the rest
    /// of a queue is, is reckoned by its bytes.
    private var waitingMessages: Int {
        if let parts { return parts.count }
        return slot.payload.flags.contains(.blocked) ? Int(slot.payload.writes) : 0
    }

    func limitsChanged() {
        guard state != .closed else { return }
        slot.payload.obey(limits)
        if slot.payload.isHigh || queued > limits.high { queueIsHigh() }
    }

    // MARK: Sending

    /// Called by the loop for a dirty link that is not just a plain open stream.
    @inline(never)
    func flush() {
        guard state != .closed else { return }
        slot.payload.flags.remove(.owesMore)
        if flags.contains(.mustRedeliver) { redeliver() }
        guard state == .open, !slot.payload.flags.contains(.blocked) || queued == 0 else { return }
        sendQueue()
        guard state == .open else { return }
        if slot.payload.isFullOfBytes, queued <= limits.low, waitingMessages <= mostMessages / 4 {
            slot.payload.flags.remove(.full)
            handler.writable(self)
            letGo()
        }
        guard state == .open else { return }
        if flags.contains(.finishing), !flags.contains(.finished), queued == 0 { finishNow() }
    }

    /// Something besides sending is to be done at the end of the turn.
    func owesMore() {
        slot.payload.flags.insert(.owesMore)
        loop.markDirty(id)
    }

    func sendQueue() {
        if slot.payload.flags.contains(.plain) || parts == nil { sendBytes(on: loop) } else { sendParts() }
    }

    /// The link is being closed: what waits for room in another link's queue goes there all the same, up to its limit.
    func sendLast() {
        if keepsMessages { flags.insert(.leaving) } else if slot.payload.flags.contains(.blocked) { return }
        sendQueue()
    }

    /// For drivers of messages that only queue: being full is no reason to leave anything of this link behind.
    public var isLeaving: Bool { flags.contains(.leaving) }

    @inline(__always)
    func sendBytes(on loop: Loop) {
        let count = slot.payload.queue.count
        if count == 0 { return }
        flags.insert(.sending)
        let taken = slot.payload.queue.withBytes { driver.send($0, endOfMessage: false, for: self) }
        guard stillOpenAfterSend() else { return }
        lastSent = loop.now
        slot.payload.queue.drop(taken, pool: loop.pool)
        slot.payload.sent(taken, of: count)
        guard taken < count else { return }
        slot.payload.block(limits)
        queueWaits(count)
        if slot.payload.isHigh { queueIsHigh() }
    }

    /// A link that ends within its driver's `send` keeps its queue until the driver has returned: it reads from there.
    @inline(__always)
    private func stillOpenAfterSend() -> Bool {
        flags.remove(.sending)
        if state == .open { return true }
        discardQueue()
        return false
    }

    func discardQueue() {
        guard !flags.contains(.sending) else { return }
        slot.payload.queue.clear(pool: loop.pool)
        parts = nil
    }

    private func sendParts() {
        while let part = nextPart {
            flags.insert(.sending)
            sendingKind = part.kind
            let taken = send(part)
            guard stillOpenAfterSend() else { return }
            if taken > 0 {
                lastSent = loop.now
                if part.shared == nil { slot.payload.queue.drop(taken, pool: loop.pool) }
            }
            if taken > 0 || part.count == 0 { parts?.sent(taken) }
            if taken < part.count {
                slot.payload.block(limits)
                queueWaits(queued + taken)
                return
            }
        }
        if parts?.isEmpty ?? true { flags.remove(.hasParts) }
        if !traits.keepsMessages {  // The shared bytes are out; writes are plain again.
            parts = nil
            writesPlainly()
        }
    }

    /// Bytes go to the end of the queue without a look at the link, where that is all there is to it.
    func writesPlainly() {
        guard state != .closed, !keepsMessages else { return }
        let isPlain = parts == nil && flags.isDisjoint(with: [.finishing, .watched])
        if isPlain { slot.payload.flags.insert(.plain) } else { slot.payload.flags.remove(.plain) }
    }

    /// A message goes to its driver whole.
    private var nextPart: PartQueue.Part? {
        guard let part = parts?.first, part.endsMessage || !traits.keepsMessages else { return nil }
        return part
    }

    private func send(_ part: PartQueue.Part) -> Int {
        if let shared = part.shared {
            return shared.withBytes(from: shared.count - part.count) {
                driver.send($0, endOfMessage: part.endsMessage && traits.keepsMessages, for: self)
            }
        }
        return slot.payload.queue.withBytes {
            driver.send($0.extracting(first: part.count), endOfMessage: part.endsMessage, for: self)
        }
    }

    /// For drivers that took less than they were given: they can take more.
    public func sendable() {
        guard state != .closed else { return }
        slot.payload.unblock()
        loop.markDirty(id)
    }
}
