import OmniwayTelemetry

/// A two-way flow of bytes owned by one loop: a driver below it, a handler above it, a bounded queue in between.
/// It closes once, with a reason.
@safe
public final class Link {
    public let loop: Loop
    public enum State: Sendable { case connecting, open, closed }

    // Stored apart from their public names: only what the module alone can reach is free of run-time exclusivity
    // checks.
    private var currentID = LinkID.none
    private var currentState = State.connecting
    private var currentTraits: LinkTraits
    private var currentHandler: any LinkHandler
    private var currentLimits: QueueLimits
    private var heardAt: Moment

    let driver: any LinkDriver
    var unread = ByteQueue()
    /// On a link that keeps messages, how the unread bytes are cut.
    var unreadPieces: ArraySlice<MessagePiece> = []
    /// The bytes in the handler's hands, so that a link detached meanwhile can take the rest along.
    var chunk = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    var flags: Flags = []
    /// How many carriers are below.
    public let height: UInt8
    var holds: UInt32 = 0
    /// Links whose reading waits until this one is writable.
    var heldBack: [LinkID] = []
    var parts: PartQueue?
    let slot: LinkTable.Handle
    var lastSent: Moment
    private var idleNanoseconds: Int64 = 0
    /// Until the link is open its deadline, then that of idleness.
    private var timer: TimerID?
    private var closeReason = CloseReason.done
    /// Most bytes that waited here when the driver did not take all. Last, for it is hardly ever touched.
    public internal(set) var mostQueued = 0

    struct Flags: OptionSet {
        let rawValue: UInt32
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
        /// The driver has bytes of the queue in its hands.
        static let sending = Flags(rawValue: 2048)
        /// Messages are text: what is written, what the driver is given to send, what the handler receives.
        static let writesText = Flags(rawValue: 8192)
        static let sendsText = Flags(rawValue: 16384)
        static let receivesText = Flags(rawValue: 32768)
        /// Whole messages go to the driver at once, when nothing waits before them.
        static let passesOn = Flags(rawValue: 1 << 16)
        /// Messages wait to be sent, or pieces of them to be read. Known without looking at the queues.
        static let hasParts = Flags(rawValue: 1 << 17)
        static let hasPieces = Flags(rawValue: 1 << 18)
        /// The link is being closed, and this is the last chance for what waits.
        static let leaving = Flags(rawValue: 1 << 19)
        /// Somebody looks at what goes over it.
        static let watched = Flags(rawValue: 1 << 20)
    }

    /// A link whose driver will call `opened`. Nil when the loop has no slot for another. A driver that sits on another
    /// link says how high its own is: when a loop ends, the highest go first.
    public init?(
        on loop: Loop, traits: LinkTraits, limits: QueueLimits = QueueLimits(), height: UInt8 = 0,
        driver: any LinkDriver, handler: any LinkHandler
    ) {
        guard !loop.isEnding, let slot = loop.links.insert(LinkEntry(limits, sendsEarly: driver.sendsEarly)) else {
            loop.counters.refusedLinks.add(1)
            return nil
        }
        self.loop = loop
        self.slot = slot
        self.height = height
        currentID = LinkID(slot.id)
        currentTraits = traits
        currentLimits = limits
        currentHandler = handler
        self.driver = driver
        heardAt = loop.now
        lastSent = loop.now
        slot.payload.settle(self)
        slot.payload.flags = traits.keepsMessages ? .blocked : [.blocked, .plain]
        if traits.keepsMessages {
            flags = driver.onlyQueues ? [.keepsMessages, .passesOn] : .keepsMessages
            parts = PartQueue()
        }
        loop.counters.openedLinks.add(1)
    }

    /// A link whose driver sits on another link, its carrier: on the same loop and with the same limits.
    /// Nil when there is no slot for it; the carrier is closed then.
    public static func over(
        _ carrier: Link, traits: LinkTraits, driver: any LinkDriver, handler: any LinkHandler
    ) -> Link? {
        let link = Link(
            on: carrier.loop, traits: traits, limits: carrier.limits, height: carrier.height + 1, driver: driver,
            handler: handler)
        if link == nil { carrier.close(.tooManyLinks) }
        return link
    }

    public var id: LinkID { currentID }
    var keepsMessages: Bool { flags.contains(.keepsMessages) }
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
            // Within `receive` the rest goes on at once; otherwise what the old one left is offered at the end of the
            // turn.
            if unsafe chunk.baseAddress == nil, !unread.isEmpty, state == .open {
                flags.insert(.mustRedeliver)
                owesMore()
            }
        }
    }

    /// Set on a link above others, they are those of its carriers too.
    public var limits: QueueLimits {
        get { currentLimits }
        set {
            currentLimits = newValue
            limitsChanged()
            if state != .closed, let layer = driver as? LayerDriver { layer.setLimits(newValue) }
        }
    }

    // MARK: Opening

    /// The peer has said that it sends nothing more.
    public var peerHasFinished: Bool { flags.contains(.peerFinished) }
    /// A handler has heard of it, and nothing that came before is left to be read.
    var hasToldFinished: Bool { peerHasFinished && !flags.contains(.owesFinished) }

    /// For drivers that learn the peer when they are connected.
    public func setPeer(_ peer: SocketAddress) { currentTraits.peer = peer }

    /// For drivers: connected, and all handshakes are done.
    public func opened() {
        guard state == .connecting else { return }
        currentState = .open
        heardAt = loop.now
        lastSent = loop.now
        wait(idleLimit, Self.idleToken)
        sendable()  // Before the handler, which may write and close.
        handler.opened(self)
    }

    // MARK: Ending

    /// No more will be written. What is queued goes out, then the peer hears the end; it may still send.
    public func finish() {
        guard state != .closed, !flags.contains(.finishing) else { return }
        flags.insert(.finishing)
        slot.payload.flags.remove(.plain)
        // A message without an end will not get one.
        let unended = traits.keepsMessages ? parts?.cutUnended() ?? 0 : 0
        if unended > 0 { slot.payload.queue.dropLast(unended, pool: loop.pool) }
        owesMore()
    }

    func finishNow() {
        flags.insert(.finished)
        driver.finish(self)
        guard state != .closed else { return }
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
    private static let connectToken: UInt64 = 4

    /// Ends the link at once for its handler; what was written still goes out if the reason says so.
    public func close(_ reason: CloseReason) {
        guard state != .closed else { return }
        let isSending = flags.contains(.sending)
        if state == .open, reason.sendsTheRest, !isSending { sendLast() }
        guard state != .closed else { return }
        let queue = slot.payload.queue
        leave(reason)
        // Messages that a driver has not taken are lost with it: their ends are known only here.
        if keepsMessages || isSending {
            driver.close(reason, rest: RawSpan(), for: self)
        } else if let parts {
            let rest = queue.withBytes { parts.joined(with: $0) }
            rest.withBytes(from: 0) { driver.close(reason, rest: $0, for: self) }
        } else {
            queue.withBytes { driver.close(reason, rest: $0, for: self) }
        }
        discard()
    }

    /// For drivers: nothing more goes through below.
    public func ended(_ reason: CloseReason) {
        guard state != .closed else { return }
        leave(reason)
        discard()
    }

    // MARK: Time

    /// Closes the link with `.idle` when nothing has gone either way for so long; zero means never.
    public var idleLimit: Duration {
        get { .nanoseconds(idleNanoseconds) }
        set {
            idleNanoseconds = newValue.nanoseconds
            if state == .open { wait(newValue, Self.idleToken) }
        }
    }

    /// For dialers: closes the link with `.connectTimeout` unless it is open by then.
    public func connect(within deadline: Duration) { if state == .connecting { wait(deadline, Self.connectToken) } }

    private func wait(_ time: Duration, _ token: UInt64) {
        if let timer { loop.cancel(timer) }
        timer = time > .zero ? loop.after(time, self, token: token) : nil
    }

    private func checkIdle() {
        let quiet = loop.now - max(lastHeard, lastSent)
        if quiet >= idleLimit {
            close(.idle.with("nothing went either way for \(idleLimit)"))
        } else {
            wait(idleLimit - quiet, Self.idleToken)
        }
    }

    func heard() { heardAt = loop.now }

    private func leave(_ reason: CloseReason) {
        currentState = .closed
        closeReason = reason
        slot.payload.flags = slot.payload.flags.intersection(.dirty)
        if let timer { loop.cancel(timer) }
        loop.links.remove(slot)
        loop.counters.closed(reason)
        letAllGo()
    }

    private func discard() {
        discardQueue()
        clearUnread()
        loop.willTellClosed(self)
    }

    /// The handler has heard of the end.
    public var hasEnded: Bool { flags.contains(.hasEnded) }

    /// At the end of the turn in which it was closed.
    func tellClosed() {
        flags.insert(.hasEnded)
        handler.closed(self, closeReason)
        currentHandler = loop.nobody  // It may hold the link.
        slot.payload.moveOut()?.release()
    }
}

extension Link: TimerTarget {
    public func timerFired(_ token: UInt64, on loop: Loop) {
        guard state != .closed else { return }
        switch token {
        case Self.idleToken: checkIdle()
        case Self.connectToken: close(.connectTimeout.with("nobody answered in time"))
        case Self.letGoToken: letGo()
        default: close(.lingered)
        }
    }
}
