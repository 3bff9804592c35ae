import OmniwayTelemetry

/// What peers may cost before they have said who they are. Copies share their counts.
public struct HandshakeLimits: Sendable {
    /// How long one handshake may take.
    public var deadline: Duration
    let counts: ConnectionLimits

    /// How many may be under way at once, in all and from one address.
    public init(deadline: Duration = .seconds(10), total: Int = 10_000, perAddress: Int = 1_000) {
        self.deadline = deadline
        counts = ConnectionLimits(total: total, perAddress: perAddress)
    }

    /// How many are under way.
    public var count: Int { counts.count }
}

/// A handshake under way. On the side that accepts it has a deadline, and a place among the limits for as long as it
/// lives.
struct Handshake {
    let intake: (any LinkIntake)?
    private let layer: String
    private var admission: Admission?
    private var deadline: TimerID?
    /// A carrier that is dialled may never come about; its handshake is none then.
    private var hasBegun = true

    /// Nil when there is no room for another; the carrier is closed then.
    init?(over carrier: Link, layer: String, _ limits: HandshakeLimits, for intake: any LinkIntake) {
        (self.layer, self.intake) = (layer, intake)
        switch limits.counts.enter(carrier.traits.peer) {
        case .success(let admission): self.admission = admission
        case .failure(let refusal):
            Self.count(.refused, of: layer, side: "accepting", on: carrier.loop)
            carrier.close(.tooManyHandshakes.with("\(refusal.reason.name), at the \(layer) handshake"))
            return nil
        }
        deadline = carrier.loop.after(limits.deadline, HandshakeDeadline(carrier, layer: layer))
    }

    /// Without a deadline of its own: on the side that dials, where the dialling's covers all, or led by somebody else.
    init(layer: String, for intake: (any LinkIntake)? = nil) {
        (self.layer, self.intake) = (layer, intake)
        hasBegun = intake != nil
    }

    mutating func begin() { hasBegun = true }

    enum Outcome: String { case done, failed, timeout, refused }

    /// The carrier has ended before the handshake was done.
    func end(by reason: CloseReason, on loop: Loop) {
        end(reason == .handshakeTimeout || reason == .connectTimeout ? .timeout : .failed, on: loop)
    }

    /// It goes on elsewhere, as another handshake.
    func move(from loop: Loop) { if let deadline { loop.cancel(deadline) } }

    func end(_ outcome: Outcome, on loop: Loop) {
        if let deadline { loop.cancel(deadline) }
        guard hasBegun else { return }
        Self.count(outcome, of: layer, side: intake == nil ? "dialing" : "accepting", on: loop)
    }

    private static func count(_ outcome: Outcome, of layer: String, side: String, on loop: Loop) {
        loop.meters.counter(
            "omniway_handshakes_total", "Handshakes that ended, by protocol, outcome and side.",
            labels: [("layer", layer), ("outcome", outcome.rawValue), ("side", side)]
        ).add(1)
    }
}

private final class HandshakeDeadline: TimerTarget {
    private let carrier: LinkID
    private let layer: String
    init(_ carrier: Link, layer: String) { (self.carrier, self.layer) = (carrier.id, layer) }

    func timerFired(_ token: UInt64, on loop: Loop) {
        loop.link(carrier)?.close(.handshakeTimeout.with("the \(layer) handshake was not done in time"))
    }
}

extension CloseReason {
    /// The peer has not said in time who it is.
    public static let handshakeTimeout = CloseReason("handshake-timeout", sendsTheRest: false)
    /// The peer said something that is no beginning of the protocol, or left.
    public static let handshakeFailed = CloseReason("handshake-failed")
    /// As many handshakes are under way as there may be, in all or from the peer's address.
    public static let tooManyHandshakes = CloseReason("too-many-handshakes", sendsTheRest: false)
}
