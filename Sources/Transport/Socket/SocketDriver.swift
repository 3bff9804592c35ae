import CSystem
import Glibc

/// A stream socket below a link.
final class SocketDriver: PollSource, CountedDriver {
    private enum State { case idle, dialing, linked, lingering, released }
    private var state = State.idle
    private var link = LinkID.none
    private var dialing: Dialing?
    private var lingering: Lingering?
    /// The end of the loop waits for the lingering: something would be lost without it, and not only perhaps.
    private var holdsLoop = false
    private var isReading = true
    private var sawEnd = false
    private var waitsToWrite = false
    private var isWatched = false
    private var admission: Admission?
    /// At most so many bytes are in the kernel's hands, unless it is 0.
    private var mostUnconfirmed = 0
    /// The connection is broken, and what arrived before that is not delivered yet.
    private var failure: SystemError?
    /// Sending is more than a call: something is limited, or goes first.
    private var sendsWithCare = false
    /// What arrives goes on by this, and what comes by the other goes out here.
    private var outgoing: Splice?
    private var incoming: Splice?
    /// The other socket of `outgoing` takes no more.
    private var isBlocked = false

    init(_ socket: consuming OwnedSocket) {
        let (descriptor, admission) = socket.release()
        self.admission = admission
        super.init(descriptor: descriptor)
    }

    /// For a link that has no socket yet.
    init() { super.init(descriptor: -1) }

    /// The socket is the link's from here on.
    func start(_ link: Link) throws(SystemError) {
        self.link = link.id
        state = .linked
        try link.loop.watch(self, for: .read)
        isWatched = true
    }

    /// The link has no socket yet; `dialing` will bring one.
    func dials(_ link: Link, by dialing: Dialing) {
        self.link = link.id
        self.dialing = dialing
        state = .dialing
    }

    func connected(_ descriptor: Int32, to peer: SocketAddress, _ link: Link) {
        dialing = nil
        settle(descriptor)
        link.setPeer(peer)
        do throws(SystemError) {
            try start(link)
            if !isReading { updateInterest(link) }
            link.opened()
        } catch { broken(link, error) }
    }

    /// The dialling has failed and tells the link.
    func failed() {
        dialing = nil
        state = .released
    }

    // MARK: From the loop

    override func ready(_ readiness: Readiness, on loop: Loop) {
        switch state {
        case .linked:
            if readiness == .read, isReading, !isBlocked {
                read(loop)
            } else if let link = loop.link(link) {
                readyForMore(readiness, link, loop)
            } else {
                release(loop)
            }
        case .lingering: if lingering?.goOn(descriptor, loop) ?? true { release(loop) }
        case .idle, .dialing, .released: break
        }
    }

    private func readyForMore(_ readiness: Readiness, _ link: Link, _ loop: Loop) {
        if readiness.contains(.write), waitsToWrite {
            wantWrite(false, link)
            incoming?.drain(loop)
            if state == .linked, incoming?.held ?? 0 == 0 { link.sendable() }
        }
        if state != .linked { return }
        if isReading, !isBlocked, !sawEnd, !readiness.isDisjoint(with: [.read, .hangUp, .error]) {
            read(loop)
        } else if !readiness.isDisjoint(with: [.hangUp, .error]) {
            hungUpUnread(link, loop)
        }
    }

    /// One read a turn: the buffer is shared, and so is the loop.
    @inline(__always)
    private func read(_ loop: Loop) {
        if let outgoing, outgoing.move(loop) { return }
        // By its id, not by a reference: a link that somebody else ended is gone, and this costs less than counting.
        guard let slot = loop.links.find(link.slotID) else { return release(loop) }
        let count = unsafe recv(descriptor, loop.inbound.start, Int(slot.payload.perTurn), 0)
        if count > 0 {
            loop.bytesRead &+= UInt64(truncatingIfNeeded: count)
            slot.payload.deliverInbound(count, loop)
        } else if let link = loop.link(link) {
            readNothing(count, SystemError.last, link)
        } else {
            release(loop)
        }
    }

    private func readNothing(_ count: Int, _ error: SystemError, _ link: Link) {
        if count == 0 {
            sawEnd = true
            updateInterest(link)
            link.peerFinished()
        } else if error.number != EAGAIN && error.number != EINTR {
            broken(link, error)
        }
    }

    /// Nobody reads, but the poller reports the end again and again. What the kernel still holds waits for
    /// `setReading`.
    private func hungUpUnread(_ link: Link, _ loop: Loop) {
        if let error = pendingError { return broken(link, error) }
        loop.forget(self)
        isWatched = false
    }

    private func broken(_ link: Link, _ error: SystemError) {
        release(link.loop)
        let reason: CloseReason =
            switch error.number {
            case ECONNRESET, EPIPE: .reset
            case ETIMEDOUT: .peerLost
            default: .systemError
            }
        link.ended(reason.with(error.description))
    }

    // MARK: From the link

    var sendsEarly: Bool { true }

    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        sendsWithCare ? sendCarefully(bytes, for: link) : send(bytes, for: link)
    }

    @inline(__always)
    private func send(_ bytes: RawSpan, for link: Link) -> Int {
        let count = unsafe bytes.withUnsafeBytes { bytes in
            unsafe Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        }
        return sent(count, of: bytes.byteCount, link)
    }

    @inline(__always)
    private func sent(_ count: Int, of all: Int, _ link: Link) -> Int {
        if count >= 0 {
            link.loop.bytesSent &+= UInt64(truncatingIfNeeded: count)
        } else if errno != EAGAIN && errno != EINTR {
            sendFailed(SystemError.last, link)
            return 0
        }
        if count < all { wantWrite(true, link) }
        return max(0, count)
    }

    func send(_ head: RawSpan, _ rest: RawSpan, for link: Link) -> Int {
        if sendsWithCare { return 0 }
        let count = unsafe head.withUnsafeBytes { head in
            unsafe rest.withUnsafeBytes { rest in
                unsafe csystem_send_two(descriptor, head.baseAddress, head.count, rest.baseAddress, rest.count)
            }
        }
        return sent(count, of: head.byteCount + rest.byteCount, link)
    }

    /// Where nothing may be lost, what has arrived is delivered first. Not at once: the handler may have earlier bytes
    /// in hand, and write because of them.
    private func sendFailed(_ error: SystemError, _ link: Link) {
        guard mostUnconfirmed > 0 else { return broken(link, error) }
        if failure == nil { link.loop.after(.zero, self) }
        failure = error
    }

    private func sendCarefully(_ bytes: RawSpan, for link: Link) -> Int {
        if let incoming, incoming.held > 0 {
            wantWrite(true, link)
            return 0
        }
        return mostUnconfirmed == 0 ? send(bytes, for: link) : sendLimited(bytes, for: link)
    }

    private func sendLimited(_ bytes: RawSpan, for link: Link) -> Int {
        var unconfirmed: Int32 = 0
        _ = unsafe ioctl(descriptor, UInt(TIOCOUTQ), &unconfirmed)
        let piece = bytes.extracting(first: max(0, mostUnconfirmed - Int(unconfirmed)))
        let count = piece.isEmpty ? 0 : send(piece, for: link)
        if count < bytes.byteCount, state == .linked { wantWrite(true, link) }
        return count
    }

    func limitUnconfirmed(to bytes: Int, for link: Link) {
        guard state == .linked, bytes < Self.largestBuffer else { return }
        mostUnconfirmed = max(bytes, Self.smallestBuffer)
        sendsWithCare = true
        // The kernel doubles it. It says that there is room when a third of that is free, so there is room here too.
        var size = Int32(mostUnconfirmed / 2)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
    private static let smallestBuffer = 16 << 10
    /// The kernel does not hold more by itself.
    private static let largestBuffer = 4 << 20

    func drain(_ link: Link) {
        guard state == .linked else { return }
        // Not where the loop reads: somebody may have a span of that.
        let block = unsafe link.loop.pool.take(Self.drainSize)
        defer { unsafe link.loop.pool.give(block, size: Self.drainSize) }
        var left = Self.mostDrained
        while state == .linked, left > 0 {
            let count = unsafe recv(descriptor, block, Self.drainSize, 0)
            if count <= 0 { return }
            left -= count
            link.loop.bytesRead &+= UInt64(truncatingIfNeeded: count)
            unsafe link.deliver(RawSpan(_unsafeStart: block, byteCount: count))
        }
    }
    private static let drainSize = 64 << 10
    private static let mostDrained = 8 << 20

    func setReading(_ isReading: Bool, for link: Link) {
        self.isReading = isReading
        if state == .linked { updateInterest(link) }
    }

    func finish(_ link: Link) {
        guard state == .linked else { return }
        if let incoming, incoming.held > 0 { incoming.finishes = true } else { shutdown(descriptor, Int32(SHUT_WR)) }
    }

    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {
        if state == .dialing {
            dialing?.end()
            return failed()
        }
        guard state == .linked else { return release(link.loop) }
        if reason.sendsTheRest, let incoming, incoming.held > 0 {
            let all = incoming.takeBack(before: rest)
            self.incoming = nil
            return unsafe all.withUnsafeBytes { unsafe close(reason, rest: RawSpan(_unsafeBytes: $0), for: link) }
        }
        guard reason.sendsTheRest else {
            // A peer that was not told everything must not take this for a clean end.
            setLinger(seconds: 0)
            return release(link.loop)
        }
        // Closing a socket with bytes that were not read, or that come later, resets the connection, and what was sent
        // last is lost with it.
        guard !rest.isEmpty || !sawEnd else { return release(link.loop) }
        holdsLoop = !rest.isEmpty || hasUnreadInput
        lingering = Lingering(rest, driver: self, link.loop)
        state = .lingering
        if holdsLoop { link.loop.lingering += 1 }
        // Input is read only when all is sent: while the peer does not read, its own bytes would wake the loop for
        // nothing.
        isReading = rest.isEmpty
        waitsToWrite = !rest.isEmpty
        if rest.isEmpty { shutdown(descriptor, Int32(SHUT_WR)) }
        if !watchAgain(link.loop) { release(link.loop) }
    }

    private var hasUnreadInput: Bool {
        var count: Int32 = 0
        return (unsafe ioctl(descriptor, UInt(FIONREAD), &count)) == 0 && count > 0
    }

    private func setLinger(seconds: Int32) {
        var option = linger(l_onoff: 1, l_linger: seconds)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    func detach(_ link: Link) throws(LinkError) -> OwnedSocket {
        guard state == .linked else { throw .notOpen }
        guard outgoing == nil, incoming == nil else { throw .cannotDetach }
        link.loop.forget(self)
        state = .released
        return OwnedSocket(OwnedDescriptor(descriptor), admission: exchange(&admission, with: nil))
    }

    func hold(_ another: Admission) {
        another.hold(admission)
        admission = another
    }

    // MARK: Splicing

    /// What this socket receives goes to the other by way of the kernel, from here on. False when there is no pipe.
    func splice(to other: SocketDriver) -> Splice? {
        guard state == .linked, other.state == .linked, outgoing == nil, other.incoming == nil,
            let splice = Splice(from: self, link, to: other, other.link)
        else { return nil }
        (outgoing, other.incoming, other.sendsWithCare) = (splice, splice, true)
        return splice
    }

    func splice(blocks isBlocked: Bool, _ loop: Loop) {
        guard state == .linked, self.isBlocked != isBlocked, let link = loop.link(link) else { return }
        self.isBlocked = isBlocked
        updateInterest(link)
    }

    /// False when there was only nothing to read.
    func spliceBreaks(_ error: SystemError, _ loop: Loop) -> Bool {
        guard ![EAGAIN, EINTR, EINVAL].contains(error.number), let link = loop.link(link) else { return false }
        broken(link, error)
        return true
    }

    func spliceIsFull(_ error: SystemError, _ loop: Loop) {
        guard state == .linked, let link = loop.link(link) else { return }
        if error.number == EAGAIN || error.number == EINTR { wantWrite(true, link) } else { broken(link, error) }
    }

    func spliceIsEmpty(finishes: Bool) { if finishes, state == .linked { shutdown(descriptor, Int32(SHUT_WR)) } }

    private func letGoOfSplices() {
        outgoing?.sourceEnded()
        incoming?.targetEnded()
        (outgoing, incoming) = (nil, nil)
    }

    // MARK: Interest

    private func wantWrite(_ wanted: Bool, _ link: Link) {
        guard waitsToWrite != wanted else { return }
        waitsToWrite = wanted
        updateInterest(link)
    }

    private func updateInterest(_ link: Link) {
        if !watchAgain(link.loop) { broken(link, SystemError.last) }
    }

    private func watchAgain(_ loop: Loop) -> Bool {
        var interest: Readiness = waitsToWrite ? .write : []
        if isReading && !isBlocked && !sawEnd { interest.insert(.read) }
        do throws(SystemError) {
            if isWatched { try loop.change(self, to: interest) } else { try loop.watch(self, for: interest) }
            isWatched = true
            return true
        } catch {
            return false
        }
    }

    func waitForTheEnd(_ loop: Loop) {
        waitsToWrite = false
        isReading = true
        _ = watchAgain(loop)
    }

    func lingeredTooLong(_ loop: Loop, wasSending: Bool) {
        guard state == .lingering else { return }
        // What the kernel has taken still goes out; only a peer that was not told everything must see a broken end.
        if wasSending { setLinger(seconds: 0) }
        release(loop)
    }

    private func release(_ loop: Loop) {
        guard state != .released else { return }
        if holdsLoop { loop.lingering -= 1 }
        lingering?.stop(loop)
        lingering = nil
        state = .released
        admission = nil
        letGoOfSplices()
        loop.forget(self)
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    override func loopEnds(_ loop: Loop) { release(loop) }
}

extension SocketDriver: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard state == .linked, let failure, let link = loop.link(link) else { return }
        drain(link)
        if state == .linked { broken(link, failure) }
    }
}
