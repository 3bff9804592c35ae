import OmniwayTelemetry
import Synchronization

/// Whether a node should get work: what a load balancer asks.
public final class Readiness: Sendable {
    /// The life of a node, as others see it.
    public enum State: Int, Sendable, CustomStringConvertible {
        case starting, ready, draining

        /// The word that the endpoint answers.
        public var description: String {
            switch self {
            case .starting: "starting"
            case .ready: "ready"
            case .draining: "draining"
            }
        }
    }

    private let current = Atomic<Int>(State.starting.rawValue)

    private let troubles = Lock<@Sendable () -> [String]>({ [] })

    /// What is said besides, of a node that is ready and cannot do all that it should: others could do no better, so
    /// it goes on getting work.
    public func tell(_ troubles: @escaping @Sendable () -> [String]) { self.troubles.withLock { $0 = troubles } }

    /// The answer: the state, and a line for each thing that is not as it should be.
    var text: String {
        let troubles = troubles.withLock { $0 }
        return "\(state)\n" + troubles().map { "degraded: \($0)\n" }.joined()
    }

    /// A node that is starting.
    public init() {}

    /// Any thread may ask and say.
    public var state: State {
        get { State(rawValue: current.load(ordering: .relaxed)) ?? .starting }
        set { current.store(newValue.rawValue, ordering: .relaxed) }
    }
}
