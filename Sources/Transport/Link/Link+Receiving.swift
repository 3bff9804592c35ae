/// The way up: from the driver to the handler, and what happens when the handler does not take all of it.
extension Link {
    /// For drivers: bytes have arrived.
    public func deliver(_ bytes: RawSpan, endOfMessage: Bool = false) {
        deliverHere(bytes, endOfMessage: endOfMessage)
    }

    /// The same within its caller: a socket's bytes come this way.
    @inline(__always)
    private func deliverHere(_ bytes: RawSpan, endOfMessage: Bool) {
        guard state == .open else { return }
        heard()
        if !flags.isDisjoint(with: [.keepsMessages, .pausedDriver, .watched]) || !unread.isEmpty {
            return deliverSlowly(bytes, endOfMessage: endOfMessage)
        }
        let taken = handOnce(bytes)
        if taken < bytes.byteCount { offerAgain(bytes, taken: taken) }
    }

    private func deliverSlowly(_ bytes: RawSpan, endOfMessage: Bool) {
        if flags.contains(.watched) { showWatch(bytes, isInbound: true) }
        if flags.contains(.keepsMessages), isReading, !flags.contains(.hasPieces) {
            _ = handler.receive(bytes, endOfMessage: endOfMessage, from: self)
            return
        }
        if flags.contains(.keepsMessages) {
            flags.insert(.hasPieces)
            unreadPieces.append(
                MessagePiece(count: bytes.byteCount, endsMessage: endOfMessage, kind: incomingKind))
        }
        append(bytes)
        // Counted when the handler has taken what it can: together with what has waited, much may be whole now.
        if isReading { redeliver() }
        if state == .open { checkUnread() }
    }

    /// `count` bytes are in the loop's inbound buffer. A short rest of earlier ones is put in front of them.
    @inline(__always)
    func deliverInbound(_ count: Int, _ loop: Loop) {
        // Safe because the buffer has `count` bytes at its start, and room for `headroom` before it.
        if unread.isEmpty {
            deliverHere(unsafe RawSpan(_unsafeStart: loop.inbound.start, byteCount: count), endOfMessage: false)
        } else {
            deliverBehindUnread(count)
        }
    }

    private func deliverBehindUnread(_ count: Int) {
        let before = unread.count
        // A watch sees each byte once.
        if before > InboundBuffer.headroom || !isReading || flags.contains(.watched) {
            return deliver(unsafe RawSpan(_unsafeStart: loop.inbound.start, byteCount: count))
        }
        let start = unsafe loop.inbound.start - before
        unsafe unread.copy(to: start)
        clearUnread()
        deliver(unsafe RawSpan(_unsafeStart: start, byteCount: before + count))
    }

    /// For drivers: the peer will send nothing more.
    public func peerFinished() {
        guard state == .open, !flags.contains(.peerFinished) else { return }
        flags.insert([.peerFinished, .owesFinished])
        if isReading { tellFinished() }
    }

    private func tellFinished() {
        flags.remove(.owesFinished)
        if flags.contains(.finished) { close(.finished) } else { handler.finished(self) }
    }

    /// Gives the handler bytes; the count that it took, or all if the link is no longer open.
    @inline(__always)
    private func handOnce(_ bytes: RawSpan) -> Int {
        flags.remove(.newHandler)
        unsafe bytes.withUnsafeBytes { unsafe chunk = $0 }
        let count = handler.receive(bytes, endOfMessage: false, from: self)
        unsafe chunk = UnsafeRawBufferPointer(start: nil, count: 0)
        precondition(count >= 0 && count <= bytes.byteCount, "receive returned a count of bytes that it was not given")
        return state == .open ? count : bytes.byteCount
    }

    /// For a handler that hands the link on within `receive`: so many of the bytes in hand are not for the next one,
    /// who may detach the link with the rest.
    func used(_ count: Int) { unsafe chunk = UnsafeRawBufferPointer(rebasing: chunk.dropFirst(count)) }

    /// A handler that took only a part may have put another in its place, which has not seen the rest.
    private func offerAgain(_ bytes: RawSpan, taken: Int) {
        var rest = bytes.extracting(droppingFirst: taken)
        while flags.contains(.newHandler), isReading, !rest.isEmpty {
            rest = rest.extracting(droppingFirst: handOnce(rest))
        }
        if !rest.isEmpty { keep(rest) }
    }

    func keep(_ bytes: RawSpan) {
        append(bytes)
        checkUnread()
    }

    private func append(_ bytes: RawSpan) {
        // Changed as a copy: a change in place would cost every reader of `unread` a run-time check.
        var queue = unread
        queue.append(bytes, pool: loop.pool)
        unread = queue
    }

    /// A reading link waits for more of a piece, which has a limit. A paused one keeps what its driver had in hand;
    /// where the driver cannot be paused, that has the same limit.
    private func checkUnread() {
        guard unread.count + 32 * unreadPieces.count > limits.unread else { return }
        if isReading, !flags.contains(.keepsMessages) {
            close(.unreadLimit.with("\(unread.count) bytes wait for the end of one piece"))
        } else if traits.pausing == .buffers {
            close(.slowReader.with("\(unread.count) bytes wait to be read"))
        }
    }

    /// Offers what was left unread once more.
    func redeliver() {
        flags.remove(.mustRedeliver)
        guard state == .open, isReading else { return }
        if flags.contains(.keepsMessages) {
            redeliverMessages()
        } else if !unread.isEmpty {
            // Taken out, because the handler may close the link, and its block must not serve again before it returns.
            var offered = unread
            unread = ByteQueue()
            offered.drop(offered.withBytes { handOnce($0) }, pool: loop.pool)
            while flags.contains(.newHandler), isReading, !offered.isEmpty {
                offered.drop(offered.withBytes { handOnce($0) }, pool: loop.pool)
            }
            guard state == .open else { return offered.clear(pool: loop.pool) }
            unread = offered
            checkUnread()
        }
        if isReading, flags.contains(.owesFinished) { tellFinished() }
    }

    /// Pieces that came while reading was paused, one by one, as long as it is not paused again.
    private func redeliverMessages() {
        while isReading, state == .open, let piece = unreadPieces.popFirst() {
            var bytes: [UInt8] = []
            unread.withBytes { bytes.append(contentsOf: $0.extracting(first: piece.count)) }
            var rest = unread
            rest.drop(piece.count, pool: loop.pool)
            unread = rest
            incomingKind = piece.kind
            unsafe bytes.withUnsafeBytes {
                _ = unsafe handler.receive(RawSpan(_unsafeBytes: $0), endOfMessage: piece.endsMessage, from: self)
            }
        }
        if unreadPieces.isEmpty { flags.remove(.hasPieces) }
    }

    func clearUnread() {
        var queue = unread
        unread = ByteQueue()
        queue.clear(pool: loop.pool)
        unreadPieces = []
        flags.remove(.hasPieces)
    }

    // MARK: Pausing

    /// Stops `receive` until `resumeReading`; how that acts on the peer is `traits.pausing`.
    public func pauseReading() {
        flags.insert(.pausedByHandler)
        readingChanged()
    }

    public func resumeReading() {
        flags.remove(.pausedByHandler)
        readingChanged()
    }

    /// Pieces of messages that wait for a handler that has paused.
    public var unreadCount: Int { unreadPieces.count }

    public var isReading: Bool { holds == 0 && !flags.contains(.pausedByHandler) }

    func readingChanged() {
        guard state != .closed, isReading == flags.contains(.pausedDriver) else { return }
        if isReading {
            flags.remove(.pausedDriver)
            if !unread.isEmpty || !unreadPieces.isEmpty || flags.contains(.owesFinished) {
                flags.insert(.mustRedeliver)
                owesMore()
            }
        } else {
            flags.insert(.pausedDriver)
        }
        driver.setReading(isReading, for: self)
    }

    /// Until the limits change or it is called again, no more than this is read at a time: there is no room for it.
    public func read(atMost count: Int) { if state != .closed { slot.payload.read(atMost: count, limits) } }

    // MARK: Holding others back

    /// Stops reading `feeder` until this link is writable again. Many feeders are let go in batches, one batch a turn,
    /// so that they do not fill the link at once.
    public func holdBack(_ feeder: Link) {
        precondition(feeder.loop === loop, "only a link of the same loop can be held back")
        guard isFull, heldBack.last != feeder.id else { return }
        heldBack.append(feeder.id)
        // Those who come, wait and leave must not be remembered for ever. Who is left is asked now and then.
        let count = heldBack.count
        if count >= Self.letGoBatch, count & (count - 1) == 0 { heldBack.removeAll { loop.link($0) == nil } }
        feeder.holds += 1
        feeder.readingChanged()
    }

    /// How many wait for this link, those included that have ended meanwhile.
    public var heldBackCount: Int { heldBack.count }

    static let letGoBatch = 64

    func letGo() {
        guard !heldBack.isEmpty, !isFull else { return }
        let batch = heldBack.prefix(Self.letGoBatch)
        heldBack.removeFirst(batch.count)
        for feeder in batch { loop.link(feeder)?.wasLetGo() }
        if !heldBack.isEmpty { loop.after(.zero, self, token: Self.letGoToken) }
    }

    func letAllGo() {
        for feeder in exchange(&heldBack, with: []) { loop.link(feeder)?.wasLetGo() }
    }

    private func wasLetGo() {
        holds -= 1
        readingChanged()
    }
}
