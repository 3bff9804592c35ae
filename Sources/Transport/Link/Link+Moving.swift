import OmniwayTelemetry

/// A link on its way from one loop to another: its socket, and the bytes that are neither read nor sent.
/// Closed if nobody adopts it.
public final class DetachedLink: Sendable {
    private let descriptor: Lock<Int32>
    public let unread: [UInt8]
    public let unsent: [UInt8]
    public let traits: LinkTraits
    let peerFinished: Bool
    let isFinishing: Bool

    fileprivate init(_ descriptor: consuming OwnedDescriptor, unread: [UInt8], unsent: [UInt8], from link: Link) {
        self.descriptor = Lock(descriptor.release())
        (self.unread, self.unsent, traits) = (unread, unsent, link.traits)
        peerFinished = link.flags.contains(.peerFinished)
        isFinishing = link.flags.contains(.finishing)
    }

    deinit { _ = takeDescriptor() }

    func takeDescriptor() -> OwnedDescriptor? {
        let raw = descriptor.withLock { exchange(&$0, with: -1) }
        return raw < 0 ? nil : OwnedDescriptor(raw)
    }
}

extension Link {
    /// Takes the link off its loop, to be adopted by another. The handler hears nothing more, not even `closed`.
    /// Called from `receive`, `taken` says how many of the bytes in hand were used; the others travel along.
    public func detach(taken: Int = 0) throws(LinkError) -> DetachedLink {
        guard state == .open, !traits.keepsMessages else { throw state == .open ? .cannotDetach : .notOpen }
        let descriptor = try driver.detach(self)
        var rest: [UInt8] = []
        // Safe because the chunk is empty unless the handler has its bytes in hand.
        unsafe rest.append(contentsOf: chunk.dropFirst(taken))
        unread.withBytes { rest.append(contentsOf: $0) }
        var unsent: [UInt8] = []
        takeUnsent { unsent.append(contentsOf: $0) }
        let detached = DetachedLink(descriptor, unread: rest, unsent: unsent, from: self)
        handler = loop.nobody
        ended(.detached)
        return detached
    }

    /// What was written and not sent, for a link that takes it along.
    private func takeUnsent(_ body: (RawSpan) -> Void) {
        while let part = parts?.first {
            if let shared = part.shared {
                shared.withBytes(from: shared.count - part.count, body)
            } else {
                slot.payload.queue.withBytes { body($0.extracting(first: part.count)) }
                slot.payload.queue.drop(part.count, pool: loop.pool)
            }
            parts?.sent(part.count)
        }
        slot.payload.queue.withBytes { body($0) }
        slot.payload.queue.clear(pool: loop.pool)
    }

    /// Goes on where the detached link stopped.
    fileprivate func takeOver(_ detached: DetachedLink) {
        guard state != .closed else { return }
        if !detached.unsent.isEmpty { write(detached.unsent) }
        if detached.isFinishing { finish() }
        unsafe detached.unread.withUnsafeBytes { unsafe keep(RawSpan(_unsafeBytes: $0)) }
        if detached.peerFinished { flags.insert([.peerFinished, .owesFinished]) }
        flags.insert(.mustRedeliver)
        owesMore()
    }
}

extension Loop {
    /// Goes on with a link of another loop, or with a socket that was opened elsewhere. Nil when there is no room.
    public func adopt(
        _ detached: DetachedLink, handler: any LinkHandler, limits: QueueLimits = QueueLimits()
    ) -> Link? {
        guard let descriptor = detached.takeDescriptor() else { return nil }
        guard let link = adopt(descriptor, peer: detached.traits.peer, handler: handler, limits: limits) else {
            return nil
        }
        link.takeOver(detached)
        return link
    }
}

extension [UInt8] {
    mutating func append(contentsOf bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }
}
