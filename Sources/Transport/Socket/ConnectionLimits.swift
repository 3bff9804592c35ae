import OmniwayTelemetry

/// How many connections there may be, in all and from one address. One value may serve several acceptors.
public final class ConnectionLimits: Sendable {
    public let total: Int
    public let perAddress: Int

    private struct Counts {
        var total = 0
        var byAddress: [SocketAddress: Int] = [:]
    }
    private let counts = Lock(Counts())

    public init(total: Int = .max, perAddress: Int = .max) { (self.total, self.perAddress) = (total, perAddress) }

    public var count: Int { counts.withLock { $0.total } }

    /// Counts a connection in for as long as somebody holds its admission, or says why there is no room for it.
    func enter(_ peer: SocketAddress) -> Result<Admission, Refusal> {
        let host = peer.counted
        let refusal: CloseReason? = counts.withLock { counts in
            if counts.total >= total { return .tooManyLinks }
            if perAddress < .max, host != .none {
                if counts.byAddress[host, default: 0] >= perAddress { return .tooManyFromAddress }
                counts.byAddress[host, default: 0] += 1
            }
            counts.total += 1
            return nil
        }
        return refusal.map { .failure(Refusal(reason: $0)) } ?? .success(Admission(self, host))
    }

    struct Refusal: Error { let reason: CloseReason }

    fileprivate func leave(_ host: SocketAddress) {
        counts.withLock { counts in
            counts.total -= 1
            guard let count = counts.byAddress[host] else { return }
            counts.byAddress[host] = count == 1 ? nil : count - 1
        }
    }
}

/// One counted connection. It travels with the connection, and whoever drops it last counts it out.
final class Admission: Sendable {
    private let limits: ConnectionLimits
    private let host: SocketAddress

    /// The same connection's place among other limits.
    private let other: Lock<Admission?> = Lock(nil)

    fileprivate init(_ limits: ConnectionLimits, _ host: SocketAddress) { (self.limits, self.host) = (limits, host) }

    /// Holds another place for as long as this one.
    func hold(_ admission: Admission?) { other.withLock { $0 = admission } }
    deinit { limits.leave(host) }
}

/// A driver whose connection is counted in for as long as it is open below.
protocol CountedDriver: LinkDriver {
    func hold(_ admission: Admission)
}

extension ConnectionLimits {
    /// Counts in a connection that is open already. Without room for it the link is closed.
    func admit(_ link: Link) -> Bool {
        guard let driver = link.driver as? any CountedDriver else {
            link.close(.refused.with("only connections can be counted, not what lives on them"))
            return false
        }
        switch enter(link.traits.peer) {
        case .success(let admission): driver.hold(admission)
        case .failure(let refusal):
            link.loop.counters.refusedConnection(refusal.reason)
            link.close(refusal.reason)
        }
        return link.state != .closed
    }
}

extension CloseReason {
    /// The address has as many connections as one address may have.
    public static let tooManyFromAddress = CloseReason("too-many-from-address", sendsTheRest: false)
}
