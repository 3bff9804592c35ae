public import OmniwayTransport
import OmniwayWire

extension Link {
    /// Of what goes through the tunnel little waits in this process: who does not read holds back who writes. While it
    /// reads nothing waits at all, for what is above the mark is sent at once.
    func relaysStream() {
        if traits.keepsMessages { return }
        limits.low = 4 << 10
        limits.high = 16 << 10
        limits.perTurn = MuxInflow.first
    }
}

/// Below one stream of a carrier: turns what is written to its link into frames, in its turn and as far as there is
/// credit, and keeps what has come while nobody reads.
final class MuxStream: LinkDriver {
    /// What waits above a stream is little: its peer's credit and its carrier have room of their own.
    static func queue(isFlow: Bool) -> QueueLimits {
        QueueLimits(low: 64 << 10, high: 256 << 10, most: isFlow ? 256 << 10 : 16 << 20)
    }

    let isFlow: Bool
    private let loop: Loop
    /// Nil before there is one, and when the stream is over.
    var connection: MuxConnection?
    private(set) var link: Link?
    /// Its place in the connection, when it has one.
    var slot = 0
    /// Among those who wait for a turn.
    var isWaiting = false
    /// What may be sent in a turn that was given.
    private var turn = 0
    private var kept = KeptBytes()
    /// Bytes that the reader was given, and the peer does not know of.
    private var uncredited = 0
    private var heardEnd = false
    private var saidEnd = false
    private var lingering: Lingering?

    /// A link that has ended, and has still something to say to its peer.
    private struct Lingering {
        var rest: [UInt8]
        var sent = 0
        var discarded = 0
        var lastProgress: Moment
        var timer: TimerID?
    }
    private static let patience = Duration.seconds(5)
    private static let mostDiscarded = 1 << 20

    private enum Token { static let open: UInt64 = 0, resume: UInt64 = 1, patience: UInt64 = 2 }

    init(on loop: Loop, isFlow: Bool) { (self.isFlow, self.loop) = (isFlow, loop) }

    func makeLink(over carrier: Link?, _ limits: QueueLimits, _ handler: any LinkHandler) -> Link? {
        let traits = LinkTraits(
            keepsMessages: isFlow, isReliable: !isFlow, halfCloses: !isFlow, peer: carrier?.traits.peer ?? .none)
        link = Link(
            on: loop, traits: traits, limits: limits, height: (carrier?.height ?? 0) + 1, driver: self,
            handler: handler)
        return link
    }

    /// A dialled link is open at once, but nobody may be told before `dial` has returned.
    func opensSoon(on connection: MuxConnection) {
        self.connection = connection
        loop.after(.zero, self, token: Token.open)
    }

    private func openNow() { if let link, link.state == .connecting { link.opened() } }

    // MARK: Upwards

    func deliver(_ bytes: RawSpan, ends: Bool) {
        openNow()
        if ends { heardEnd = true }
        if let link {
            if link.isReading, kept.isEmpty {
                link.deliver(bytes)
                wasRead(bytes.byteCount)
            } else {
                kept.append(bytes, expected: (connection?.granted(to: slot) ?? 0) - uncredited)
            }
            tellEnd()
        } else {
            discard(bytes.byteCount)
        }
        removeIfDone()
    }

    /// False when nobody reads.
    func deliverDatagram(_ bytes: RawSpan) -> Bool {
        openNow()
        guard let link, link.isReading else { return false }
        link.deliver(bytes, endOfMessage: true)
        return true
    }

    /// The peer may send as much again, unless the reader has had enough: what it was given waits with it then.
    private func wasRead(_ count: Int) {
        uncredited += count
        if let link, !link.isReading, link.state == .open { return }
        connection?.read(exchange(&uncredited, with: 0), of: slot)
    }

    private func tellEnd() { if heardEnd, kept.isEmpty { link?.peerFinished() } }

    private func deliverKept() {
        while let link, link.isReading, link.state == .open, !kept.isEmpty {
            let (bytes, range) = kept.take(Self.piece)
            link.deliver(unsafe bytes.span.bytes.extracting(range))  // Safe because bytes have no padding.
            wasRead(range.count)
        }
        tellEnd()
        removeIfDone()
    }
    private static let piece = 64 << 10

    /// There is credit.
    func goOn() {
        if lingering != nil { sendRest() } else { link?.sendable() }
    }

    /// A turn of so many bytes; how many of them it is expected to use.
    func takeTurn(_ most: Int) -> Int {
        turn = most
        if let lingering {
            let waiting = lingering.rest.count - lingering.sent
            sendRest()
            return min(most, waiting)
        }
        guard let link, link.queued > 0 || isFlow else {
            turn = 0
            return 0
        }
        link.sendable()
        return min(most, link.queued)
    }

    /// The peer has ended it. What came before is still read; if that is all, the end was clean.
    func wasReset(_ code: MuxResetCode) {
        connection = nil
        endLingering()
        if code == .done, heardEnd {
            link?.sendable()  // Whoever writes learns that nobody listens any more.
        } else {
            kept = KeptBytes()
            exchange(&link, with: nil)?.ended(CloseReason(code))
        }
    }

    func carrierEnded(_ reason: CloseReason) {
        connection = nil
        endLingering()
        kept = KeptBytes()
        exchange(&link, with: nil)?.ended(.carrierLost.with(reason.description))
    }

    // MARK: Downwards

    /// It goes into the queue of the carrier.
    var sendsEarly: Bool { true }

    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        guard let connection else {
            exchange(&self.link, with: nil)?.ended(.reset.with("the other end has gone"))
            return 0
        }
        if isFlow { return sendDatagram(bytes, over: connection, for: link) }
        let most = exchange(&turn, with: 0)
        if most == 0, isWaiting || connection.isBusy && !link.isLeaving {
            waits(bytes.byteCount, for: link)
            return 0
        }
        let sent = connection.send(bytes, of: slot, most: most == 0 ? .max : most)
        waits(bytes.byteCount - sent, for: link)
        return sent
    }

    /// So much is left, for the next turn or for credit. Whoever feeds the link waits meanwhile.
    private func waits(_ count: Int, for link: Link) {
        guard let connection else { return }
        let hasCredit = connection.credit(of: slot) > 0
        if count > 0, hasCredit { connection.wait(self, queued: count) }
        if count > 0 || !hasCredit { link.hasNoRoom() }
    }

    func room(for link: Link) -> Int {
        guard let connection, !isFlow else { return .max }
        // Where many wait, much of each would be read before its turn.
        return min(connection.credit(of: slot), connection.isBusy ? MuxScheduler.quantum : .max)
    }

    private func sendDatagram(_ bytes: RawSpan, over connection: MuxConnection, for link: Link) -> Int {
        // As a UDP socket drops what does not fit a datagram.
        if bytes.byteCount > MuxFrame.mostDatagram { return bytes.byteCount }
        turn = 0
        if connection.sendDatagram(bytes, of: slot) { return bytes.byteCount }
        connection.wait(self, queued: bytes.byteCount)
        return 0
    }

    func setReading(_ isReading: Bool, for link: Link) {
        if isReading, uncredited > 0 { connection?.read(exchange(&uncredited, with: 0), of: slot) }
        if isReading, !kept.isEmpty { loop.after(.zero, self, token: Token.resume) }
    }

    func finish(_ link: Link) {
        guard let connection, !saidEnd else { return }
        sayEnd(over: connection)
        removeIfDone()
    }

    private func sayEnd(over connection: MuxConnection) {
        saidEnd = true
        connection.sendEnd(of: slot)
    }

    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {
        self.link = nil
        guard connection != nil else { return }
        guard reason.sendsTheRest else { return reset(MuxResetCode(reason)) }
        let unread = exchange(&kept, with: KeptBytes()).count + exchange(&uncredited, with: 0)
        var bytes: [UInt8] = []
        if !isFlow { bytes = rest.array(0..<rest.byteCount) }
        lingering = Lingering(rest: bytes, lastProgress: loop.now)
        if unread > 0 { discard(unread) }
        sendRest()
        waitForProgress(Self.patience)
    }

    func reset(_ code: MuxResetCode) {
        let connection = exchange(&connection, with: nil)
        endLingering()
        connection?.reset(slot, code)
    }

    // MARK: After the end of the link

    private func sendRest() {
        guard let connection, let lingering else { return }
        let most = exchange(&turn, with: 0)
        let left = lingering.rest.count - lingering.sent
        if left > 0 {
            guard most > 0 || !connection.isBusy else { return connection.wait(self, queued: left) }
            // Safe because bytes have no padding.
            let bytes = unsafe lingering.rest.span.bytes.extracting(droppingFirst: lingering.sent)
            let sent = connection.send(bytes, of: slot, most: most == 0 ? .max : most)
            self.lingering?.sent += sent
            if sent > 0 { self.lingering?.lastProgress = loop.now }
            if sent < left {
                if connection.credit(of: slot) > 0 { connection.wait(self, queued: left - sent) }
                return
            }
        }
        if !saidEnd { sayEnd(over: connection) }
        removeIfDone()
    }

    /// Nobody reads any more; the peer may go on for a while, because a broken end would cost it what it was told last.
    private func discard(_ count: Int) {
        lingering?.discarded += count
        connection?.read(count, of: slot)
        if let lingering, lingering.discarded > Self.mostDiscarded { reset(.done) }
    }

    private func waitForProgress(_ patience: Duration) {
        if lingering != nil { lingering?.timer = loop.after(patience, self, token: Token.patience) }
    }

    private func endLingering() {
        if let timer = exchange(&lingering, with: nil)?.timer { loop.cancel(timer) }
    }

    private func removeIfDone() {
        guard let connection, connection.isDone(slot), kept.isEmpty else { return }
        self.connection = nil
        endLingering()
        connection.remove(slot)
    }

    private func checkPatience() {
        guard let lingering, connection != nil else { return }
        let quiet = loop.now - lingering.lastProgress
        guard quiet >= Self.patience else { return waitForProgress(Self.patience - quiet) }
        reset(lingering.sent < lingering.rest.count ? .timedOut : .done)
    }
}

extension MuxStream: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        switch token {
        case Token.open: openNow()
        case Token.resume: deliverKept()
        default: checkPatience()
        }
    }
}

extension MuxResetCode {
    init(_ reason: CloseReason) {
        switch reason {
        case .refused: self = .refused
        case .tooManyLinks, .slowReader: self = .busy
        case .connectFailed, .connectTimeout, .addressUnknown: self = .unreachable
        case .peerLost: self = .timedOut
        default: self = .broken
        }
    }
}

extension CloseReason {
    init(_ code: MuxResetCode) {
        switch code {
        case .done: self = .reset.with("the other end had no more use for it")
        case .refused: self = .refused.with("the other end did not want it")
        case .busy: self = .tooManyLinks.with("the other end has no room for another stream")
        case .broken: self = .reset.with("broken off at the other end")
        case .unreachable: self = .connectFailed.with("the other end cannot reach it")
        case .timedOut: self = .peerLost.with("the other end gave it up")
        }
    }

    /// The connection below a stream has ended.
    public static let carrierLost = CloseReason("carrier-lost", sendsTheRest: false)
}
