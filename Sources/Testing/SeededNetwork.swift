public import OmniwayTransport

/// A bad network between two ends, repeated by its seed: it delays, splits, joins, loses and cuts. It wraps any dialer;
/// what the accepting side sends goes through it as well.
public struct SeededNetwork: Sendable {
    public struct Faults: Sendable {
        /// How long each piece travels. Pieces of one direction stay in order.
        public var delay: ClosedRange<Duration> = .milliseconds(1)...(.milliseconds(30))
        /// A stream is cut into pieces of so many bytes.
        public var piece: ClosedRange<Int> = 1...4096
        /// How often a piece of a stream waits for the next one and arrives with it.
        public var joining = 0.2
        /// How often a message is lost. Only links that keep messages lose any.
        public var loss = 0.0
        /// After so many bytes, both directions together, the link is cut off. Nil never cuts.
        public var cutAfter: ClosedRange<Int>?
        public init() {}
    }

    public var faults: Faults
    private let seeds: SeedSource

    public init(seed: UInt64, faults: Faults = Faults()) {
        self.faults = faults
        seeds = SeedSource(seed)
    }

    public func over(_ dialer: some Dialer) -> some Dialer { FaultyDialer(inner: dialer, faults: faults, seeds: seeds) }
}

private struct FaultyDialer<Inner: Dialer>: Dialer {
    let inner: Inner
    let faults: SeededNetwork.Faults
    let seeds: SeedSource

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        let driver = FaultyDriver(faults, SeededRandom(seed: seeds.next()), loop)
        guard let carrier = inner.dial(on: loop, deadline: deadline, handler: driver) else { return nil }
        return driver.link(over: carrier, handler: handler)
    }
}

/// One direction: what is under way, and when it arrives.
private struct Lane {
    var pieces: [(due: Moment, bytes: [UInt8], endOfMessage: Bool)] = []
    var queued = 0
    var hasEnded = false
    static let limit = 256 << 10
}

private final class FaultyDriver: LinkDriver, LinkHandler {
    private let faults: SeededNetwork.Faults
    private var random: SeededRandom
    private let loop: Loop
    private var link: Link?
    private var carrier: Link?
    private var down = Lane()
    private var up = Lane()
    private var bytesUntilCut: Int?
    /// The carrier has ended, the link has not yet.
    private var endsWith: CloseReason?

    init(_ faults: SeededNetwork.Faults, _ random: SeededRandom, _ loop: Loop) {
        (self.faults, self.random, self.loop) = (faults, random, loop)
        bytesUntilCut = faults.cutAfter.map { Int.random(in: $0, using: &self.random) }
    }

    func link(over carrier: Link, handler: any LinkHandler) -> Link? {
        link = Link.over(carrier, traits: carrier.traits, driver: self, handler: handler)
        self.carrier = carrier
        return link
    }

    // MARK: Downwards

    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        guard down.queued < Lane.limit else { return 0 }
        enter(\.down, bytes, endOfMessage, carrier?.traits.keepsMessages ?? false)
        return bytes.byteCount
    }

    func setReading(_ isReading: Bool, for link: Link) {
        if isReading { loop.after(.zero, self) }
    }

    func finish(_ link: Link) {
        down.hasEnded = true
        loop.after(.zero, self)
    }

    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {
        self.link = nil
        for piece in down.pieces where reason.sendsTheRest {
            carrier?.write(piece.bytes, endOfMessage: piece.endOfMessage)
        }
        if reason.sendsTheRest, !rest.isEmpty { carrier?.write(rest) }
        carrier?.close(reason)
    }

    // MARK: Upwards

    func opened(_ carrier: Link) { link?.opened() }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from carrier: Link) -> Int {
        enter(\.up, bytes, endOfMessage, carrier.traits.keepsMessages)
        if up.queued >= Lane.limit { carrier.pauseReading() }
        return bytes.byteCount
    }

    func writable(_ carrier: Link) { arrive() }

    func finished(_ carrier: Link) {
        up.hasEnded = true
        loop.after(.zero, self)
    }

    func closed(_ carrier: Link, _ reason: CloseReason) {
        self.carrier = nil
        endsWith = reason
        // What is still under way arrives before a clean end.
        if !reason.sendsTheRest || up.pieces.isEmpty { end(reason) }
    }

    private func end(_ reason: CloseReason) {
        link?.ended(reason)
        link = nil
    }

    // MARK: Under way

    private func enter(
        _ lane: ReferenceWritableKeyPath<FaultyDriver, Lane>, _ bytes: RawSpan, _ endOfMessage: Bool,
        _ keepsMessages: Bool
    ) {
        var all: [UInt8] = []
        unsafe bytes.withUnsafeBytes { unsafe all.append(contentsOf: $0) }
        if keepsMessages {
            if Double.random(in: 0..<1, using: &random) >= faults.loss { append(lane, all, endOfMessage) }
            return
        }
        var rest = all[...]
        while !rest.isEmpty {
            let count = min(rest.count, Int.random(in: faults.piece, using: &random))
            append(lane, Array(rest.prefix(count)), false)
            rest = rest.dropFirst(count)
        }
    }

    private func append(_ lane: ReferenceWritableKeyPath<FaultyDriver, Lane>, _ bytes: [UInt8], _ endOfMessage: Bool) {
        let least = faults.delay.lowerBound
        let nanoseconds = Int64((faults.delay.upperBound - least) / .nanoseconds(1))
        var due =
            loop.now + least + .nanoseconds(nanoseconds == 0 ? 0 : Int64.random(in: 0...nanoseconds, using: &random))
        if let last = self[keyPath: lane].pieces.last { due = max(due, last.due) }
        let isJoined = !endOfMessage && Double.random(in: 0..<1, using: &random) < faults.joining
        if isJoined, let last = self[keyPath: lane].pieces.indices.last, !self[keyPath: lane].pieces[last].endOfMessage
        {
            self[keyPath: lane].pieces[last].bytes += bytes
        } else {
            self[keyPath: lane].pieces.append((due, bytes, endOfMessage))
            loop.after(due - loop.now, self)
        }
        self[keyPath: lane].queued += bytes.count
    }

    private func arrive() {
        while let carrier, let piece = down.pieces.first, piece.due <= loop.now, !carrier.isFull {
            down.pieces.removeFirst()
            down.queued -= piece.bytes.count
            carrier.write(piece.bytes, endOfMessage: piece.endOfMessage)
            if counts(piece.bytes.count) { return cut() }
            if down.queued < Lane.limit { link?.sendable() }
        }
        if down.hasEnded, down.pieces.isEmpty { carrier?.finish() }
        while let link, link.isReading, let piece = up.pieces.first, piece.due <= loop.now {
            up.pieces.removeFirst()
            up.queued -= piece.bytes.count
            unsafe piece.bytes.withUnsafeBytes {
                unsafe link.deliver(RawSpan(_unsafeBytes: $0), endOfMessage: piece.endOfMessage)
            }
            if counts(piece.bytes.count) { return cut() }
            if up.queued < Lane.limit { carrier?.resumeReading() }
        }
        if up.hasEnded, up.pieces.isEmpty { link?.peerFinished() }
        if let endsWith, up.pieces.isEmpty { end(endsWith) }
    }

    private func counts(_ count: Int) -> Bool {
        guard let left = bytesUntilCut else { return false }
        bytesUntilCut = left - count
        return left <= count
    }

    private func cut() {
        carrier?.close(.reset.with("cut by the network"))
        end(.reset.with("cut by the network"))
    }
}

extension FaultyDriver: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) { arrive() }
}
