import OmniwayTelemetry

/// A link on its way from one loop to another: its socket, and the bytes that are neither read nor sent.
/// Closed if nobody adopts it.
public final class DetachedLink: Sendable {
    private struct Socket {
        var descriptor: Int32
        var admission: Admission?
    }
    private let socket: Lock<Socket>
    public let unread: [UInt8]
    public let unsent: [UInt8]
    public let traits: LinkTraits
    let peerFinished: Bool
    let isFinishing: Bool

    fileprivate init(_ socket: consuming OwnedSocket, unread: [UInt8], unsent: [UInt8], from link: Link) {
        let (descriptor, admission) = socket.release()
        self.socket = Lock(Socket(descriptor: descriptor, admission: admission))
        (self.unread, self.unsent, traits) = (unread, unsent, link.traits)
        peerFinished = link.flags.contains(.peerFinished)
        isFinishing = link.flags.contains(.finishing)
    }

    /// A connection that was just accepted, for whichever loop.
    init(accepted descriptor: Int32, peer: SocketAddress, admission: Admission?, unread: [UInt8] = []) {
        socket = Lock(Socket(descriptor: descriptor, admission: admission))
        (self.unread, unsent, traits, peerFinished, isFinishing) = (unread, [], LinkTraits(peer: peer), false, false)
    }

    deinit { _ = takeSocket() }

    /// The socket, once.
    func takeSocket() -> OwnedSocket? {
        let taken = socket.withLock { exchange(&$0, with: Socket(descriptor: -1, admission: nil)) }
        return taken.descriptor < 0 ? nil : OwnedSocket(OwnedDescriptor(taken.descriptor), admission: taken.admission)
    }
}

extension Link {
    /// Takes the link off its loop, to be adopted by another. The handler hears nothing more, not even `closed`.
    /// Called from `receive`, `taken` says how many of the bytes in hand were used; the others travel along.
    public func detach(taken: Int = 0) throws(LinkError) -> DetachedLink {
        guard state == .open, !traits.keepsMessages else { throw state == .open ? .cannotDetach : .notOpen }
        let socket = try driver.detach(self)
        var rest: [UInt8] = []
        // Safe because the chunk is empty unless the handler has its bytes in hand.
        unsafe rest.append(contentsOf: chunk.dropFirst(taken))
        unread.withBytes { rest.append(contentsOf: $0) }
        var unsent: [UInt8] = []
        takeUnsent { unsent.append(contentsOf: $0) }
        let detached = DetachedLink(socket, unread: rest, unsent: unsent, from: self)
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

    /// Goes on where the detached link stopped. Before `opened`, so that what it had queued comes first.
    fileprivate func takeOver(_ detached: DetachedLink) {
        guard state != .closed else { return }
        if !detached.unsent.isEmpty { write(detached.unsent) }
        if detached.isFinishing { finish() }
        unsafe detached.unread.withUnsafeBytes { unsafe keep(RawSpan(_unsafeBytes: $0)) }
        if detached.peerFinished { flags.insert([.peerFinished, .owesFinished]) }
        guard !unread.isEmpty || detached.peerFinished else { return }
        flags.insert(.mustRedeliver)
        owesMore()
    }
}

extension Loop {
    /// Goes on with a link of another loop. Nil when there is no room, or when somebody has adopted it already.
    public func adopt(
        _ detached: DetachedLink, handler: any LinkHandler, limits: QueueLimits = QueueLimits()
    ) -> Link? {
        guard let link = attach(detached, limits: limits, handler: handler) else { return nil }
        link.takeOver(detached)
        link.opened()
        return link
    }

    /// A link from a connected stream socket that is already open. Nil when there is no room; the socket is closed
    /// then.
    public func adopt(
        _ descriptor: consuming OwnedDescriptor, peer: SocketAddress = .none, handler: any LinkHandler,
        limits: QueueLimits = QueueLimits()
    ) -> Link? {
        let detached = DetachedLink(accepted: descriptor.release(), peer: peer, admission: nil)
        return adopt(detached, handler: handler, limits: limits)
    }

    /// A link for a connection that was just accepted, if the intake wants it.
    func accept(_ detached: DetachedLink, into intake: any LinkIntake, limits: QueueLimits) {
        guard let link = attach(detached, limits: limits, handler: nobody) else { return }
        guard let handler = intake.accept(link) else { return link.close(.refused) }
        link.handler = handler
        link.opened()
    }

    private func attach(_ detached: DetachedLink, limits: QueueLimits, handler: any LinkHandler) -> Link? {
        guard let socket = detached.takeSocket() else { return nil }
        let driver = SocketDriver(socket)
        guard let link = Link(on: self, traits: detached.traits, limits: limits, driver: driver, handler: handler)
        else {
            driver.loopEnds(self)
            return nil
        }
        do throws(SystemError) {
            try driver.start(link)
        } catch {
            link.close(.systemError.with(error.description))
        }
        return link
    }
}

extension [UInt8] {
    mutating func append(contentsOf bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }
}
