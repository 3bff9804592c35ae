/// A protocol that an accepting side speaks above other links, its carriers: TLS, WebSocket, framing.
public protocol AcceptorLayer: Sendable {
    /// The word that stands for it in logs and counters.
    var layerName: String { get }
    /// What a peer may cost before it has said who it is.
    var handshakes: HandshakeLimits { get }
    /// For one new carrier.
    func acceptingDriver(on loop: Loop) -> LayerDriver
}

/// The same on the side that dials.
public protocol DialerLayer: Sendable {
    var layerName: String { get }
    /// For one link that is asked for.
    func dialingDriver(on loop: Loop) -> LayerDriver
}

extension AcceptorLayer {
    /// The links of `acceptor`, with this protocol on them. The intake is asked when the handshake is done.
    public func over(_ acceptor: some Acceptor) -> some Acceptor {
        CarrierAcceptor(inner: acceptor) { accept($0, into: $1) }
    }

    /// The same for one link that has just come: a handler for it, or nil when there is no room for its handshake.
    public func accept(_ carrier: Link, into intake: any LinkIntake) -> (any LinkHandler)? {
        let driver = acceptingDriver(on: carrier.loop)
        return driver.accepts(carrier, layer: layerName, handshakes, for: intake) ? driver : nil
    }
}

extension DialerLayer {
    /// The links that `dialer` gives, with this protocol on them. The deadline is for all handshakes together.
    public func over(_ dialer: some Dialer) -> some Dialer { LayeredDialer(layer: self, inner: dialer) }

    /// The same for one link that is open already, for protocols that agree on TLS in plain words. What comes next on
    /// it is this protocol. Nil when the loop has no room for another link; the carrier is closed then.
    package func over(_ carrier: Link, deadline: Duration, handler: any LinkHandler) -> Link? {
        let driver = dialingDriver(on: carrier.loop)
        guard let link = driver.dials(over: carrier, layer: layerName, deadline: deadline, handler: handler) else {
            return nil
        }
        carrier.handler = driver
        driver.opened(carrier)
        return link
    }
}

/// An acceptor whose links go through somebody else's hands before the intake is asked for a handler.
struct CarrierAcceptor<Inner: Acceptor>: Acceptor {
    let inner: Inner
    /// The handler of a new carrier; nil refuses it.
    let take: @Sendable (_ carrier: Link, _ intake: any LinkIntake) -> (any LinkHandler)?

    func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening {
        var wrapped: [LoopBound<CarrierIntake>] = []
        for intake in intakes {
            wrapped.append(await intake.map { _, intake in CarrierIntake(inner: intake, take: take) })
        }
        let carriers = wrapped
        do {
            let listening = try await inner.open(into: carriers)
            return Listening(address: listening.address) {
                await listening.stop()
                for intake in carriers { await intake.release() }
            }
        } catch {
            for intake in carriers { await intake.release() }
            throw error
        }
    }
}

private final class CarrierIntake: LinkIntake {
    private let inner: any LinkIntake
    private let take: @Sendable (Link, any LinkIntake) -> (any LinkHandler)?

    init(inner: any LinkIntake, take: @escaping @Sendable (Link, any LinkIntake) -> (any LinkHandler)?) {
        (self.inner, self.take) = (inner, take)
    }

    func accept(_ carrier: Link) -> (any LinkHandler)? { take(carrier, inner) }
}

private struct LayeredDialer<Layer: DialerLayer, Inner: Dialer>: Dialer {
    let layer: Layer
    let inner: Inner

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        let driver = layer.dialingDriver(on: loop)
        guard let carrier = inner.dial(on: loop, deadline: deadline, handler: driver) else { return nil }
        return driver.dials(over: carrier, layer: layer.layerName, deadline: deadline, handler: handler)
    }
}
