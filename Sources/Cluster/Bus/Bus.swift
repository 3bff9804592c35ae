public import OmniwayTransport
import OmniwayTelemetry

/// How the servers of a cluster talk: who publishes to a subject reaches all who have subscribed to it, and a request
/// is answered by one of them. What is published is delivered once or not at all.
///
/// Each loop has a part of its own, its port. All work is done there, without a hop, a task or a lock.
public protocol Bus: AnyObject, Sendable {
    /// The port of this loop, always the same until it is closed. It connects when it is first asked for.
    func port(on loop: Loop) -> BusPort
}

/// How a port stands with its bus.
public enum BusState: Equatable, Sendable, CustomStringConvertible {
    /// It has not been connected yet; nothing has gone wrong so far.
    case connecting
    case open
    /// Requests and messages fail at once. It comes back by itself; subscriptions are kept.
    case away(String)
    /// What is under way is being finished; then it closes.
    case draining
    case closed

    public var description: String {
        switch self {
        case .connecting: "connecting"
        case .open: "open"
        case .away(let words): "away: \(words)"
        case .draining: "draining"
        case .closed: "closed"
        }
    }

    var isUsable: Bool { self == .open || self == .draining }
}

/// What a port may hold.
public struct BusLimits: Sendable, Equatable {
    /// Requests that wait for answers.
    public var requests = 65_536
    public var subscriptions = 1 << 20
    /// Messages that wait for a subscription that is paused, and their bytes; later ones are dropped and counted.
    public var pendingMessages = 65_536
    public var pendingBytes = 64 << 20
    public init() {}
}

/// The ports of a bus, by their loops.
final class BusPorts: Sendable {
    private let ports = Lock<[ObjectIdentifier: LoopLocal<BusPort>]>([:])

    /// The one of this loop; `make` builds it when there is none yet, or when it has been closed.
    func port(on loop: Loop, _ make: () -> BusPort) -> BusPort {
        let home = ObjectIdentifier(loop)
        // A loop that has ended may have left its address to this one, so the port must know its loop.
        if let port = ports.withLock({ $0[home] })?.on(loop), port.loop === loop, port.state != .closed { return port }
        let port = make()
        let name = loop.name(port)
        port.name = name
        ports.withLock { $0[home] = name }
        return port
    }

    func forget(_ loop: Loop) {
        let home = ObjectIdentifier(loop)
        ports.withLock { $0[home] = nil }
    }
}
