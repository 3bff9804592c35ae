public import OmniwayTransport

/// Streams over a carrier, for whoever takes any dialer. Only on the loop where the carrier lives.
public struct CarrierDialer: Dialer {
    let peer: LoopLocal<CarrierPeer>
    /// Over a connection of its own, if one is ready.
    public var isBulk = false

    public func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        guard let peer = peer.on(loop) else { return nil }
        return isBulk
            ? peer.dialBulk(deadline: deadline, handler: handler) : peer.dial(deadline: deadline, handler: handler)
    }
}

/// The streams that the peer of a carrier opens, for whoever takes any acceptor. They go to the intake of the carrier's
/// loop.
public struct CarrierAcceptor: Acceptor {
    let peer: LoopLocal<CarrierPeer>

    public func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening {
        let peer = peer
        for intake in intakes {
            let isHere = await intake.run { loop, intake in
                guard let here = peer.on(loop) else { return false }
                here.intake = intake
                return true
            }
            guard isHere else { continue }
            return Listening(address: .none) { await intake.run { loop, _ in peer.on(loop)?.intake = nil } }
        }
        throw .misconfigured("the carrier lives on a loop of which there is no intake")
    }
}

extension CarrierPeer {
    /// A `Sendable` way to open streams, which the loop keeps until it ends.
    public var dialer: CarrierDialer { CarrierDialer(peer: name) }
    /// The same for the streams that the peer opens.
    public var acceptor: CarrierAcceptor { CarrierAcceptor(peer: name) }
}
