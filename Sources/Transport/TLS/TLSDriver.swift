import OmniwayTelemetry

/// TLS between a carrier, which has the encrypted bytes, and the link above, which has the plain ones.
final class TLSDriver: LayerDriver {
    private let source: TLSContextSource
    private let side: Side
    private var engine: TLSEngine?
    private(set) var info: TLSInfo?

    enum Side {
        case server
        case client(TLSClient)

        var host: String { if case .client(let client) = self { client.host } else { "" } }
    }

    init(_ source: TLSContextSource, _ side: Side) { (self.source, self.side) = (source, side) }

    override func traits(over carrier: LinkTraits) -> LinkTraits {
        precondition(!carrier.keepsMessages && carrier.isReliable, "TLS goes over streams")
        return carrier
    }

    // MARK: Handshake

    override func begin(over carrier: Link) {
        guard source.isDue(carrier.loop.now) else { return start(over: carrier) }
        // Files may have changed. Looking blocks, so the handshake waits for a helper.
        carrier.pauseReading()
        let source = source
        carrier.loop.offLoop({ source.refresh() }) { _ in
            guard let carrier = self.carrier, carrier.state == .open else { return }
            carrier.resumeReading()
            self.start(over: carrier)
        }
    }

    private func start(over carrier: Link) {
        var isServer = true
        if case .client = side { isServer = false }
        guard let engine = TLSEngine(source.context, host: side.host, isServer: isServer, carrier: carrier) else {
            return fail(.systemError.with("out of memory for TLS"))
        }
        self.engine = engine
        if case .client(let client) = side {
            guard client.prepare(engine) else {
                return fail(.certificateRefused.with("no certificate can name \(client.host)"))
            }
            advance(engine)
        }
    }

    private func advance(_ engine: TLSEngine) {
        switch engine.handshake() {
        case .needsMore: break
        case .done: succeed(engine)
        case .ended: fail(.handshakeFailed.with("the peer ended TLS within its handshake"))
        case .failed(let reason): fail(reason)
        }
    }

    private func succeed(_ engine: TLSEngine) {
        info = engine.info
        if case .client(let client) = side, let objection = client.lastObjection(to: info) {
            return fail(.certificateRefused.with(objection))
        }
        complete()
        if let carrier { setLimits(carrier.limits) }  // The link above has them already.
    }

    /// Encrypted bytes go through a queue that stays in the processor's cache; those that must wait do so above, once.
    override func setLimits(_ limits: QueueLimits) {
        var limits = limits
        limits.low = min(limits.low, Self.mostEncrypted / 4)
        limits.high = min(limits.high, Self.mostEncrypted)
        super.setLimits(limits)
    }
    private static let mostEncrypted = 128 << 10

    // MARK: Upwards

    override func receive(_ bytes: RawSpan, endOfMessage: Bool, from carrier: Link) -> Int {
        guard let engine else { return 0 }
        if link?.peerHasFinished == true { return bytes.byteCount }  // What follows the end of TLS is to be ignored.
        return engine.feed(bytes) {
            if !engine.isOpen { advance(engine) }
            if engine.isOpen { deliver(engine) }
        }
    }

    /// Hands up what can be decrypted, a good piece at a time.
    private func deliver(_ engine: TLSEngine) {
        guard let loop = carrier?.loop else { return }
        let block = unsafe loop.pool.take(Self.pieceSize)
        defer { unsafe loop.pool.give(block, size: Self.pieceSize) }
        var step = TLSEngine.Step.done
        while step == .done, engine.hasMore, let link, link.isReading, link.state == .open {
            let count: Int
            (count, step) = unsafe engine.read(into: UnsafeMutableRawBufferPointer(start: block, count: Self.pieceSize))
            if count > 0 { unsafe link.deliver(RawSpan(_unsafeStart: block, byteCount: count)) }
        }
        switch step {
        case .done, .needsMore: break
        case .ended: link?.peerFinished()
        case .failed(let reason): fail(reason)
        }
    }
    private static let pieceSize = 64 << 10

    /// What OpenSSL had read of a paused link is not in the carrier's hands any more, so nobody would bring it.
    override func setReading(_ isReading: Bool, for link: Link) {
        super.setReading(isReading, for: link)
        if isReading, engine?.hasPending == true { link.loop.after(.zero, self) }
    }

    override func finished(_ carrier: Link) {
        guard let engine, engine.isOpen else { return super.finished(carrier) }
        // After the end of TLS this is the end that was announced; the link has been told.
        if link?.peerHasFinished != true { fail(Self.cutOff) }
    }
    private static let cutOff = CloseReason.truncated.with("the peer left without ending TLS")

    /// A carrier that this side has finished ends by itself when its peer does too, and asks nobody.
    override func end(of link: Link, after reason: CloseReason) -> CloseReason {
        reason == .finished && !link.peerHasFinished ? Self.cutOff : reason
    }

    // MARK: Downwards

    /// It goes into the carrier's queue.
    override var sendsEarly: Bool { true }

    override func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int { engine?.write(bytes) ?? 0 }

    /// Both begin in one record; the rest of the second is not copied for it.
    override func send(_ head: RawSpan, _ rest: RawSpan, for link: Link) -> Int {
        guard let engine, head.byteCount < TLSEngine.mostPlain else { return 0 }
        let begun = rest.extracting(first: TLSEngine.mostPlain - head.byteCount)
        let taken = link.loop.pool.join(head, begun) { engine.write($0) }
        guard taken == head.byteCount + begun.byteCount else { return taken }
        return taken + engine.write(rest.extracting(droppingFirst: begun.byteCount))
    }

    override func finish(_ link: Link) {
        engine?.sayEnd()
        carrier?.finish()
    }

    override func sayGoodbye(_ reason: CloseReason, rest: RawSpan, over carrier: Link) {
        guard reason.sendsTheRest, let engine else { return }
        _ = engine.write(rest, evenIfFull: true)
        engine.sayEnd()
    }

    override func ended() { engine = nil }
}

extension TLSDriver: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        if let engine, engine.isOpen { deliver(engine) }
    }
}
