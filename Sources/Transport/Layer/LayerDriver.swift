public import OmniwayWire

/// Between a carrier link and the link above it: the driver of the one, the handler of the other.
/// A protocol overrides what it does differently from passing everything on.
open class LayerDriver: CarriedDriver, LinkHandler {
    // Stored apart from their public names, to be free of run-time exclusivity checks.
    private var lower: Link?
    private var upper: Link?
    private var handshake: Handshake?

    /// The link below; nil once it has ended.
    public final var carrier: Link? { lower }
    /// The link above; nil before the handshake on the side that accepts, and once either of them has ended.
    public final var link: Link? { upper }

    public init() {}

    // MARK: What a protocol brings

    /// How a person is to read what goes over the carrier.
    open var frameFormat: FrameFormat? { nil }

    /// What the link above is.
    open func traits(over carrier: LinkTraits) -> LinkTraits { carrier }

    /// The carrier is open. The handshake begins, and ends with `complete` or `fail`.
    open func begin(over carrier: Link) { complete() }

    open func receive(_ bytes: RawSpan, endOfMessage: Bool, from carrier: Link) -> Int {
        link?.deliver(bytes, endOfMessage: endOfMessage)
        return bytes.byteCount
    }

    open var onlyQueues: Bool { false }

    open func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        guard let carrier, !carrier.isFull else { return 0 }
        carrier.write(bytes, endOfMessage: endOfMessage)
        return bytes.byteCount
    }

    open func send(_ head: RawSpan, _ rest: RawSpan, for link: Link) -> Int { 0 }

    open var sendsEarly: Bool { false }

    open func setReading(_ isReading: Bool, for link: Link) {
        if handshake != nil { return }  // It needs the carrier's bytes.
        if isReading { carrier?.resumeReading() } else { carrier?.pauseReading() }
    }

    /// The link above has got other limits.
    open func setLimits(_ limits: QueueLimits) { carrier?.limits = limits }

    open func finish(_ link: Link) { carrier?.finish() }

    open func limitUnconfirmed(to bytes: Int, for link: Link) { carrier?.limitUnconfirmed(to: bytes) }

    open func drain(_ link: Link) { carrier?.drain() }

    /// The last words of a link: what was not sent yet, if the reason says so, and the protocol's goodbye.
    open func sayGoodbye(_ reason: CloseReason, rest: RawSpan, over carrier: Link) {
        if reason.sendsTheRest, !rest.isEmpty { carrier.write(rest) }
    }

    /// The goodbye was said: lets the carrier go, at once or when the peer has answered.
    open func leave(_ carrier: Link, _ reason: CloseReason) { carrier.close(reason) }

    /// The carrier was full, and can take more.
    open func writable(_ carrier: Link) { link?.sendable() }

    /// The carrier's peer will send nothing more.
    open func finished(_ carrier: Link) {
        if let link, link.state == .open { link.peerFinished() } else { fail(.handshakeFailed.with("the peer left")) }
    }

    /// Why the link above ends when its carrier has ended like that.
    open func end(of link: Link, after reason: CloseReason) -> CloseReason { reason }

    /// Both links have ended, or the carrier before there was another: what the protocol holds can go.
    open func ended() {}

    // MARK: For the protocol to call

    /// The handshake is done: on the side that accepts the intake is asked for a handler, then the link is open.
    public final func complete() {
        guard let carrier, carrier.state == .open else { return }
        handshake?.end(.done, on: carrier.loop)
        let intake = exchange(&handshake, with: nil)?.intake
        if let link = upper {
            link.setPeer(carrier.traits.peer)
            if !link.isReading { carrier.pauseReading() }
            link.opened()
        } else if let intake {
            accept(carrier, into: intake)
        }
    }

    private func accept(_ carrier: Link, into intake: any LinkIntake) {
        let link = Link.over(
            carrier, traits: traits(over: carrier.traits), driver: self, handler: carrier.loop.nobody)
        guard let link else { return }
        upper = link
        guard let handler = intake.accept(link) else { return link.close(.refused) }
        link.handler = handler
        link.opened()
    }

    /// Ends both links, without a goodbye.
    public final func fail(_ reason: CloseReason) {
        let (carrier, link) = (lower, upper)
        upper = nil
        carrier?.close(reason)
        link?.ended(reason)
    }

    // MARK: Beginning

    /// False when there is no room for another handshake; the carrier is closed then.
    final func accepts(
        _ carrier: Link, layer: String, _ limits: HandshakeLimits, for intake: any LinkIntake
    ) -> Bool {
        handshake = Handshake(over: carrier, layer: layer, limits, for: intake)
        if handshake != nil { lower = carrier }
        return handshake != nil
    }

    final func dials(
        over carrier: Link, layer: String, deadline: Duration, handler: any LinkHandler
    ) -> Link? {
        lower = carrier
        handshake = Handshake(layer: layer)
        upper = Link.over(carrier, traits: traits(over: carrier.traits), driver: self, handler: handler)
        upper?.connect(within: deadline)
        return upper
    }

    /// Somebody else has led the handshake and gives the carrier, which this driver hears of by `opened`.
    final func takesOver(layer: String, for intake: any LinkIntake) {
        handshake = Handshake(layer: layer, for: intake)
    }

    public final func opened(_ carrier: Link) {
        lower = carrier
        handshake?.begin()
        begin(over: carrier)
    }

    // MARK: Passing on

    public final func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {
        upper = nil
        guard let carrier else { return }
        guard handshake == nil, carrier.state == .open else { return carrier.close(reason) }
        // What has waited above waits below now. That the two queues are one makes no slow reader of the peer.
        let room = carrier.limits.most + 2 * rest.byteCount
        if !rest.isEmpty { carrier.limits.most = min(room, QueueLimits.largest) }
        sayGoodbye(reason, rest: rest, over: carrier)
        leave(carrier, reason)
    }

    public final func closed(_ carrier: Link, _ reason: CloseReason) {
        handshake?.end(by: reason, on: carrier.loop)
        handshake = nil
        lower = nil
        if let link = exchange(&upper, with: nil) { link.ended(end(of: link, after: reason)) }
        ended()
    }
}
