/// The way up: from the driver to the handler, and what happens when the handler does not take all of it.
extension Link {
    /// For drivers: bytes have arrived.
    public func deliver(_ bytes: RawSpan, endOfMessage: Bool = false) {
        guard state == .open else { return }
        heard()
        if traits.keepsMessages {
            _ = handler.receive(bytes, endOfMessage: endOfMessage, from: self)
        } else if isReading, unread.isEmpty {
            let taken = hand(bytes)
            if state == .open, taken < bytes.byteCount { keep(bytes.extracting(droppingFirst: taken)) }
        } else {
            keep(bytes)
            if isReading { redeliver() }
        }
    }

    /// `count` bytes are in the loop's inbound buffer. A short rest of earlier ones is put in front of them.
    func deliverInbound(_ count: Int) {
        let before = unread.count
        // Safe because the buffer has `count` bytes at its start, and room for `headroom` before it.
        if before == 0 || before > InboundBuffer.headroom || !isReading {
            return deliver(unsafe RawSpan(_unsafeStart: loop.inbound.start, byteCount: count))
        }
        let start = unsafe loop.inbound.start - before
        unsafe unread.copy(to: start)
        unread.clear(pool: loop.pool)
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

    /// Gives the handler bytes until it has taken all it wants of them; the count that it took.
    private func hand(_ bytes: RawSpan) -> Int {
        var taken = 0
        while true {
            let current = handler
            let rest = bytes.extracting(droppingFirst: taken)
            chunk = unsafe rest.withUnsafeBytes { bytes in
                unsafe bytes.baseAddress.map { unsafe Chunk(start: $0, count: bytes.count) }
            }
            let count = current.receive(rest, endOfMessage: false, from: self)
            chunk = nil
            precondition(count >= 0 && count <= rest.byteCount, "receive returned \(count) of \(rest.byteCount) bytes")
            taken += count
            // Only a new handler is asked again: the old one has seen these bytes.
            if taken == bytes.byteCount || state != .open || !isReading || handler === current { return taken }
        }
    }

    private func keep(_ bytes: RawSpan) {
        unread.append(bytes, pool: loop.pool)
        // A paused link keeps what its driver had in hand; a reading one waits for more of a piece that has a limit.
        if isReading, unread.count > limits.unread {
            close(.unreadLimit.with("\(unread.count) bytes wait for the end of one piece"))
        }
    }

    /// Offers what was left unread once more.
    func redeliver() {
        flags.remove(.mustRedeliver)
        guard state == .open, isReading else { return }
        if !unread.isEmpty {
            // Taken out, because the handler may close the link, and its block must not serve again before it returns.
            var offered = exchange(&unread, with: ByteQueue())
            let taken = offered.withBytes { hand($0) }
            offered.drop(taken, pool: loop.pool)
            if state == .open { unread = offered } else { offered.clear(pool: loop.pool) }
            guard state == .open else { return }
            if isReading, unread.count > limits.unread {
                return close(.unreadLimit.with("\(unread.count) bytes wait for the end of one piece"))
            }
        }
        if isReading, flags.contains(.owesFinished) { tellFinished() }
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

    public var isReading: Bool { holds == 0 && !flags.contains(.pausedByHandler) }

    func readingChanged() {
        guard state != .closed, isReading == flags.contains(.pausedDriver) else { return }
        if isReading {
            flags.remove(.pausedDriver)
            if !unread.isEmpty || flags.contains(.owesFinished) {
                flags.insert(.mustRedeliver)
                loop.markDirty(id)
            }
        } else {
            flags.insert(.pausedDriver)
        }
        driver.setReading(isReading, for: self)
    }

    // MARK: Holding others back

    /// Stops reading `feeder` until this link is writable again. Many feeders are let go in batches, one batch a turn,
    /// so that they do not fill the link at once.
    public func holdBack(_ feeder: Link) {
        guard state != .closed, feeder.loop === loop else { return }
        heldBack.append(feeder.id)
        feeder.holds += 1
        feeder.readingChanged()
    }

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
