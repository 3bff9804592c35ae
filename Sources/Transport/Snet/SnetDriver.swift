import OmniwayTelemetry
import OmniwayWire

/// The driver of a stream link, and the handler of the carrier that it has at the time. It outlives its carriers.
class SnetDriver: CarriedDriver, LinkHandler, TimerTarget {
    let loop: Loop
    let settings: SnetSettings
    /// Nil before the first handshake is done.
    final var stream: SnetStream?
    final var link: Link?
    private(set) final var carrier: Link?
    private(set) final var resumes = 0
    private var waiting: TimerID?
    /// Why the last carrier was lost.
    private(set) final var loss = CloseReason.done

    init(_ settings: SnetSettings, on loop: Loop) { (self.settings, self.loop) = (settings, loop) }

    static func traits(over carrier: LinkTraits) -> LinkTraits {
        precondition(carrier.isReliable, "snet goes over links that lose nothing as long as they live")
        return LinkTraits(halfCloses: false, pausing: carrier.pausing, peer: carrier.peer)
    }

    // MARK: What the sides do differently

    /// There is no carrier any more.
    func carrierLost() {}
    /// There is one again.
    func carrierCame() {}
    /// The stream has ended.
    func ended() {}

    // MARK: Carriers

    /// A handshake is done on `new`. It replaces the present carrier.
    final func attach(_ new: Link) {
        guard let link else { return new.close(.done) }
        let isResumed = stopWaiting()
        if let old = exchange(&carrier, with: nil) { old.close(.carrierReplaced) }
        carrier = new
        new.handler = self
        if settings.ring > 0 { new.limitUnconfirmed(to: settings.ring) }
        link.setPeer(new.traits.peer)
        if !link.isReading { new.pauseReading() }
        if isResumed { carrierCame() }
        if link.state == .connecting { return link.opened() }
        if feed(new) { link.sendable() }
    }

    /// Goes on over a new carrier, with a peer that counts like this.
    final func resume(on new: Link, peerWritten: UInt64, peerRead: UInt64, told: UInt64) throws(SnetError) {
        guard let again = try stream?.resume(peerWritten: peerWritten, peerRead: peerRead, told: told) else { return }
        resumes += 1
        count(.done)
        loop.meters.counter("omniway_snet_retransmitted_bytes_total", "Bytes of streams that were sent again.")
            .add(again)
        attach(new)
    }

    private func lose(_ reason: CloseReason) {
        carrier = nil
        loss = reason
        guard let link else { return }
        guard link.state == .open else { return end(reason) }
        waiting = loop.after(settings.waitLimit, self, token: Self.waitToken)
        carrierLost()
    }
    private static let waitToken: UInt64 = 1
    private static let reconnectToken: UInt64 = 2

    private func stopWaiting() -> Bool {
        guard let timer = exchange(&waiting, with: nil) else { return false }
        loop.cancel(timer)
        return true
    }

    var isWaiting: Bool { waiting != nil }

    /// Not at once: the caller may have bytes of the carrier in hand, and those behind them are read first.
    final func reconnect() { loop.after(.zero, self, token: Self.reconnectToken) }

    func timerFired(_ token: UInt64, on loop: Loop) {
        switch token {
        case Self.waitToken where isWaiting:
            waiting = nil
            loop.meters.counter("omniway_snet_expired_total", "Streams that ended because nobody resumed them.").add(1)
            end(.notResumed.with("no connection for \(settings.waitLimit); the last one ended as \(loss)"))
        case Self.reconnectToken:
            guard let carrier else { return }
            carrier.drain()
            drop(carrier, .carrierReplaced.with("given up by this side"))
        default: break
        }
    }

    private func drop(_ carrier: Link, _ reason: CloseReason) {
        guard carrier === self.carrier else { return }
        lose(reason)
        carrier.close(.carrierReplaced)
    }

    // MARK: From the carrier

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from carrier: Link) -> Int {
        if carrier === self.carrier { deliver(bytes) }
        return bytes.byteCount
    }

    final func deliver(_ bytes: RawSpan) {
        guard let known = stream?.dropKnown(bytes.byteCount), let encrypts = stream?.encrypts else { return }
        var rest = bytes.extracting(droppingFirst: known)
        if rest.isEmpty { return }
        guard encrypts else {
            stream?.tookPlain(rest.byteCount)
            link?.deliver(rest)
            return
        }
        let block = unsafe loop.pool.take(Self.pieceSize)
        defer { unsafe loop.pool.give(block, size: Self.pieceSize) }
        while !rest.isEmpty, let link {
            let piece = rest.extracting(first: Self.pieceSize)
            rest = rest.extracting(droppingFirst: piece.byteCount)
            // Safe because the block is as large as the piece may be, and nobody else has it.
            unsafe piece.withUnsafeBytes {
                unsafe block.copyMemory(from: $0.baseAddress.unsafelyUnwrapped, byteCount: $0.count)
            }
            let start = unsafe block.assumingMemoryBound(to: UInt8.self)
            var span = unsafe MutableSpan(_unsafeStart: start, count: piece.byteCount)
            stream?.take(&span)
            unsafe link.deliver(RawSpan(_unsafeStart: block, byteCount: piece.byteCount))
        }
    }
    private static let pieceSize = 64 << 10

    func finished(_ carrier: Link) { drop(carrier, .finished.with("the peer left")) }

    func closed(_ carrier: Link, _ reason: CloseReason) { if carrier === self.carrier { lose(reason) } }

    func writable(_ carrier: Link) {
        if carrier === self.carrier, feed(carrier) { link?.sendable() }
    }

    // MARK: From the link

    /// What is taken counts as written: the ring keeps it, whatever becomes of the carrier.
    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        guard let carrier, feed(carrier) else { return 0 }
        var taken = 0
        while taken < bytes.byteCount, case let room = room(in: carrier), room > 0 {
            taken += stream?.write(bytes.extracting(droppingFirst: taken).extracting(first: room)) ?? 0
            if !feed(carrier) { break }
        }
        return taken
    }

    /// Gives the carrier what was written before. True when nothing of that is left.
    private func feed(_ carrier: Link) -> Bool {
        while stream?.hasUnsent == true, case let room = room(in: carrier), room > 0 { give(carrier, upTo: room) }
        return stream?.hasUnsent == false
    }

    private func give(_ carrier: Link, upTo room: Int) {
        guard let stream else { return }
        let piece = stream.unsent.extracting(first: room)
        let count = piece.byteCount
        carrier.write(piece)
        self.stream?.wasSent(count)
    }

    /// One more than it takes to be full, so that it says when it is not.
    private func room(in carrier: Link) -> Int {
        carrier.isFull || carrier.state != .open ? 0 : carrier.limits.high + 1 - carrier.queued
    }

    func setReading(_ isReading: Bool, for link: Link) {
        if isReading { carrier?.resumeReading() } else { carrier?.pauseReading() }
    }

    /// Nothing can tell the peer that one direction has ended.
    func finish(_ link: Link) {}

    func limitUnconfirmed(to bytes: Int, for link: Link) { carrier?.limitUnconfirmed(to: bytes) }

    func drain(_ link: Link) { carrier?.drain() }

    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {
        self.link = nil
        if let carrier, reason.sendsTheRest {
            // All of it waits below now. That the two queues are one makes no slow reader of the peer.
            let room = carrier.limits.most + 2 * rest.byteCount + settings.ring
            carrier.limits.most = min(room, QueueLimits.largest)
            while stream?.hasUnsent == true, carrier.state == .open { give(carrier, upTo: .max) }
            var rest = rest
            while !rest.isEmpty, carrier.state == .open {
                rest = rest.extracting(droppingFirst: stream?.write(rest) ?? rest.byteCount)
                while stream?.hasUnsent == true, carrier.state == .open { give(carrier, upTo: .max) }
            }
        }
        leave(reason)
    }

    /// The stream ends by itself.
    final func end(_ reason: CloseReason) {
        let link = exchange(&link, with: nil)
        leave(reason)
        link?.ended(reason)
    }

    private func leave(_ reason: CloseReason) {
        _ = stopWaiting()
        let carrier = exchange(&carrier, with: nil)
        carrier?.close(reason)
        ended()
    }

    // MARK: Counting

    enum Outcome: String { case done, refused }

    var side: String { "accepting" }

    final func count(_ outcome: Outcome) { Self.count(outcome, side: side, on: loop) }

    static func count(_ outcome: Outcome, side: String, on loop: Loop) {
        loop.meters.counter(
            "omniway_snet_resumes_total", "Attempts to resume a stream that were answered, by outcome and side.",
            labels: [("outcome", outcome.rawValue), ("side", side)]
        ).add(1)
    }

    final func countStreams(_ change: Int64) {
        loop.meters.gauge(
            "omniway_snet_streams", "Streams that have not ended, with or without a connection.",
            labels: [("side", side)]
        ).add(change)
    }
}
